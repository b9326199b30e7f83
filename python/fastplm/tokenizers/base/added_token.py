"""Tokens that are found in the text before the model sees it."""

from dataclasses import dataclass, field
from typing import Any

# The names of special tokens that every tokenizer has.
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True)
class AddedToken:
    """A token to add, with the flags of tokenizers.AddedToken.

    single_word: matches only between characters that are not part of a word; lstrip, rstrip: takes the white
    space on that side; normalized: is searched for in the normalized text (default: unless special); special:
    is left out by decode(skip_special_tokens=True).
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool | None = None
    special: bool = False
    _usual: bool = field(default=False, init=False, repr=False, compare=False)  # `normalized` was not given

    def __post_init__(self) -> None:
        if self.normalized is None:
            object.__setattr__(self, "normalized", not self.special)
            object.__setattr__(self, "_usual", True)

    def __str__(self) -> str:
        return self.content

    def settings(self) -> dict[str, Any]:
        return {flag: getattr(self, flag) for flag in ("content", *_FLAGS)}

    @staticmethod
    def read(token: Any, *, special: bool = False) -> "AddedToken":
        """From a str, an AddedToken, or any object or dict with its attributes (tokenizers.AddedToken).

        A str becomes special if asked; so does another token, which keeps its other flags. What becomes
        special is no longer searched for in the normalized text, unless that was asked for: of another
        library's object it is not known whether it was, so the default value counts as not asked for.
        """
        if isinstance(token, str):
            return AddedToken(token, special=special)

        def get(name: str) -> Any:
            return token.get(name) if isinstance(token, dict) else getattr(token, name, None)

        content = get("content")
        if not isinstance(content, str):
            raise TypeError(f"an added token is {token!r}; expected a str or an AddedToken")
        flags = {name: bool(get(name)) for name in ("single_word", "lstrip", "rstrip")}
        is_special = special or bool(get("special"))
        normalized = get("normalized")
        usual = token._usual if isinstance(token, AddedToken) else not isinstance(token, dict)
        if usual and normalized is (not get("special")):
            normalized = None
        return AddedToken(
            content, **flags, normalized=None if normalized is None else bool(normalized), special=is_special
        )
