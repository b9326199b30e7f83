"""Models that run on the engine, behind the names, arguments and outputs of transformers.

They are for inference. Inputs are torch tensors, numpy arrays or lists; results are torch tensors (in the
model's dtype, as in transformers) if an input was one, else numpy arrays (float32).
"""

import functools
import os
import sys
from typing import Any, ClassVar, NoReturn, Self

from fastplm import _engine, arrays, calls, loading
from fastplm.checkpoint import Checkpoint, read_checkpoint
from fastplm.config import PretrainedConfig
from fastplm.config_keys import FAMILIES
from fastplm.errors import UnsupportedError
from fastplm.hub import resolve
from fastplm.loading import Source
from fastplm.naming import CLASS_NAME, is_encoder_decoder, is_saved_encoder, squeeze, stem
from fastplm.outputs import ModelOutput

_BARE = ("Model", "EncoderModel")  # classes without a head: what this version runs
_TRAINING = "fastplm's engine models are for inference; train a torch model: fastplm.accelerate(hf_model)"


class PreTrainedModel:
    """A model loaded into the engine. Made by `from_pretrained`, of this class's family.

    Safe to call from several threads at once. Copies share the engine. A pickle holds where the model came
    from and how it was loaded, but no weights and no token: the weights are read again where it is opened.
    """

    model_type: ClassVar[str] = ""
    encoder_only: ClassVar[bool] = False  # takes the encoder of an encoder-decoder checkpoint

    config: PretrainedConfig
    engine: _engine.Model
    _pooled: bool
    _source: Source

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError(f"{type(self).__name__} is made by {type(self).__name__}.from_pretrained(path_or_id)")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: Any = None,
        dtype: Any = None,
        device: Any = "cpu",
        device_map: Any = None,
        add_pooling_layer: bool = True,
        attn_implementation: Any = None,
        trust_remote_code: bool | None = None,
        use_safetensors: bool | None = None,
        variant: str | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        subfolder: str | None = None,
        torch_dtype: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Loads a folder or a hub id, or the `subfolder` of one, with the LoRA adapter that lies in it.

        config: takes the place of config.json: a config of fastplm or transformers, a dict of settings, a
        file, a folder or a hub id.
        dtype: "float32" (the default; matches transformers' eager float32), "bfloat16" (weights and matrix
        products in bfloat16, everything else float32), "auto" (as the checkpoint was saved); or a torch or
        numpy dtype. torch_dtype: the older name of dtype.
        device, device_map: the CPU. attn_implementation: has no effect.
        add_pooling_layer=False leaves pooler_output out.
        trust_remote_code: code is never run; True is refused where transformers' AutoModel would run some.
        variant: reads model.`variant`.safetensors.
        kwargs: settings in place of the config's own (output_hidden_states=True, return_dict=False), and the
        other arguments of transformers, as far as they ask for nothing.

        Raises FileNotFoundError, CheckpointError (a damaged file, or config and weights that disagree),
        UnsupportedError (another family, dtype, device or mechanism), TypeError (an unknown keyword).
        Messages name the file, tensor or argument.
        """
        settings = loading.take_arguments(kwargs)
        arrays.check_device(device)
        loading.check_device_map(device_map)
        loading.check_attention(attn_implementation)
        loading.check_safetensors(use_safetensors)
        hub: dict[str, Any] = {
            "revision": revision,
            "cache_dir": cache_dir,
            "local_files_only": local_files_only,
        }
        source = Source.of(pretrained_model_name_or_path, {**hub, "subfolder": subfolder}, variant)
        online: dict[str, Any] = {"token": token, "force_download": force_download}
        folder = resolve(pretrained_model_name_or_path, **source.hub, **online)
        if config is not None or settings:
            config = loading.read_config(folder, config, settings, {**hub, **online})
        checkpoint = read_checkpoint(folder, config, variant)
        actual = cls._for(checkpoint.config)
        if trust_remote_code:
            cls._check_code(checkpoint.config)
        dtype = arrays.dtype_name(torch_dtype if dtype is None else dtype, checkpoint.stored)
        return actual._built(checkpoint, source, dtype, add_pooling_layer)

    @classmethod
    def _built(cls, checkpoint: Checkpoint, source: Source, dtype: str, pooled: bool) -> Self:
        model = object.__new__(cls)
        model.config, model._source, model._pooled = checkpoint.config, source, pooled
        model.engine = checkpoint.build(_engine_class(cls), dtype)
        return model

    @classmethod
    def _check_code(cls, config: PretrainedConfig) -> None:
        """Raises UnsupportedError if transformers would run the repository's code. Named classes never do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_again, (type(self), self._source, self.config, self.engine.dtype, self._pooled)

    def __copy__(self) -> Self:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()  # nothing of it can change

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Self]:
        """The class to make for `config`: this one, if it fits."""
        if cls.model_type != config.model_type:
            raise UnsupportedError(
                f"{config.name_or_path}: model_type is {config.model_type!r}; {cls.__name__} loads "
                f"{cls.model_type!r}: use fastplm.AutoModel"
            )
        if is_encoder_decoder(config) and not cls.encoder_only:
            raise UnsupportedError(
                f"{config.name_or_path}: an encoder-decoder, which this version cannot run; its encoder "
                f"alone is fastplm.{stem(config)}EncoderModel"
            )
        return cls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `forward`."""
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> ModelOutput | tuple[Any, ...]:
        """Runs the model on a batch of B rows of S tokens. Padding costs nothing: masked tokens are dropped.

        Arguments by position come in the family's order in transformers: `inspect.signature` shows it.

        input_ids: integers [B, S], or inputs_embeds: floats [B, S, W]; exactly one of them.
        attention_mask: [B, S] or [1, S], or [B, S, S] (query, key); 0 hides a token. Or [B, 1, S, S], where
        all sizes but the last may be 1: booleans, or floats that are added to scores, 0 or at most -10000.
        Default: all ones.
        token_type_ids: integers [B, S], default 0. position_ids: integers [B, S] or [1, S], default as in
        transformers: every token keeps its place in the row, holes and padding on the left included. As in
        transformers, families without them take either and do nothing with it.
        output_hidden_states (numbers of layers select some), output_attentions, return_dict: default as in
        the config.
        Other arguments of transformers must ask for nothing (use_cache=False, head_mask=None).

        Positions that attention_mask [B, S] hides are zeros in the results.
        Raises ValueError (shapes, ids out of range, more tokens than the model takes), TypeError (dtypes,
        unknown arguments), UnsupportedError (what an encoder does not do).
        """
        given = calls.bind(self.model_type, args, kwargs)
        if given.get("labels") is not None:
            raise UnsupportedError(f"labels: {_TRAINING}")
        input_ids, embeds = given.get("input_ids"), given.get("inputs_embeds")
        if (input_ids is None) == (embeds is None):
            got = "neither" if input_ids is None else "both"
            raise ValueError(f"input_ids and inputs_embeds: got {got}; expected exactly one")
        config = self.config
        layers = calls.layers_of(given.get("output_hidden_states"), config)
        ids, embeds, batch, length = self._tokens(input_ids, embeds)
        results = self.engine.encode(
            ids,
            embeds,
            calls.mask(given.get("attention_mask"), batch, length, config),
            calls.per_token(given.get("position_ids"), "position_ids", batch, length, shared=True),
            calls.per_token(given.get("token_type_ids"), "token_type_ids", batch, length),
            None,
            layers is not False,
            calls.switch(given.get("output_attentions"), "output_attentions", config.output_attentions),
        )
        if not self._pooled:
            results["pooler_output"] = None
        if not isinstance(layers, bool):
            results["hidden_states"] = calls.selected(results["hidden_states"], layers)
        as_torch = any(arrays.is_torch(value) for value in given.values())
        output = ModelOutput(**{name: self._give(value, as_torch) for name, value in results.items()})
        named = calls.switch(given.get("return_dict"), "return_dict", config.return_dict)
        return output if named else output.to_tuple()

    def _tokens(
        self, input_ids: Any, inputs_embeds: Any
    ) -> tuple[arrays.Array | None, arrays.Array | None, int, int]:
        """ids or embeddings, the batch size and the length."""
        if inputs_embeds is None:
            ids = arrays.integers(input_ids, "input_ids")
            if ids.ndim != 2:
                raise ValueError(f"input_ids: shape {list(ids.shape)}; expected [batch, length]")
            return ids, None, *ids.shape
        embeds = arrays.floats(inputs_embeds, "inputs_embeds")
        if embeds.ndim != 3 or embeds.shape[2] != self.engine.width:
            raise ValueError(
                f"inputs_embeds: shape {list(embeds.shape)}; expected [batch, length, {self.engine.width}]"
            )
        return None, embeds, embeds.shape[0], embeds.shape[1]

    def _give(self, value: Any, as_torch: bool) -> Any:
        """A result in the form the caller works with."""
        if isinstance(value, list | tuple):
            return tuple(self._give(item, as_torch) for item in value)
        if value is None or not as_torch:
            return value
        return arrays.to_torch(value).to(self.dtype)

    @property
    def device(self) -> Any:
        """Where the model computes: torch.device("cpu") in a program that uses torch, else "cpu"."""
        torch = sys.modules.get("torch")
        return torch.device("cpu") if torch else "cpu"

    @property
    def dtype(self) -> Any:
        """What the model computes in: a torch.dtype in a program that uses torch, else its name."""
        torch = sys.modules.get("torch")
        return getattr(torch, self.engine.dtype) if torch else self.engine.dtype

    @property
    def training(self) -> bool:
        """Always False."""
        return False

    def eval(self) -> Self:
        """Does nothing: the model is always in evaluation mode."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Accepts what the model already is: .to("cpu"), .to(its dtype). Else raises UnsupportedError."""
        for wanted in (*args, *kwargs.values()):
            if isinstance(wanted, bool) or wanted is None:  # non_blocking, copy
                continue
            if type(wanted).__name__ == "dtype" or wanted in ("float32", "bfloat16"):
                if arrays.dtype_name(wanted) != self.engine.dtype:
                    raise UnsupportedError(
                        f"dtype: {wanted}; this model computes in {self.engine.dtype}: weights are packed at "
                        "load, so pass dtype= to from_pretrained"
                    )
            else:
                arrays.check_device(wanted)
        return self

    def cpu(self) -> Self:
        """Does nothing: the model computes on the CPU."""
        return self

    def cuda(self, device: Any = None) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        arrays.check_device("cuda")
        raise AssertionError("unreachable")

    def train(self, mode: bool = True) -> Self:
        """Raises UnsupportedError naming the way to train, unless mode is False."""
        if mode:
            raise UnsupportedError(f"train(): {_TRAINING}")
        return self

    def parameters(self, recurse: bool = True) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"parameters(): {_TRAINING}")

    def named_parameters(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"named_parameters(): {_TRAINING}")

    def state_dict(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"state_dict(): {_TRAINING}")

    def __repr__(self) -> str:
        e = self.engine
        return (
            f"{type(self).__name__}({e.layers} layers, width {e.width}, {e.heads} heads, "
            f"vocabulary {e.vocab_size}, {e.dtype}, {e.nbytes / 1e6:.1f} MB)"
        )


