"""Special tokens: their names, and the tokens that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.vocabulary import NAMED_TOKENS, Vocabulary

_EXTRA = "extra_special_tokens"


def _without_id(name: str) -> str:
    return name.removesuffix("_ids").removesuffix("_id")


class SpecialTokens(Vocabulary):
    """{bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id, extra_special_tokens and ..._ids.

    A model's own names (image_token of tokenizer_config.json) are attributes too. Setting a name does not add
    the token; add_special_tokens does both.
    """

    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[list[str]] = list(NAMED_TOKENS)

    def __getattr__(self, name: str) -> Any:
        if name in ("_source", "_engine") and (link := self.__dict__.get("_link")) is not None:
            now = link.now()  # which has them while parts of backend_tokenizer may be changed
            return now.source if name == "_source" else now.engine
        token = _without_id(name)
        named = self.__dict__.get("_named", {})
        if token in NAMED_TOKENS or token in named:
            value = named.get(token)
            return value if value is None or token == name else self.convert_tokens_to_ids(value)
        if token == _EXTRA:
            extra = list(self.__dict__.get("_extra", ()))
            return extra if token == name else self.convert_tokens_to_ids(extra)
        raise AttributeError(f"Tokenizer has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        token = _without_id(name)
        if token == _EXTRA:
            self._set_extra(value if token == name or value is None else self.convert_ids_to_tokens(value))
            return
        if token not in NAMED_TOKENS and token not in self.__dict__.get("_named", {}):
            super().__setattr__(name, value)
            return
        if value is not None and name != token:
            value = self.convert_ids_to_tokens(value)
        if value is None:
            self._named.pop(token, None)
            return
        self._named[token] = _content(token, value)

    def _set_extra(self, tokens: Any) -> None:
        if tokens is not None and not isinstance(tokens, (list, tuple)):
            raise ValueError(f"{_EXTRA} is a {type(tokens).__name__}; expected a list of tokens")
        self._extra = [_content(_EXTRA, token) for token in tokens or ()]

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for the special tokens among ids that are already a row."""
        if not already_has_special_tokens or token_ids_1 is not None:
            raise ValueError(
                "get_special_tokens_mask: expected one finished row and already_has_special_tokens=True"
            )
        special = set(self.all_special_ids)
        return [int(int(i) in special) for i in token_ids_0]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return self._engine.special_count(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of a text fit into model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of two texts together fit into model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Names special tokens (pad_token, ..., extra_special_tokens) and adds them.

        Returns how many are new or have other flags than before. replace_extra_special_tokens=False keeps the
        extra ones that are there. Raises ValueError for a name or a token that is none; nothing is done then.
        """
        if not special_tokens_dict:
            return 0
        named: dict[str, str] = {}
        extra: list[str] | None = None
        added: list[AddedToken] = []
        for name, value in special_tokens_dict.items():
            if name in NAMED_TOKENS or name in self._named:
                named[name] = _content(name, value)
                added.append(AddedToken.read(value, special=True))
            elif name in (_EXTRA, "additional_special_tokens"):
                if not isinstance(value, (list, tuple)):
                    raise ValueError(f"{name} is a {type(value).__name__}; expected a list of tokens")
                before = [] if replace_extra_special_tokens else self._extra
                tokens = [token for token in value if _content(name, token) not in before]
                extra = [*before, *map(str, tokens)] if tokens or before else self._extra
                added += [AddedToken.read(token, special=True) for token in tokens]
            else:
                raise ValueError(
                    f"{name!r} is no special token; expected {', '.join(NAMED_TOKENS)} or {_EXTRA}"
                )
        self._named.update(named)
        if extra is not None:
            self._extra = extra
        return self.add_tokens(added, special_tokens=True)


def _content(name: str, token: Any) -> str:
    """The text of a str or an added token. Raises ValueError."""
    if isinstance(token, str):
        return token
    content = getattr(token, "content", None)
    if not isinstance(content, str):
        raise ValueError(f"{name} is {token!r}; expected a str or an AddedToken")
    return content
