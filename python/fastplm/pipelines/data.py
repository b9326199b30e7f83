"""What may be given to a pipeline: one input, a list of them, or a data set or generator."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class KeyDataset:
    """The items `dataset[i][key]` of a data set of dicts."""

    def __init__(self, dataset: Any, key: str) -> None:
        self.dataset = dataset
        self.key = key

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Any:
        return self.dataset[i][self.key]


class KeyPairDataset(KeyDataset):
    """Pairs of texts: the items {"text": dataset[i][key1], "text_pair": dataset[i][key2]}."""

    def __init__(self, dataset: Any, key1: str, key2: str) -> None:
        super().__init__(dataset, key1)
        self.key2 = key2

    def __getitem__(self, i: int) -> Any:
        return {"text": self.dataset[i][self.key], "text_pair": self.dataset[i][self.key2]}


class Results(Iterator[Any]):
    """The results of a data set or generator, computed as they are asked for; as long as the data set."""

    def __init__(self, results: Iterator[Any], length: int | None) -> None:
        self._results = results
        self._length = length

    def __next__(self) -> Any:
        return next(self._results)

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("results of a generator have no length")
        return self._length


def is_stream(inputs: Any) -> bool:
    """Whether `inputs` are a generator, a data set or the like, whose results are computed one by one."""
    if isinstance(inputs, str | bytes | Mapping | list | tuple):
        return False
    return isinstance(inputs, Iterable) or (hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"))


def length_of(inputs: Any) -> int | None:
    """How many items there are, if that is known."""
    try:
        return len(inputs)
    except TypeError:
        return None


def items_of(inputs: Any) -> Iterator[Any]:
    """The items in order."""
    if isinstance(inputs, Iterable):
        return iter(inputs)
    return (inputs[i] for i in range(len(inputs)))


def blocks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of `size`. Where reading fails, those read before come first, then the error."""
    block: list[Any] = []
    try:
        for item in items:
            block.append(item)
            if len(block) == size:
                yield block
                block = []
    except Exception:
        if block:
            yield block
        raise
    if block:
        yield block
