"""The metadata of an architecture, key by key: what is read acts, the rest is refused or warned of."""

from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.reader import Metadata
from fastplm.settings import WITHOUT_EFFECT, warn_of_unknown

# Keys that change a model, and what they say of one that has none of it. Any other value is refused, unless
# the architecture reads the key.
_ASKS_NOTHING: dict[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "attention.clamp_kqv": (0.0,),
    "attention.max_alibi_bias": (0.0,),
    "attention.scale": (0.0,),
    "attention.sliding_window": (0,),
    "attn_logit_softcapping": (0.0,),
    "embedding_scale": (0.0, 1.0),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "final_logit_softcapping": (0.0,),
    "logit_scale": (0.0, 1.0),
    "nextn_predict_layers": (0,),
    "residual_scale": (0.0, 1.0),
    "rope.scale_linear": (0.0, 1.0),
    "rope.scaling.alpha": (0.0,),
    "rope.scaling.attn_factor": (1.0,),
    "rope.scaling.factor": (0.0, 1.0),
    "rope.scaling.type": ("none",),
    "rope.scaling.yarn_attn_factor": (1.0,),
    "rope.scaling.yarn_ext_factor": (1.0,),
    "rope.scaling.yarn_log_multiplier": (0.0,),
}
# Of the file and not of the model, by how their keys begin.
_OF_THE_FILE = ("general.", "quantize.", "split.", "tokenizer.")
_UNKNOWN = "general.sampling."


class Keys:
    """The settings under `architecture` in the metadata of the file `name`; what is asked for is read."""

    def __init__(self, name: str, metadata: Metadata) -> None:
        self.name, self._metadata = name, metadata
        self.architecture = self._general("general.architecture", str, None)
        kind = self._general("general.type", str, "model")
        if kind != "model":
            raise UnsupportedError(f"{name}: general.type is {kind!r}; expected 'model'")
        version = self._general("general.quantization_version", int, 2)
        if version != 2:
            raise UnsupportedError(f"{name}: general.quantization_version is {version}; expected 2")
        if metadata.get("split.count", 1) not in (0, 1):
            raise UnsupportedError(
                f"{name}: split.count is {metadata['split.count']}; expected one file, of all parts merged"
            )
        self._read = {"general.architecture", "general.alignment", "split.count"}

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """An int, float, str or bool; a list of one value for each layer that are all alike is that value.

        Raises CheckpointError for another type.
        """
        full = f"{self.architecture}.{key}"
        self._read.add(full)
        value = self._metadata.get(full, default)
        if hasattr(value, "tolist") and len(value) and (value == value[0]).all():
            value = value[0].item()
        if value is default or type(value) is kind or (kind is float and type(value) is int):
            return value
        raise CheckpointError(f"{self.name}: {full} is {_short(value)}; expected {_KINDS[kind]}")

    def need(self, key: str, kind: type) -> Any:
        """As get. Raises CheckpointError if there is none."""
        value = self.get(key, kind)
        if value is None:
            raise CheckpointError(f"{self.name}: has no {self.architecture}.{key}")
        return value

    def flags(self, key: str) -> list[bool] | int | None:
        """A boolean for each layer, or a number."""
        full = f"{self.architecture}.{key}"
        self._read.add(full)
        value = self._metadata.get(full)
        if value is None or type(value) is int:
            return value
        if getattr(getattr(value, "dtype", None), "kind", "") != "b":
            raise CheckpointError(f"{self.name}: {full} is {_short(value)}; expected booleans or a number")
        flags: list[bool] = value.tolist()
        return flags

    def token_id(self, name: str) -> int | None:
        value = self._metadata.get(f"tokenizer.ggml.{name}_token_id")
        if value is not None and type(value) is not int:
            raise CheckpointError(f"{self.name}: tokenizer.ggml.{name}_token_id is {_short(value)}; expected "
                                  "an integer")  # fmt: skip
        return value

    def check_rest(self) -> None:
        """Refuses what changes the model and was not read; warns of what is unknown."""
        known = set(self._read)
        for key, allowed in _ASKS_NOTHING.items():
            full = f"{self.architecture}.{key}"
            if full in known or full not in self._metadata:
                continue
            known.add(full)
            value = self._metadata[full]
            if not any(type(value) is type(one) and value == one for one in allowed):
                raise UnsupportedError(
                    f"{self.name}: {full} is {_short(value)}; expected {allowed[-1]!r}: this version runs no "
                    f"{self.architecture} models with it"
                )
        known |= {f"{self.architecture}.{key}" for key in WITHOUT_EFFECT["GGUF"]}
        rest = [key for key in self._metadata if key.startswith(_UNKNOWN) or not key.startswith(_OF_THE_FILE)]
        warn_of_unknown(self.name, "GGUF", rest, known)

    def _general(self, key: str, kind: type, default: Any) -> Any:
        value = self._metadata.get(key, default)
        if type(value) is not kind:
            raise CheckpointError(f"{self.name}: {key} is {_short(value)}; expected {_KINDS[kind]}")
        return value


_KINDS = {int: "an integer", float: "a number", str: "a string", bool: "a boolean"}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
