"""Runs texts through the engines, finds the first one whose answers differ, and makes it small."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.engines import AnotherLevel, Ours, Packed, Reference

REFUSED = "refused"  # the answer where a tokenizer has none: it lacks its own unknown token, say
Differs = Callable[[list[str]], bool]


@dataclass
class Difference(AssertionError):
    """Texts, as few and short as they could be made, that are not all encoded alike."""

    tokenizer: str
    what: str  # "ids", "fields", "decode", or the level whose ids differ from the reference's
    texts: list[str]
    reference: Any  # of the last text
    ours: Any

    def __str__(self) -> str:
        answers = f"  reference {self.reference}\n  fastplm   {self.ours}"
        return f"{self.tokenizer}: {self.what} of {self.texts!r}\n{answers}"

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.json")))
        path = folder / f"{Path(self.tokenizer).parent.name}-{Path(self.tokenizer).stem}-{number}.json"
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")  # ASCII only: any text survives it
        return path


def first_difference(a: Packed, b: Packed) -> int | None:
    """The first text whose ids differ."""
    if np.array_equal(a[1], b[1]) and np.array_equal(a[0], b[0]):
        return None
    rows = zip(a[1], a[1][1:], b[1], b[1][1:], strict=True)
    return next(i for i, (p, q, r, s) in enumerate(rows) if not np.array_equal(a[0][p:q], b[0][r:s]))


def outcome(call: Callable[[list[str]], Any], texts: Sequence[str]) -> Any:
    """What a call makes of the last text, given all; a refusal is an outcome too."""
    try:
        result = call(list(texts))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # the reference's panics are no Exception
        return REFUSED
    if isinstance(result, tuple):
        ids, begin = result
        return ids[begin[-2] :].tolist()
    return result[-1]


def minimise(texts: list[str], differs: Differs, tries: int = 3000) -> list[str]:
    """Fewer and shorter texts, the last of which still differs."""
    left = tries

    def check(candidate: list[str]) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and differs(candidate)

    def shrink(parts: Any, rebuild: Callable[[Any], list[str]], least: int) -> Any:
        """Leaves out parts, in pieces that become smaller, as long as what stays differs."""
        size = len(parts) // 2
        while size > 0:
            at = 0
            while at < len(parts) and len(parts) > least:
                shorter = parts[:at] + parts[at + size :]
                if len(shorter) >= least and check(rebuild(shorter)):
                    parts = shorter
                else:
                    at += size
            size //= 2
        return parts

    if check(texts[-1:]):
        texts = texts[-1:]
    else:
        last = texts[-1]
        texts = [*shrink(texts[:-1], lambda some: [*some, last], 0), last]
    before = texts[:-1]
    return [*before, shrink(texts[-1], lambda text: [*before, text], 0)]


class Comparison:
    """One tokenizer, and all engines with it."""

    def __init__(self, path: Path, level: str | None = None) -> None:
        self.path = path
        self.reference = Reference(path)
        self.ours = Ours(path)
        self.other = AnotherLevel(path, level) if level else None
        self.level = level
        self.texts = self.sampled = self.refused = 0

    def close(self) -> None:
        if self.other:
            self.other.close()

    def run(self, blocks: Iterable[list[str]], every: int = 16) -> None:
        """Ids of all texts; all fields, and the decoded text, of one in `every`. Raises Difference."""
        for number, texts in enumerate(blocks):
            packed = self._compare_ids("ids", self.ours, texts)
            if self.other:
                self._compare_ids(f"ids at {self.level}", self.other, texts)
            sample = texts[number % every :: every]
            self._compare_rows("fields", self.ours.rows, self.reference.rows, sample)
            if packed is not None:
                ids, begin = packed
                rows = [
                    ids[begin[i] : begin[i + 1]].tolist() for i in range(number % every, len(texts), every)
                ]
                got, want = self.ours.decode(rows), self.reference.decode(rows)
                for text, mine, theirs in zip(sample, got, want, strict=True):
                    if mine != theirs:
                        raise Difference(str(self.path), "decode", [text], theirs, mine)
            self.texts += len(texts)
            self.sampled += len(sample)

    def _compare_ids(self, what: str, engine: Ours | AnotherLevel, texts: list[str]) -> Packed | None:
        """The ids if no text was refused."""
        try:
            want = self.reference.packed(texts)
            got = engine.packed(texts)
        except Exception:
            self._one_by_one(what, engine.packed, self.reference.packed, texts)
            return None
        at = first_difference(want, got)
        if at is not None:
            self._report(what, engine.packed, self.reference.packed, texts[: at + 1])
        return want

    def _compare_rows(self, what: str, ours: Any, reference: Any, texts: list[str]) -> None:
        try:
            same = ours(texts) == reference(texts)
        except Exception:
            same = False
        if not same:
            self._one_by_one(what, ours, reference, texts)

    def _one_by_one(self, what: str, ours: Any, reference: Any, texts: list[str]) -> None:
        for text in texts:
            got = outcome(ours, [text])
            if got != outcome(reference, [text]):
                self._report(what, ours, reference, [text])
            self.refused += got == REFUSED

    def _report(self, what: str, ours: Any, reference: Any, texts: list[str]) -> None:
        small = minimise(texts, lambda some: outcome(ours, some) != outcome(reference, some[-1:]))
        raise Difference(str(self.path), what, small, outcome(reference, small[-1:]), outcome(ours, small))
