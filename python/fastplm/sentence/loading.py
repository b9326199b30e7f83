"""A tokenizer and a model for an encoder, from what its folder and its maker say."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastplm.errors import UnsupportedError
from fastplm.families import alone
from fastplm.hub import resolve
from fastplm.jsonfile import read_json
from fastplm.loading import Source
from fastplm.models import AutoModel, PreTrainedModel, model_class
from fastplm.sentence.transformer_file import PLACES, TransformerSettings
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.lowercase import lowercased
from fastplm.tokenizers.tokenizer import Tokenizer

_ORGANISATION = "sentence-transformers"
_COMMIT = re.compile("[0-9a-f]{40}")


def find(
    name: str | os.PathLike[str], hub: dict[str, Any], token: Any, owner: str = _ORGANISATION
) -> tuple[Path, Source]:
    """The folder that `name` names, and how to find it again on another machine.

    A hub id without an owner is one of `owner`'s first. hub: revision, cache_dir,
    local_files_only.
    """
    if isinstance(name, str) and "/" not in name and not Path(name).expanduser().exists():
        try:
            return _found(f"{owner}/{name}", hub, token)
        except FileNotFoundError:
            pass  # "bert-base-uncased" and other old ids have no owner
    return _found(name, hub, token)


def _found(name: str | os.PathLike[str], hub: dict[str, Any], token: Any) -> tuple[Path, Source]:
    folder = resolve(name, **hub, token=token)
    commit = folder.name if _COMMIT.fullmatch(folder.name) else hub["revision"]
    return folder, Source.of(name, {**hub, "revision": commit}, None)


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


def load_model(
    place: Path,
    settings: TransformerSettings,
    dtype: Any,
    model_kwargs: Mapping[str, Any],
    config_kwargs: Mapping[str, Any],
    trust_remote_code: bool,
    auto: type[AutoModel] = AutoModel,
) -> PreTrainedModel:
    """The folder's model, of the class that `auto` takes. What the caller says comes before what the file
    says, and `dtype` before both.
    """
    arguments = {**settings.config_kwargs, **config_kwargs}
    wanted = _take_dtype(arguments)
    for given in (settings.model_kwargs, model_kwargs):
        given = dict(given)
        wanted = _take_dtype(given) or wanted
        arguments |= given
    loader: Any = auto
    kind = alone(_config(place).get("model_type"))
    if auto is AutoModel and kind is not None:  # of two stacks, the encoder is meant
        loader = model_class(kind.name)
    if trust_remote_code:
        arguments["trust_remote_code"] = True
    try:
        model: PreTrainedModel = loader.from_pretrained(place, dtype=dtype or wanted, **arguments)
    except (TypeError, UnsupportedError) as error:
        if settings.model_kwargs or settings.config_kwargs:
            raise type(error)(f"{settings.path}: model_kwargs or config_kwargs: {error}") from None
        raise
    return model


def without_places(name: str, kwargs: Mapping[str, Any] | None, call: Mapping[str, Any]) -> dict[str, Any]:
    """`kwargs` of the caller without what says where to load from, which the encoder's own arguments say.

    Raises ValueError if the two differ, TypeError for what is no dict.
    """
    if kwargs is None:
        return {}
    if not isinstance(kwargs, Mapping):
        raise TypeError(f"{name}: a {type(kwargs).__name__}; expected a dict of arguments")
    for key in PLACES & kwargs.keys():
        if kwargs[key] not in (None, False, "", call.get(key)):
            raise ValueError(f"{name}: {key} is {kwargs[key]!r}; expected it as {key}= of SentenceEncoder")
    return {key: value for key, value in kwargs.items() if key not in PLACES}


def _take_dtype(kwargs: dict[str, Any]) -> Any:
    """The dtype that `kwargs` name, taken out of them."""
    old = kwargs.pop("torch_dtype", None)
    return kwargs.pop("dtype", None) or old


def _config(place: Path) -> dict[str, Any]:
    path = place / "config.json"
    values = read_json(path) if path.exists() else {}
    return values if isinstance(values, dict) else {}
