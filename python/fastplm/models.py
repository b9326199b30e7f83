"""Models that run on the engine, behind the names, arguments and outputs of transformers.

They are for inference. Inputs are torch tensors, numpy arrays or lists; results are torch tensors (in the
model's dtype, as in transformers) if an input was one, else numpy arrays (float32).
"""

import functools
import os
import re
import sys
from typing import Any, ClassVar, NoReturn, Self

from fastplm import _engine, arrays
from fastplm.checkpoint import read_checkpoint
from fastplm.config import PretrainedConfig
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.hub import resolve
from fastplm.outputs import ModelOutput

_CLASS_NAME = re.compile(
    r"([A-Z]\w*?)(EncoderModel|Model|For[A-Z]\w*|LMHeadModel|DoubleHeadsModel)", re.ASCII
)
_BARE = ("Model", "EncoderModel")  # classes without a head: what this version runs
_TRAINING = "fastplm's engine models are for inference; train a torch model: fastplm.accelerate(hf_model)"


class PreTrainedModel:
    """A model loaded into the engine. Made by `from_pretrained`, of this class's family.

    Safe to call from several threads at once.
    """

    model_type: ClassVar[str] = ""
    encoder_only: ClassVar[bool] = False  # takes the encoder of an encoder-decoder checkpoint

    config: PretrainedConfig
    engine: _engine.Model
    _pooled: bool

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError(f"{type(self).__name__} is made by {type(self).__name__}.from_pretrained(path_or_id)")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        dtype: Any = "float32",
        device: Any = "cpu",
        add_pooling_layer: bool = True,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        subfolder: str | None = None,
        torch_dtype: Any = None,
    ) -> Self:
        """Loads a folder or a hub id, or the `subfolder` of one.

        dtype: "float32" (matches transformers' eager float32), "bfloat16" (weights and matrix products in
        bfloat16, everything else float32), "auto" (as the checkpoint was saved); or a torch or numpy dtype.
        torch_dtype: the older name of dtype. add_pooling_layer=False leaves pooler_output out.

        Raises FileNotFoundError, CheckpointError (a damaged file, or config and weights that disagree),
        UnsupportedError (another family, dtype or device). Messages name the file, tensor or argument.
        """
        arrays.check_device(device)
        folder = resolve(
            pretrained_model_name_or_path,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            local_files_only=local_files_only,
            force_download=force_download,
            subfolder=subfolder,
        )
        checkpoint = read_checkpoint(folder)
        config = checkpoint.config
        actual = cls._for(config)
        stored = config.get("dtype", config.get("torch_dtype"))
        name = arrays.dtype_name(dtype if torch_dtype is None else torch_dtype, stored)
        try:
            engine = _engine.Model(config.model_type, config.to_dict(), checkpoint.tensors, name)
        except (
            CheckpointError,
            UnsupportedError,
        ) as error:  # the engine knows settings and tensors, not files
            raise type(error)(f"{checkpoint.weights} with its config.json: {error}") from None
        model = object.__new__(actual)
        model.config = config
        model.engine = engine
        model._pooled = add_pooling_layer
        return model

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Self]:
        """The class to make for `config`: this one, if it fits."""
        if cls.model_type != config.model_type:
            raise UnsupportedError(
                f"{config.name_or_path}: model_type is {config.model_type!r}; {cls.__name__} loads "
                f"{cls.model_type!r}: use fastplm.AutoModel"
            )
        if _is_encoder_decoder(config) and not cls.encoder_only:
            raise UnsupportedError(
                f"{config.name_or_path}: an encoder-decoder, which this version cannot run; its encoder "
                f"alone is fastplm.{_stem(config)}EncoderModel"
            )
        return cls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `forward`."""
        return self.forward(*args, **kwargs)

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        labels: Any = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """Runs the model on a batch of B rows of S tokens. Padding costs nothing: masked tokens are dropped.

        input_ids: integers [B, S], or inputs_embeds: floats [B, S, W]; exactly one of them.
        attention_mask: [B, S], or [B, S, S] (query, key); 0 hides a token. Default: all ones.
        token_type_ids: integers [B, S], default 0. position_ids: integers [B, S] or [1, S], default as in
        transformers: every token keeps its place in the row, holes and padding on the left included.
        output_hidden_states, output_attentions, return_dict: default as in config.json.

        Positions that attention_mask [B, S] hides are zeros in the results.
        Raises ValueError (shapes, ids out of range, more tokens than the model takes), TypeError (dtypes).
        """
        if labels is not None:
            raise UnsupportedError(f"labels: {_TRAINING}")
        if (input_ids is None) == (inputs_embeds is None):
            got = "neither" if input_ids is None else "both"
            raise ValueError(f"input_ids and inputs_embeds: got {got}; expected exactly one")
        given = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        config = self.config
        ids, embeds, batch, length = self._tokens(input_ids, inputs_embeds)
        results = self.engine.forward(
            ids,
            embeds,
            _mask(attention_mask, batch, length),
            _per_token(position_ids, "position_ids", batch, length, shared=True),
            _per_token(token_type_ids, "token_type_ids", batch, length),
            _switch(output_hidden_states, "output_hidden_states", config.output_hidden_states),
            _switch(output_attentions, "output_attentions", config.output_attentions),
        )
        if not self._pooled:
            results["pooler_output"] = None
        as_torch = any(arrays.is_torch(value) for value in given)
        output = ModelOutput(**{name: self._give(value, as_torch) for name, value in results.items()})
        return output if (config.return_dict if return_dict is None else return_dict) else output.to_tuple()

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
        if isinstance(value, list):
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
        kind = "EncoderModel" if _is_saved_encoder(config) else "Model"
        return model_class(_stem(config) + kind)._for(config)


def model_class(name: str) -> type[PreTrainedModel]:
    """The engine's class for the transformers class `name`, such as "BertModel" or "T5EncoderModel".

    Raises AttributeError if this version has none, with the reason.
    """
    match = _CLASS_NAME.fullmatch(name)
    families = {_squeeze(family): family for family in _engine.architectures()}
    if not match or _squeeze(match[1]) not in families:
        raise AttributeError(
            f"fastplm has no {name!r}; its model families are {', '.join(families.values())}"
        )
    if match[2] not in _BARE:
        raise AttributeError(
            f"fastplm.{name}: this version has no heads; fastplm.{match[1]}Model gives hidden states"
        )
    return _make_class(name, families[_squeeze(match[1])], match[2] == "EncoderModel")


@functools.cache
def _make_class(name: str, model_type: str, encoder_only: bool) -> type[PreTrainedModel]:
    return type(name, (PreTrainedModel,), {"model_type": model_type, "encoder_only": encoder_only, "__doc__":
                f"{name} of transformers, on fastplm's engine."})  # fmt: skip


def _stem(config: PretrainedConfig) -> str:
    """What the family's class names start with, such as "ModernBert": the checkpoint names its own class."""
    for name in config.architectures or ():
        match = _CLASS_NAME.fullmatch(str(name))
        if match and _squeeze(match[1]) == _squeeze(config.model_type):
            return match[1]
    return "".join(part.capitalize() for part in re.split("[-_]", config.model_type))


