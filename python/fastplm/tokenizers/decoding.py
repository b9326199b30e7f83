"""Ids to text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from typing import Any

from fastplm import _engine
from fastplm.tokenizers.core import Core


class Decoding(Core):
    """decode and its relatives."""

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> Any:
        """The text of ids: an int, a list, an array or a tensor; of several lists a list of texts.

        Ids that no token has are left out. Raises TypeError for what is no integer.
        """
        ids: Any = [token_ids] if isinstance(token_ids, int) else token_ids
        if not isinstance(ids, list):
            ids = _list(ids)
        if ids and (isinstance(ids[0], (list, tuple)) or getattr(ids[0], "ndim", 0)):
            return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        text = self._engine.decode(list(map(index, ids)), skip_special_tokens)
        if self._word_end:
            text = text.replace(self._word_end, " ").strip()
        clean = (
            self.clean_up_tokenization_spaces
            if clean_up_tokenization_spaces is None
            else clean_up_tokenization_spaces
        )
        # Of a BPE model it would take spaces that the text had, so that needs a word more.
        if clean and (
            self._source.model["type"] != "BPE"
            or self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output
        ):
            text = self.clean_up_tokenization(text)
        return text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> list[str]:
        """decode() of each row; of ids that are one row a list of one text."""
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces)
        return [texts] if isinstance(texts, str) else texts

    def decode_stream(self, token_ids: Iterable[int], skip_special_tokens: bool = False) -> Iterator[str]:
        """The text of ids that come one at a time, each part as soon as it is whole characters.

        Raises ValueError where an id changes text that was given already, as with a CTC decoder.
        """
        stream = _engine.DecodeStream(skip_special_tokens)
        for token_id in token_ids:
            if (text := stream.step(self._engine, int(token_id))) is not None:
                yield text

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Takes out the spaces that decoding puts before punctuation and English contractions."""
        for end in (".", "?", "!", ","):
            text = text.replace(" " + end, end)
        text = text.replace(" ' ", "'")
        for end in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(" " + end, end)
        return text

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        return self._engine.join(list(tokens))


def _list(token_ids: Any) -> list[Any]:
    ids = token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    if isinstance(ids, str):
        raise TypeError(f"token_ids is the str {ids[:40]!r}; expected ids")
    return [ids] if isinstance(ids, int) else list(ids)
