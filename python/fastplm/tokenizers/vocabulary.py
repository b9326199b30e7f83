"""Tokens and ids, and adding tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.core import Core

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Vocabulary(Core):
    """Tokens to ids and back; tokens added at run time."""

    def _id(self, token: str) -> int | None:
        return self._engine.id_of(token)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """An id, or a list of them; unk_token_id (None if there is none) for a token that is not known."""
        if isinstance(tokens, str):
            token_id = self._id(tokens)
            if token_id is None and (unknown := self._named.get("unk_token")) is not None:
                token_id = self._id(unknown)
            return token_id
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """A token, or a list of them; None where no token has the id."""
        if isinstance(ids, int):
            return self._token(ids)
        skip = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._token(int(i)) for i in ids if int(i) not in skip]

    def _token(self, token_id: int) -> str | None:
        if token_id < 0:
            raise ValueError(f"a token id is {token_id}; expected 0 or more")
        return self._engine.token_of(token_id) if token_id < 2**31 else None

    @property
    def vocab_size(self) -> int:
        """Without added tokens."""
        return self._engine.vocabulary_size

    def __len__(self) -> int:
        """With added tokens."""
        known = self._engine.vocabulary()
        return len(known) + sum(token.content not in known for token in self.added_tokens_decoder.values())

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id, added ones included."""
        vocabulary = self._engine.vocabulary()
        vocabulary.update({token.content: token_id for token_id, token in self.added_tokens_decoder.items()})
        return vocabulary

    @property
    def vocab(self) -> dict[str, int]:
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id."""
        return {
            token_id: AddedToken(**flags) for token_id, flags in sorted(self._engine.added_tokens().items())
        }

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        return {token.content: token_id for token_id, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        return self.added_tokens_encoder

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Adds a token or a list of them; returns how many are new or have other flags than before.

        Calls that other threads have begun end with the tokens they began with.
        """
        if not new_tokens:
            return 0
        items = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        present = {token.content: token for token in self.added_tokens_decoder.values()}
        added = []
        for item in items:
            token = AddedToken.read(item, special=special_tokens)
            if token.content and present.get(token.content) != token:
                present[token.content] = token
                added.append(token)
        if added:
            self._become(self._source.with_tokens(added), like=self._engine)
        return len(added)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have names: bos_token to mask_token, then the model's own."""
        names = [*NAMED_TOKENS, *(name for name in self._named if name not in NAMED_TOKENS)]
        return {name: self._named[name] for name in names if name in self._named}

    @property
    def all_special_tokens(self) -> list[str]:
        """Each once: those that have names, then the extra ones."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]
