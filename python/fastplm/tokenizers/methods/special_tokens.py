"""Special tokens: their names, and the tokens that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.methods.state import State
from fastplm.tokenizers.methods.vocabulary import add_tokens, all_special_ids, ids_of, tokens_of

_EXTRA = "extra_special_tokens"


def _without_id(name: str) -> str:
    return name.removesuffix("_ids").removesuffix("_id")


def get_named(tokenizer: State, name: str) -> Any:
    """The value of the attribute that is a special token's name, or a name and _id.

    Raises AttributeError for any other.
    """
    token = _without_id(name)
    named = tokenizer.__dict__.get("_named", {})
    if token in NAMED_TOKENS or token in named:
        value = named.get(token)
        return value if value is None or token == name else ids_of(tokenizer, value)
    if token == _EXTRA:
        extra = list(tokenizer.__dict__.get("_extra", ()))
        return extra if token == name else ids_of(tokenizer, extra)
    raise AttributeError(f"Tokenizer has no attribute {name!r}")


def set_named(tokenizer: State, name: str, value: Any) -> bool:
    """Sets the attribute if it is a special token's name, or a name and _id; returns whether it is."""
    token = _without_id(name)
    if token == _EXTRA:
        _set_extra(tokenizer, value if token == name or value is None else tokens_of(tokenizer, value))
        return True
    if token not in NAMED_TOKENS and token not in tokenizer.__dict__.get("_named", {}):
        return False
    if value is not None and name != token:
        value = tokens_of(tokenizer, value)
    if value is None:
        tokenizer._named.pop(token, None)
    else:
        tokenizer._named[token] = _content(token, value)
    return True


def _set_extra(tokenizer: State, tokens: Any) -> None:
    if tokens is not None and not isinstance(tokens, (list, tuple)):
        raise ValueError(f"{_EXTRA} is a {type(tokens).__name__}; expected a list of tokens")
    tokenizer._extra = [_content(_EXTRA, token) for token in tokens or ()]


def special_tokens_mask(
    tokenizer: State,
    token_ids_0: Sequence[int],
    token_ids_1: Sequence[int] | None,
    already_has_special_tokens: bool,
) -> list[int]:
    if not already_has_special_tokens or token_ids_1 is not None:
        raise ValueError(
            "get_special_tokens_mask: expected one finished row and already_has_special_tokens=True"
        )
    special = set(all_special_ids(tokenizer))
    return [int(int(i) in special) for i in token_ids_0]


def add_special_tokens(
    tokenizer: State, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
) -> int:
    if not special_tokens_dict:
        return 0
    named: dict[str, str] = {}
    extra: list[str] | None = None
    added: list[AddedToken] = []
    for name, value in special_tokens_dict.items():
        if name in NAMED_TOKENS or name in tokenizer._named:
            named[name] = _content(name, value)
            added.append(AddedToken.read(value, special=True))
        elif name in (_EXTRA, "additional_special_tokens"):
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"{name} is a {type(value).__name__}; expected a list of tokens")
            before = [] if replace_extra_special_tokens else tokenizer._extra
            tokens = [token for token in value if _content(name, token) not in before]
            extra = [*before, *map(str, tokens)] if tokens or before else tokenizer._extra
            added += [AddedToken.read(token, special=True) for token in tokens]
        else:
            raise ValueError(f"{name!r} is no special token; expected {', '.join(NAMED_TOKENS)} or {_EXTRA}")
    tokenizer._named.update(named)
    if extra is not None:
        tokenizer._extra = extra
    return add_tokens(tokenizer, added, special_tokens=True)


def _content(name: str, token: Any) -> str:
    """The text of a str or an added token. Raises ValueError."""
    if isinstance(token, str):
        return token
    content = getattr(token, "content", None)
    if not isinstance(content, str):
        raise ValueError(f"{name} is {token!r}; expected a str or an AddedToken")
    return content
