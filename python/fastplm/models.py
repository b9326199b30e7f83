"""Models that run on the engine, behind the names, arguments and outputs of transformers.

They are for inference. Inputs are torch tensors, numpy arrays or lists; results are torch tensors (in the
model's dtype, as in transformers) if an input was one, else numpy arrays (float32).
"""

import functools
import os
import sys
from typing import Any, ClassVar, NoReturn, Self

from fastplm import _engine, arrays, decoding, encoding, loading, saving, signatures
from fastplm.absent import Absent
from fastplm.checkpoint import Checkpoint, read_checkpoint
from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.families import FAMILIES, Kind, family_of
from fastplm.generation.config import GenerationConfig
from fastplm.generation.mixin import TASKS, GenerationMixin
from fastplm.hub import resolve_model
from fastplm.loading import Source
from fastplm.naming import CLASS_NAME, holds_encoder_alone, squeeze, stem, task_of
from fastplm.outputs import ModelOutput
from fastplm.quantization.formats import base, requested
from fastplm.signatures import TRAINING


class PreTrainedModel(Absent):
    """A model loaded into the engine. Made by `from_pretrained`, of this class's family.

    Safe to call from several threads at once. Copies share the engine. A pickle holds where the model came
    from and how it was loaded, but no weights and no token: the weights are read again where it is opened.
    """

    model_type: ClassVar[str] = ""
    stacks: str = "encoder"  # what it runs: "encoder", "decoder", "both"; "causal": an encoder as a decoder
    task: ClassVar[str] = "Model"  # the end of its name, which tells its head
    kind: ClassVar[Kind]

    config: PretrainedConfig
    engine: _engine.Model
    generation_config: GenerationConfig  # of classes with generate()
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
        gguf_file: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        subfolder: str | None = None,
        torch_dtype: Any = None,
        quantization_config: Any = None,
        generation_config: Any = None,
        cache_dtype: Any = None,
        strict: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Loads a folder or a hub id, or the `subfolder` of one, with the LoRA adapter that lies in it.

        config: takes the place of config.json: a config of fastplm or transformers, a dict of settings, a
        file, a folder or a hub id.
        dtype: "float32" (the default; matches transformers' eager float32), "bfloat16" (weights and matrix
        products in bfloat16, everything else float32), "int8" (the layers' matrices in int8, with a scale for
        each row of weights and of activations; everything else, embeddings and heads too, as in bfloat16),
        "int4" (the same in four bits, with a scale for each group of 32 values of a row), "auto" (as the
        checkpoint was saved); or a torch or numpy dtype. torch_dtype: the older name of dtype.
        quantization_config: how weights become integers, a dict: bits (4 or 8) and, of 4 bits, group_size
        (32, 64 or 128 values share a scale; default 32) and sym (False: each group has a zero too).
        A checkpoint whose weights are integers (fastplm quantize, GPTQ or AWQ of 4 bits) needs neither.
        device, device_map: the CPU. attn_implementation: has no effect.
        add_pooling_layer=False leaves pooler_output out.
        trust_remote_code: code is never run; True is refused where transformers' AutoModel would run some.
        variant: reads model.`variant`.safetensors.
        gguf_file: the GGUF file of the folder to read config and weights from, as llama.cpp writes them; the
        path of the file may also stand in the folder's place. Floats are loaded as of safetensors. q8_0 and
        q4_0 become floats of the dtype ("auto": float32, as in transformers), or are rounded again to int8 or
        int4; dtype="int4" keeps the codes of files whose layers are all q4_0.
        generation_config: takes the place of generation_config.json.
        cache_dtype: of the keys and values that a decoder keeps: None: what it computes in; "int8": rounded,
        with a scale for each token and head, in about half the memory of bfloat16.
        strict: weights of the class that the checkpoint lacks are an error, and not drawn at random with a
        warning.
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
        hub_and_file = {**hub, "subfolder": subfolder, "gguf_file": gguf_file}
        source = Source.of(pretrained_model_name_or_path, hub_and_file, variant)
        online: dict[str, Any] = {"token": token, "force_download": force_download}
        folder = resolve_model(pretrained_model_name_or_path, **source.hub, **online)
        if config is not None or settings:
            config = loading.read_config(folder, config, settings, {**hub, **online})
        checkpoint = read_checkpoint(folder, config, variant)
        actual = cls._for(checkpoint.config)
        if trust_remote_code:
            cls._check_code(checkpoint.config)
        dtype = requested(
            torch_dtype if dtype is None else dtype,
            quantization_config,
            checkpoint.stored,
            checkpoint.codes and checkpoint.codes.format.name,
        )
        model = actual._built(checkpoint, source, dtype, add_pooling_layer, strict)
        model.engine.rounds_cache = model._rounds_cache(cache_dtype)
        if generation_config is not None and actual.can_generate():
            model.generation_config = GenerationConfig.of(generation_config)
        return model

    @classmethod
    def _built(
        cls, checkpoint: Checkpoint, source: Source, dtype: str, pooled: bool, strict: bool = False
    ) -> Self:
        model = object.__new__(cls)
        if cls.kind.decoder_alone:
            checkpoint = checkpoint._replace(config=_of_decoder(checkpoint.config, cls.__name__))
        model.config, model._source, model._pooled = checkpoint.config, source, pooled
        if cls.can_generate():
            model.generation_config = GenerationConfig.of_folder(
                checkpoint.weights.parent, checkpoint.config.to_dict()
            )
        if cls.stacks == "encoder" and checkpoint.config.get("is_decoder"):
            model.stacks = "causal"
        model.engine = checkpoint.build(cls.__name__, dtype, pooled)
        loading.report_missing(cls.__name__, model.engine.missing, checkpoint.weights, strict)
        return model

    def _rounds_cache(self, dtype: Any) -> bool:
        """What from_pretrained's cache_dtype asks for. Raises UnsupportedError, TypeError."""
        if dtype is None or dtype == "auto":
            return False
        name, own = arrays.dtype_name(dtype), self.engine.activation
        if name not in ("int8", {"f32": "float32", "bf16": "bfloat16"}.get(own, own)):
            raise UnsupportedError(
                f"cache_dtype: {name}; expected None or int8: this model computes in {own}"
            )
        if name == "int8" and not self.engine.has_decoder:
            raise UnsupportedError(
                f"cache_dtype: {name}; a {type(self).__name__} keeps no keys; expected None"
            )
        return name == "int8"

    @classmethod
    def _check_code(cls, config: PretrainedConfig) -> None:
        """Raises UnsupportedError if transformers would run the repository's code. Named classes never do."""

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has generate()."""
        return issubclass(cls, GenerationMixin)

    def __reduce__(self) -> tuple[Any, ...]:
        own = {"generation_config": self.generation_config} if self.can_generate() else None
        arguments = (self._source, self.config, self.engine.dtype, self._pooled, self.engine.rounds_cache)
        return _load_again, (type(self), *arguments), own

    def __copy__(self) -> Self:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = self.__copy__()
        copy.config = PretrainedConfig(self.config.to_dict(), self.config.name_or_path)
        if self.can_generate():
            copy.generation_config = GenerationConfig.of(self.generation_config)
        return copy

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Self]:
        """The class to make for `config`: this one, if it fits."""
        if cls.model_type != config.model_type:
            raise UnsupportedError(
                f"{config.name_or_path}: model_type is {config.model_type!r}; {cls.__name__} loads "
                f"{cls.model_type!r}: use fastplm.AutoModel"
            )
        return cls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `forward`."""
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> ModelOutput | tuple[Any, ...]:
        """Runs the model on a batch of B rows of S tokens. Padding costs nothing: masked tokens are dropped.

        Arguments by position come in the class's order in transformers: `inspect.signature` shows it.

        input_ids: integers [B, S], or inputs_embeds: floats [B, S, W]; exactly one of them.
        attention_mask: [B, S] or [1, S], or [B, S, S] (query, key); 0 hides a token. Or [B, 1, S, S], where
        all sizes but the last may be 1: booleans, or floats that are added to scores, 0 or at most -10000.
        Default: all ones. A decoder's is of the cache's tokens and the new ones: [B, past + S].
        token_type_ids: integers [B, S], default 0. position_ids: integers [B, S] or [1, S], default as in
        transformers: every token keeps its place in the row, holes and padding on the left included. As in
        transformers, encoders without them take either and do nothing with it.
        cache (or past_key_values): a decoder's Cache from an earlier call's output; use_cache: whether to
        make one, default as in the config.
        mems: of some encoders, an earlier call's output; use_mems: whether to give new ones. perm_mask:
        [B, S, S], 1 where a token (of the second axis) does not see another. target_mapping: [B, P, S], in
        each row one 1, at a token to be predicted: the results are of these P. input_mask: 1 hides a token.
        encoder_outputs: of encoder-decoders, a tuple or output whose first is [B, S, W], to run no encoder.
        labels and the like: the loss, as a number without a graph.
        output_hidden_states (numbers of layers select some), output_attentions, return_dict: default as in
        the config.
        Other arguments of transformers must ask for nothing (head_mask=None).

        Positions that attention_mask hides are zeros in the results.
        Raises ValueError (shapes, ids out of range, more tokens than the model takes), TypeError (dtypes,
        unknown arguments), UnsupportedError (what the model does not do).
        """
        given = signatures.bind(self.kind.arguments, self.stacks, args, kwargs)
        return _RUN[self.stacks](self, given)

    def get_encoder(self) -> decoding.Encoder:
        """The encoder of an encoder-decoder, to call. Raises UnsupportedError for other models."""
        if self.stacks != "both":
            raise UnsupportedError(f"get_encoder(): {type(self).__name__} has one stack only")
        return decoding.Encoder(self)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        max_shard_size: int | str = "50GB",
        **kwargs: Any,
    ) -> None:
        """Writes config.json, model.safetensors (shards with an index if there is more than max_shard_size)
        and generation_config.json of a model that generates, from which the same model loads.

        The weights are read again from where the model came from, whose own bits they keep; an adapter's
        changes are in them. is_main_process=False writes nothing. kwargs: transformers' others, which must
        ask for nothing.

        Raises FileNotFoundError if that place is gone, UnsupportedError for a head that was drawn at random
        (the engine gives no weights back), for a folder with an adapter, for what fastplm does not do.
        """
        saving.save_model(self, save_directory, is_main_process, max_shard_size, kwargs)

    @property
    def device(self) -> Any:
        """Where the model computes: torch.device("cpu") in a program that uses torch, else "cpu"."""
        torch = sys.modules.get("torch")
        return torch.device("cpu") if torch else "cpu"

    @property
    def dtype(self) -> Any:
        """What the model computes in: a torch.dtype in a program that uses torch, else its name."""
        torch = sys.modules.get("torch")
        return getattr(torch, self.engine.activation) if torch else self.engine.activation

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
            if type(wanted).__name__ == "dtype" or wanted in arrays.DTYPES:
                if arrays.dtype_name(wanted) not in (base(self.engine.dtype), self.engine.activation):
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
            raise UnsupportedError(f"train(): {TRAINING}")
        return self

    def __repr__(self) -> str:
        e = self.engine
        return (
            f"{type(self).__name__}({e.layers} layers, width {e.width}, {e.heads} heads, "
            f"vocabulary {e.vocab_size}, {e.dtype}, {e.nbytes / 1e6:.1f} MB)"
        )