class AutoModel(PreTrainedModel):
    """Makes the model that config.json describes, of whatever family. Only `from_pretrained` is of use."""

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Any]:
        kind = "EncoderModel" if is_saved_encoder(config) else "Model"
        return model_class(stem(config) + kind)._for(config)

    @classmethod
    def _check_code(cls, config: PretrainedConfig) -> None:
        code = config.get("auto_map")
        for name in ("AutoConfig", "AutoModel"):
            if isinstance(code, dict) and name in code:
                raise UnsupportedError(
                    f"{config.name_or_path}: its auto_map has {name}, code that trust_remote_code=True runs; "
                    "fastplm runs none: without trust_remote_code it loads its own class"
                )


def model_class(name: str) -> type[PreTrainedModel]:
    """The engine's class for the transformers class `name`, such as "BertModel" or "T5EncoderModel".

    Raises AttributeError if this version has none, with the reason.
    """
    match = CLASS_NAME.fullmatch(name)
    families = {squeeze(family): family for family in FAMILIES}
    if not match or squeeze(match[1]) not in families:
        raise AttributeError(
            f"fastplm has no {name!r}; its model families are {', '.join(families.values())}"
        )
    if match[2] not in _BARE:
        raise AttributeError(
            f"fastplm.{name}: this version has no heads; fastplm.{match[1]}Model gives hidden states"
        )
    family = families[squeeze(match[1])]
    known = {squeeze(cls): cls for cls in _engine.classes(family)}
    return _make_class(known[squeeze(name)], family, match[2] == "EncoderModel")


