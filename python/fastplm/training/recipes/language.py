"""Language models: masked words, masked words with next sentences, next tokens, and spans as T5 has them."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastplm.training.recipes.files import Row

Feature = dict[str, Any]


def blocks(rows: list[Row], tokenizer: Any, length: int) -> list[Feature]:
    """Texts one after the other, a separator behind each, cut into blocks: nothing is padded. What is left
    over at the end is left out, unless it is all there is.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    ids: list[int] = []
    for row in rows:
        ids += tokenizer(row["text"], add_special_tokens=False, verbose=False)["input_ids"]
        ids += [] if end is None else [end]
    count = max(1, len(ids) // length)
    return [{"input_ids": ids[i * length : (i + 1) * length]} for i in range(count)]


def sentence_pairs(rows: list[Row], tokenizer: Any, length: int, seed: int) -> list[Feature]:
    """Each text with the one behind it (label 0) or with any other (label 1)."""
    rng = random.Random(seed)
    features = []
    for i in range(len(rows) - 1):
        follows = rng.random() < 0.5
        other = rng.randrange(len(rows) - 1)
        second = rows[i + 1 if follows else other + (other > i)]
        encoded = tokenizer(rows[i]["text"], second["text"], truncation=True, max_length=length)
        features.append({**encoded, "next_sentence_label": int(not follows)})
    return features


class SpanCorruption:
    """T5's task as a collator: 15 % of the tokens, in spans of 3 on average, become sentinels, and the
    decoder gives them back. Paper: arXiv:1910.10683.
    """

    def __init__(self, tokenizer: Any, seed: int, share: float = 0.15, span: float = 3.0) -> None:
        self.sentinels = [i for t in range(100) if (i := _sentinel(tokenizer, t)) is not None]
        if not self.sentinels:
            raise ValueError("the tokenizer has no <extra_id_0>; expected one with sentinels")
        self.end, self.pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        self.share, self.span, self.random = share, span, np.random.default_rng(seed)

    def __call__(self, features: list[Feature]) -> dict[str, Any]:
        import torch

        sides = [self._corrupt(feature["input_ids"]) for feature in features]

        def padded(which: int, fill: int) -> torch.Tensor:
            longest = max(len(side[which]) for side in sides)
            return torch.tensor([s[which] + [fill] * (longest - len(s[which])) for s in sides])

        ids = padded(0, self.pad)
        lengths = torch.tensor([len(s[0]) for s in sides])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": padded(1, -100)}

    def _corrupt(self, ids: list[int]) -> tuple[list[int], list[int]]:
        source: list[int] = []
        target: list[int] = []
        sentinels = iter(self.sentinels)
        for piece, hidden in self._pieces(ids):
            if hidden and (sentinel := next(sentinels, None)) is not None:
                source.append(sentinel)
                target += [sentinel, *piece]
            else:
                source += piece
        return [*source, self.end], [*target, self.end]

    def _pieces(self, ids: list[int]) -> Iterator[tuple[list[int], bool]]:
        """Kept and hidden spans in turn, a kept one first."""
        hidden = min(max(1, round(len(ids) * self.share)), max(0, len(ids) - 1))
        spans = min(max(1, round(hidden / self.span)), hidden, len(ids) - hidden)
        if spans < 1:
            yield ids, False
            return
        at = 0
        for kept, gone in zip(self._cut(len(ids) - hidden, spans), self._cut(hidden, spans), strict=True):
            yield ids[at : at + kept], False
            yield ids[at + kept : at + kept + gone], True
            at += kept + gone

    def _cut(self, total: int, parts: int) -> list[int]:
        """Random lengths of at least 1."""
        ends = np.sort(self.random.choice(total - 1, parts - 1, replace=False)) + 1
        return np.diff([0, *ends, total]).tolist()  # type: ignore[no-any-return]


def _sentinel(tokenizer: Any, number: int) -> int | None:
    found = tokenizer.convert_tokens_to_ids(f"<extra_id_{number}>")
    return None if found is None or found == tokenizer.unk_token_id else int(found)
