"""Special tokens: their names, and the tokens that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastplm.tokenizers.vocabulary import NAMED_TOKENS, Vocabulary


class SpecialTokens(Vocabulary):
    """{bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id, the extra ones, and all of them together."""

    def __getattr__(self, name: str) -> Any:
        token = name.removesuffix("_id")
        if token in NAMED_TOKENS:
            value = self.__dict__.get("_named", {}).get(token)
            return value if value is None or token == name else self.convert_tokens_to_ids(value)
        raise AttributeError(f"Tokenizer has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        token = name.removesuffix("_id")
        if token not in NAMED_TOKENS:
            return super().__setattr__(name, value)
        if value is not None and name != token:
            value = self.convert_ids_to_tokens(value)
        if value is None:
            self._named.pop(token, None)
        else:
            self._named[token] = str(value)
        return None

    @property
    def extra_special_tokens(self) -> list[str]:
        return list(self._extra)

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

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> int:
        """Sets special tokens by name (pad_token, ..., extra_special_tokens); returns how many are new."""
        count = 0
        for key, value in special_tokens_dict.items():
            if key in NAMED_TOKENS:
                count += self.add_tokens(value, special_tokens=True)
                self._named[key] = str(value)
            elif key in ("extra_special_tokens", "additional_special_tokens"):
                count += self.add_tokens(list(value), special_tokens=True)
                self._extra = [str(token) for token in value]
            else:
                raise ValueError(
                    f"{key!r} is no special token; expected {', '.join(NAMED_TOKENS)} or extra_special_tokens"
                )
        return count