def _squeeze(name: str) -> str:
    """A family's name without what model_type and class names write differently."""
    return re.sub("[-_]", "", name).lower()


def _is_saved_encoder(config: PretrainedConfig) -> bool:
    return any(str(name).endswith("EncoderModel") for name in config.architectures or ())


def _is_encoder_decoder(config: PretrainedConfig) -> bool:
    return not _is_saved_encoder(config) and (config.is_encoder_decoder or "num_decoder_layers" in config)


def _switch(value: Any, name: str, default: Any) -> bool:
    value = default if value is None else value
    if not isinstance(value, bool):  # transformers also takes layer numbers
        raise TypeError(f"{name}: {value!r}; expected True or False")
    return value


def _mask(value: Any, batch: int, length: int) -> arrays.Array | None:
    if value is None:
        return None
    mask = arrays.flags(value, "attention_mask")
    if mask.shape not in ((batch, length), (batch, length, length)):
        raise ValueError(
            f"attention_mask: shape {list(mask.shape)}; expected [{batch}, {length}] "
            f"or [{batch}, {length}, {length}]"
        )
    return mask


def _per_token(value: Any, name: str, batch: int, length: int, shared: bool = False) -> arrays.Array | None:
    """An integer for each token, as int32 [batch, length]; `shared`: one row may serve all."""
    if value is None:
        return None
    array = arrays.integers(value, name)
    if shared and array.shape == (1, length):
        array = arrays.repeat_row(array, batch)
    if array.shape != (batch, length):
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [{batch}, {length}]")
    return array
