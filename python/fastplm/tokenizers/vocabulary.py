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
        """An id, or a list of them; unk_token_id where the vocabulary does not know the token."""
        if isinstance(tokens, str):
            token_id = self._id(tokens)
            if token_id is None and (unknown := self._named.get("unk_token")) is not None:
                token_id = self._id(unknown)
            return token_id
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """A token, or a list of them; None where no token has the id."""
        if isinstance(ids, int):
            return self._engine.token_of(ids)
        skip = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._engine.token_of(int(i)) for i in ids if int(i) not in skip]

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
        """Adds a token or a list of them; returns how many are new.

        Calls that other threads have begun end with the tokens they began with.
        """
        items = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        tokens = [AddedToken.read(token, special=special_tokens) for token in items]
        before = set(self._source.added_tokens)
        source = self._source.with_tokens([token for token in tokens if token not in before])
        self._engine, self._source = source.build(), source
        return len({token for token in tokens if token.content and token not in before})

    @property
    def special_tokens_map(self) -> dict[str, str]:
        return {name: self._named[name] for name in NAMED_TOKENS if name in self._named}

    @property
    def all_special_tokens(self) -> list[str]:
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]
