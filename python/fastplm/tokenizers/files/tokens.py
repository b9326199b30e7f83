"""What a folder's files say about tokens: which are added, which are special, and what those are called."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError
from fastplm.jsonfile import read_json
from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.classes.parts import Token, TokenizerClass
from fastplm.tokenizers.files.tokenizer_json import check_vocabulary

LISTS = ("extra_special_tokens", "additional_special_tokens")  # the second is the older name


class FolderTokens(NamedTuple):
    """added: by id. named: by name, those of NAMED_TOKENS first. extra: special tokens without a name.

    lists_extra: whether the folder names those itself, and not only its class.
    """

    added: dict[int, AddedToken]
    named: dict[str, Token]
    extra: list[Token]
    lists_extra: bool


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty if there is no such file. Raises CheckpointError."""
    if not path.is_file():
        return {}
    value = read_json(path, unique_keys=False)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds a {type(value).__name__}; expected an object")
    return value


def read_tokens(
    folder: Path | None,
    where: str,
    config: dict[str, Any],
    kwargs: Mapping[str, Any],
    tokenizer_class: TokenizerClass,
    file: Source | None,
    given: list[Token] | None = None,
) -> FolderTokens:
    """From tokenizer_config.json (`config`, keyword arguments included), or, where that lists no added
    tokens, from special_tokens_map.json, added_tokens.json and tokenizer.json. Raises CheckpointError, which
    names `where`.

    folder: None if there is none, for a constructor. given: tokens that the class adds its own to. What
    special_tokens_map.json says is entered into `config`.
    """
    listed = token_list(where, config, LISTS[0]) or token_list(where, config, LISTS[1])
    if "added_tokens_decoder" in config:
        added = _added_tokens(where, config["added_tokens_decoder"])
    elif folder is None:
        added = {}
    else:
        map_path = folder / "special_tokens_map.json"
        for key, value in read_object(map_path).items():
            if key in LISTS and isinstance(value, list):
                tokens = [_read(str(map_path), key, token) for token in value]
                if key == "additional_special_tokens":
                    given = tokens
                else:
                    listed = [*(listed or []), *(token for token in tokens if token not in (listed or []))]
            elif not kwargs.get(key):
                is_token = isinstance(value, dict) and key not in LISTS
                if is_token:
                    _read(str(map_path), key, value)
                config[key] = {**value, "special": True} if is_token else value
        added = _legacy_added_tokens(folder, config, file)
    by_content = {token.content: token for token in added.values()}

    named: dict[str, Token] = {k: v for k, v in tokenizer_class.tokens.items() if v is not None}
    own = {
        **_own_names(where, config, "model_specific_special_tokens"),
        **_own_names(where, config, LISTS[0]),
    }
    names = [*NAMED_TOKENS, *(key for key in config if _is_name(key, config[key])), *own]
    settings = {**own, **config}
    for key in dict.fromkeys(names):
        if key in settings:
            if settings[key] is None:
                named.pop(key, None)
            else:
                value = by_content.get(str(settings[key]), _read(where, key, settings[key]))
                usual = tokenizer_class.tokens.get(key)
                if isinstance(value, str) and isinstance(usual, AddedToken):  # a name alone has its flags
                    value = replace(usual, content=value)
                named[key] = value
    order = {name: i for i, name in enumerate(NAMED_TOKENS)}
    named = dict(sorted(named.items(), key=lambda item: order.get(item[0], len(order))))
    lists_extra = listed is not None or given is not None
    if listed is None:
        listed = given if tokenizer_class.extra is None else tokenizer_class.extra(config, given)
    return FolderTokens(added, named, listed or [], lists_extra)


def _own_names(path: str, config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The tokens that `key` names, where it holds an object; a list has no names."""
    value = config.get(key)
    if key != LISTS[0] and not isinstance(value, dict | None):
        raise CheckpointError(f"{path}: {key} is {value!r}; expected names with their tokens")
    return value if isinstance(value, dict) else {}


def _is_name(key: str, value: Any) -> bool:
    """Whether an entry gives a token a name of the model's own, as image_token does."""
    is_token = isinstance(value, (str, AddedToken)) or (
        isinstance(value, dict) and value.get("__type") == "AddedToken"
    )
    return key.endswith("_token") and is_token


def _read(path: str, name: str, value: Any) -> Token:
    if isinstance(value, str):
        return value
    try:
        return AddedToken.read(value)
    except (TypeError, AttributeError):
        raise CheckpointError(f"{path}: {name} is {value!r}; expected a token") from None


def token_list(path: str, config: Mapping[str, Any], key: str) -> list[Token] | None:
    """None if there is none; the named form, an object, is no list."""
    value = config.get(key)
    if value is None or isinstance(value, dict):
        return None
    if not isinstance(value, (list, tuple)):
        raise CheckpointError(f"{path}: {key} is {value!r}; expected a list of tokens")
    return [_read(path, key, token) for token in value]


def _added_tokens(path: str, decoder: Any) -> dict[int, AddedToken]:
    if not isinstance(decoder, dict):
        raise CheckpointError(f"{path}: added_tokens_decoder is {decoder!r}; expected an object")
    added = {}
    for token_id, value in decoder.items():
        name = f"added_tokens_decoder[{token_id}]"
        token = _read(path, name, value)
        if not isinstance(token, AddedToken) or not str(token_id).isdecimal():
            raise CheckpointError(f"{path}: {name} is {value!r}; expected a token")
        added[int(token_id)] = token
    return added


def _legacy_added_tokens(
    folder: Path, config: Mapping[str, Any], file: Source | None
) -> dict[int, AddedToken]:
    path = folder / "added_tokens.json"
    special = {
        str(_read(str(folder / "tokenizer_config.json"), key, config[key]))
        for key in NAMED_TOKENS
        if config.get(key)
    }
    added = {
        token_id: AddedToken(content, special=content in special)
        for content, token_id in check_vocabulary(str(path), read_object(path)).items()
    }
    if file:
        added.update(zip(file.listed_ids, file.added_tokens, strict=True))
    return added


def missing_tokens(source: Source, tokens: FolderTokens) -> Iterable[AddedToken]:
    """What the files call added or special and `source` has not added yet, in the order of ids."""
    known = {token.content for token in source.added_tokens}
    names = {str(token) for token in tokens.named.values()}
    same = set(source.added_tokens)
    for _, token in sorted(tokens.added.items()):
        if token not in same:
            yield AddedToken.read(token, special=token.content in names)
            known.add(token.content)
    missing: list[Token] = []  # one content may come with several flags: the last of them count
    for value in [*tokens.named.values(), *tokens.extra]:
        if str(value) not in known and value not in missing:
            missing.append(value)
    for value in missing:
        yield AddedToken.read(value, special=isinstance(value, str) or str(value) in names)
