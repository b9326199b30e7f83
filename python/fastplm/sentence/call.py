"""processing_kwargs: how the tokenizer is called, as a folder says it or a call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.settings import warn_of_unknown

KIND = "processing_kwargs"
_GROUPS = ("text", "common")  # later ones come before earlier ones
_HONOURED = ("add_special_tokens", "truncation", "max_length")

# Arguments of a tokenizer's call that leave one row of tokens per text only with these values.
_ONLY: dict[str, tuple[Any, ...]] = {
    "is_split_into_words": (False, None),
    "return_attention_mask": (True, None),
    "return_overflowing_tokens": (False, None),
    "return_token_type_ids": (True, None),
    "split_special_tokens": (False, None),
    "text_pair": (None,),
    "text_target": (None,),
    "text_pair_target": (None,),
    "tokenizer_kwargs": (None, {}),
}

Processing = Mapping[str, Mapping[str, Any]]  # by group: arguments


class Call(NamedTuple):
    """The arguments of the tokenizer. max_length None: the tokenizer's model_max_length."""

    add_special_tokens: bool = True
    truncation: bool | str = "longest_first"
    max_length: int | None = None

    def arguments(self) -> dict[str, Any]:
        """For the tokenizer's encode_packed, where a length alone is an error."""
        cuts = self.truncation not in (False, None, "do_not_truncate")
        return {
            "add_special_tokens": self.add_special_tokens,
            "truncation": self.truncation if cuts else False,
            "max_length": self.max_length if cuts else None,
        }


def read_processing(value: Any, where: str) -> Processing:
    """Checks processing_kwargs; `where` is the file or the argument that holds it.

    Groups are "text" and "common"; those for images, sound and chats mean nothing to a text model. Warns of
    unknown names, once. Raises CheckpointError, UnsupportedError.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping | None) for v in value.values()):
        raise CheckpointError(f"{where}: processing_kwargs is {value!r}; expected objects of arguments")
    warn_of_unknown(where, KIND, value, _GROUPS)
    found = {group: dict(value.get(group) or {}) for group in _GROUPS}
    for group, arguments in found.items():
        for name, allowed in _ONLY.items():
            if name in arguments and arguments[name] not in allowed:
                raise UnsupportedError(
                    f"{where}: processing_kwargs.{group} sets {name} to {arguments[name]!r}; "
                    f"expected {allowed[0]!r}"
                )
        length = arguments.get("max_length")
        if length is not None and (type(length) is not int or length < 1):
            raise CheckpointError(
                f"{where}: processing_kwargs.{group}.max_length is {length!r}; expected a positive integer"
            )
        warn_of_unknown(where, KIND, arguments, (*_HONOURED, *_ONLY))
    return found


def merge(base: Processing, over: Processing, max_length: int | None) -> Call:
    """One call's arguments: what `over` says of a name comes before what `base` says in the same group, and
    `max_length` is for when neither says one.
    """
    arguments: dict[str, Any] = {"max_length": max_length}
    for group in _GROUPS:
        arguments |= {**base.get(group, {}), **over.get(group, {})}
    return Call(**{name: arguments[name] for name in _HONOURED if name in arguments})