@functools.cache
def _make_class(name: str, model_type: str, encoder_only: bool) -> type[PreTrainedModel]:
    def forward(self: PreTrainedModel, *args: Any, **kwargs: Any) -> ModelOutput | tuple[Any, ...]:
        return PreTrainedModel.forward(self, *args, **kwargs)

    forward.__doc__ = PreTrainedModel.forward.__doc__
    forward.__signature__ = calls.signature(model_type)  # type: ignore[attr-defined]
    members = {
        "model_type": model_type,
        "encoder_only": encoder_only,
        "forward": forward,
        "__doc__": f"{name} of transformers, on fastplm's engine.",
        "__module__": "fastplm",  # where pickles find it
    }
    return type(name, (PreTrainedModel,), members)


def _engine_class(cls: type[PreTrainedModel]) -> str:
    """What the engine builds for `cls`: of encoder-decoders the encoder alone."""
    known = _engine.classes(cls.model_type)
    return next((name for name, stacks in known.items() if stacks == "encoder"), cls.__name__)


def _load_again(
    cls: type[PreTrainedModel], source: Source, config: PretrainedConfig, dtype: str, pooled: bool
) -> PreTrainedModel:
    """What a pickle of a model calls where it is opened."""
    checkpoint = read_checkpoint(resolve(source.path_or_id, **source.hub), config, source.variant)
    return cls._built(checkpoint, source, dtype, pooled)