_RUN = {"encoder": encoding.run, "decoder": decoding.run, "both": decoding.run_both, "causal": decoding.run}


class AutoModel(PreTrainedModel):
    """Makes the model that config.json describes, of whatever family. Only `from_pretrained` is of use."""

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Any]:
        kind = "EncoderModel" if holds_encoder_alone(config) else "Model"
        return model_class(stem(config) + kind)._for(config)

    @classmethod
    def _check_code(cls, config: PretrainedConfig) -> None:
        code = config.get("auto_map")
        for name in ("AutoConfig", cls.__name__):
            if isinstance(code, dict) and name in code:
                raise UnsupportedError(
                    f"{config.name_or_path}: its auto_map has {name}, code that trust_remote_code=True runs; "
                    "fastplm runs none: without trust_remote_code it loads its own class"
                )


def model_class(name: str) -> type[PreTrainedModel]:
    """The engine's class for the transformers class `name`, such as "BertForMaskedLM" or "T5EncoderModel".

    Raises AttributeError if this version has none, with the reason.
    """
    match = CLASS_NAME.fullmatch(name)
    families = {squeeze(family): family for family in FAMILIES}
    family = families.get(squeeze(match[1])) if match else None
    if (
        match and family is None
    ):  # some families have classes by another name: Gemma3ForCausalLM of gemma3_text
        family = next((known for known in FAMILIES if name in family_of(known).classes), None)
    if family is None and name.lower().endswith("pretrainedmodel"):
        raise AttributeError(
            f"fastplm has no {name!r}: its families have no base class of their own; expected PreTrainedModel"
        )
    if family is None and name.endswith(("Layer", "Norm")):
        raise AttributeError(f"fastplm has no {name!r}: no part of a model leaves the engine")
    if family is None:
        raise AttributeError(
            f"fastplm has no {name!r}; its model families are {', '.join(families.values())}"
        )
    known = {squeeze(cls): cls for cls in family_of(family).classes}
    if squeeze(name) not in known:
        raise AttributeError(f"fastplm has no {name!r}; of {family} it has {', '.join(known.values())}")
    if refused := family_of(family).classes[known[squeeze(name)]].refused:
        raise AttributeError(f"fastplm has no {name!r}: this version does not run {refused}")
    return _make_class(known[squeeze(name)], family)


