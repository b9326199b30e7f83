"""A tokenizer and a model for an encoder, from what its folder and its maker say."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastplm import arrays
from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.hub import resolve
from fastplm.jsonfile import read_json
from fastplm.models import AutoModel, PreTrainedModel, model_class
from fastplm.sentence.transformer_file import PLACES, TransformerSettings
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.lowercase import lowercased
from fastplm.tokenizers.tokenizer import Tokenizer

# Families of encoders with decoders, of whose checkpoints the encoder is meant.
_ENCODERS = {"t5": "T5EncoderModel"}
_ORGANISATION = "sentence-transformers"


class ModelSource(NamedTuple):
    """Where a model is, and how it is loaded: enough to load it again, here or on another machine.

    name: what its user calls it. folder: where that was found. place: the Transformer's folder in it. hub: the
    arguments of `resolve`. arguments: of from_pretrained. config: settings in place of config.json's. path: the
    file that set some of them, or "".
    """

    name: str
    folder: Path
    place: str
    hub: dict[str, Any]
    dtype: Any
    arguments: dict[str, Any]
    config: dict[str, Any]
    path: str

    def load(self) -> PreTrainedModel:
        """The model. Raises what AutoModel.from_pretrained raises."""
        folder = self.folder if self.folder.is_dir() else find(self.name, **self.hub)
        place = folder / self.place
        values = _config(place)
        arguments = dict(self.arguments)
        if self.config:
            arguments["config"] = PretrainedConfig({**values, **self.config}, os.fspath(place))
        kind = _ENCODERS.get(str(values.get("model_type")))
        loader: Any = AutoModel if kind is None else model_class(kind)
        try:
            model: PreTrainedModel = loader.from_pretrained(place, dtype=self.dtype, **arguments)
        except TypeError as error:  # an argument that there is not
            raise TypeError(f"{self.path or 'SentenceEncoder'}: model_kwargs: {error}") from None
        return model


def find(name: str | os.PathLike[str], **hub: Any) -> Path:
    """The folder that `name` names. A hub id without an owner is one of sentence-transformers' first."""
    if isinstance(name, str) and "/" not in name and not Path(name).expanduser().exists():
        try:
            return resolve(f"{_ORGANISATION}/{name}", **hub)
        except FileNotFoundError:
            pass  # "bert-base-uncased" and other old ids have no owner
    return resolve(name, **hub)


def load_tokenizer(place: Path, settings: TransformerSettings, kwargs: Mapping[str, Any]) -> Tokenizer:
    """The folder's tokenizer; its model_max_length is what a text is cut to, before the model's own limit."""
    merged = {**settings.processor_kwargs, **kwargs}
    if settings.max_seq_length is not None:
        merged.setdefault("model_max_length", settings.max_seq_length)
    tokenizer = AutoTokenizer.from_pretrained(place, **merged)
    if "model_max_length" not in merged:
        positions = _config(place).get("max_position_embeddings")
        if isinstance(positions, int) and positions != -1:
            tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return lowercased(tokenizer) if settings.do_lower_case else tokenizer


def load_arguments(
    settings: TransformerSettings,
    dtype: Any,
    model_kwargs: Mapping[str, Any],
    config_kwargs: Mapping[str, Any],
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """dtype, arguments and config of a ModelSource: the caller's come before the file's."""
    config = {**settings.config_kwargs, **config_kwargs}
    wanted = _take_dtype(config)
    for given in (settings.model_kwargs, model_kwargs):
        wanted = _take_dtype(dict(given)) or wanted
    arguments = {**settings.model_kwargs, **model_kwargs}
    _take_dtype(arguments)
    if dtype is None and settings.path and wanted is not None:
        try:
            arrays.dtype_name(wanted)
        except (TypeError, UnsupportedError) as error:
            raise UnsupportedError(f'{settings.path}: {error}; dtype="float32" takes no heed of it') from None
    return dtype or wanted or "float32", arguments, config


def without_places(name: str, kwargs: Mapping[str, Any] | None, call: Mapping[str, Any]) -> dict[str, Any]:
    """`kwargs` of the caller without what says where to load from, which the encoder's own arguments say.

    Raises ValueError if the two differ.
    """
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise TypeError(f"{name}: a {type(kwargs).__name__}; expected a dict of arguments")
    for key in PLACES & (kwargs or {}).keys():
        value = (kwargs or {})[key]
        if value not in (None, False, "", call.get(key)):
            raise ValueError(f"{name}: {key}={value!r}; expected it among the arguments of SentenceEncoder")
    return {key: value for key, value in (kwargs or {}).items() if key not in PLACES}


def check_code(place: Path, trust_remote_code: Any) -> None:
    """Raises UnsupportedError if the caller expects code of the model's repository to run."""
    if trust_remote_code and _config(place).get("auto_map"):
        raise UnsupportedError(
            f"trust_remote_code=True, and {place / 'config.json'} names code (auto_map); fastplm runs none: "
            "trust_remote_code=False takes its own model"
        )


def _take_dtype(kwargs: dict[str, Any]) -> Any:
    """The dtype that `kwargs` name, taken out of them."""
    old = kwargs.pop("torch_dtype", None)
    return kwargs.pop("dtype", None) or old


def _config(place: Path) -> dict[str, Any]:
    path = place / "config.json"
    values = read_json(path) if path.exists() else {}
    return values if isinstance(values, dict) else {}
