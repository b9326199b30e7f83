"""What is compared: the reference, fastplm here, fastplm at another instruction set in a second process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.tokenizers.fields import fields_of

Packed = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]  # ids of all texts, and where each text's begin


class Reference:
    def __init__(self, path: Path) -> None:
        import tokenizers

        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def packed(self, texts: Sequence[str]) -> Packed:
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]
        begin = np.zeros(len(rows) + 1, np.int32)
        np.cumsum([len(row) for row in rows], out=begin[1:])
        return np.fromiter(chain.from_iterable(rows), np.int32, int(begin[-1])), begin

    def rows(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return [fields_of(encoding) for encoding in self.tokenizer.encode_batch(texts)]

    def decode(self, rows: list[list[int]]) -> list[str]:
        return self.tokenizer.decode_batch(rows, skip_special_tokens=False)


class Ours:
    def __init__(self, path: Path) -> None:
        from fastplm import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(path)

    def packed(self, texts: Sequence[str]) -> Packed:
        return self.tokenizer.encode_packed(texts)

    def rows(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        batch = self.tokenizer(list(texts), return_offsets_mapping=True)
        return [fields_of(encoding) for encoding in batch.encodings]

    def decode(self, rows: list[list[int]]) -> list[str]:
        return self.tokenizer.batch_decode(rows)


class AnotherLevel:
    """fastplm in a process of its own, where FASTPLM_ISA is `level`. Has only `packed`."""

    def __init__(self, path: Path, level: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.engines", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "FASTPLM_ISA": level, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def packed(self, texts: Sequence[str]) -> Packed:
        assert self._process.stdin and self._process.stdout
        pickle.dump(list(texts), self._process.stdin)
        self._process.stdin.flush()
        result = pickle.load(self._process.stdout)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def _serve(path: Path) -> None:
    """Answers with Ours.packed of each list of texts that comes in, until none comes."""
    ours = Ours(path)
    while True:
        try:
            texts = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: Any = ours.packed(texts)
        except ValueError as error:
            answer = ValueError(str(error))
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