@functools.cache
def _make_class(name: str, model_type: str) -> type[PreTrainedModel]:
    def forward(self: PreTrainedModel, *args: Any, **kwargs: Any) -> ModelOutput | tuple[Any, ...]:
        return PreTrainedModel.forward(self, *args, **kwargs)

    family = family_of(model_type)
    kind = family.classes[name]
    stacks = "encoder" if kind.encoder_alone else "decoder" if kind.decoder_alone else family.stacks
    forward.__doc__ = PreTrainedModel.forward.__doc__
    forward.__signature__ = signatures.signature(kind.arguments, stacks)  # type: ignore[attr-defined]
    members = {
        "model_type": model_type,
        "stacks": stacks,
        "task": task_of(name),
        "kind": kind,
        "forward": forward,
        "__doc__": f"{name} of transformers, on fastplm's engine.",
        "__module__": "fastplm",  # where pickles find it
    }
    bases = (GenerationMixin, PreTrainedModel) if members["task"] in TASKS else (PreTrainedModel,)
    return type(name, bases, members)


def _of_decoder(config: PretrainedConfig, name: str) -> PretrainedConfig:
    """That of an encoder-decoder as its class `name`, which runs the decoder alone, says it."""
    said = {"architectures": [name], "is_decoder": True, "is_encoder_decoder": False}
    return PretrainedConfig({**config.to_dict(), **said}, config.name_or_path)


def _load_again(
    cls: type[PreTrainedModel],
    source: Source,
    config: PretrainedConfig,
    dtype: str,
    pooled: bool,
    rounds_cache: bool,
) -> PreTrainedModel:
    """What a pickle of a model calls where it is opened."""
    checkpoint = read_checkpoint(resolve_model(source.path_or_id, **source.hub), config, source.variant)
    model = cls._built(checkpoint, source, dtype, pooled)
    model.engine.rounds_cache = rounds_cache
    return model
