"""pad, and the collators of transformers that call it, compared with transformers' tokenizer."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from fastplm.tokenizer import AutoTokenizer, BatchEncoding

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["the cats sat on the mat", "", "hello world", "unaffordable café 中国"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, vocabulary: dict[str, int]) -> tuple[Any, Any]:
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    (path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "model_max_length": 9, '
        '"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}'
    )
    return AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)


def plain(batch: Any) -> dict[str, Any]:
    def show(value: Any) -> Any:
        if isinstance(value, list):
            return [show(item) for item in value]
        return (str(value.dtype), value.tolist()) if hasattr(value, "tolist") else value

    return {key: show(value) for key, value in batch.items()}


def rows_of(tokenizer: Any) -> list[dict[str, Any]]:
    return [tokenizer(text, return_special_tokens_mask=True).data for text in TEXTS]


def inputs(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [row["input_ids"] for row in rows]
    return {
        "a list of rows": rows,
        "a list of encodings": [BatchEncoding(row) for row in rows],
        "a dict of rows": {key: [row[key] for row in rows] for key in rows[0]},
        "one row": rows[0],
        "ids alone": {"input_ids": ids},
        "arrays": [{"input_ids": np.array(row)} for row in ids],
        "tensors": [{"input_ids": torch.tensor(row), "labels": 1} for row in ids],
        "a matrix": {"input_ids": torch.tensor([[1, 2], [3, 4]])},
        "a vector": {"input_ids": torch.tensor([1, 2, 3])},
        "other entries": [{"input_ids": row, "label": i / 2} for i, row in enumerate(ids)],
        "whole numbers first": [{"input_ids": row, "label": i and i / 2} for i, row in enumerate(ids)],
        "numpy's floats": [{"input_ids": row, "label": np.float64(i)} for i, row in enumerate(ids)],
        "masks of attention": [{"input_ids": row, "attention_mask": np.ones((2, 2), bool)} for row in ids],
        "masks in torch": [{"input_ids": row, "attention_mask": torch.ones((1, 2, 2))} for row in ids],
        "nothing": {"input_ids": []},
    }


KINDS = list(inputs([{"input_ids": [1]}]))
GRID = {
    "padding": [True, "max_length", False],
    "max_length": [None, 4, 20],
    "pad_to_multiple_of": [None, 8],
    "padding_side": [None, "left"],
    "return_attention_mask": [None, True, False],
    "return_tensors": [None, "pt", "np"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_transformers(both: tuple[Any, Any], kind: str) -> None:
    ours, reference = both
    rows = inputs(rows_of(reference))[kind]
    for values in itertools.product(*GRID.values()):
        options = dict(zip(GRID, values, strict=True))
        try:
            want = plain(reference.pad(copy.deepcopy(rows), **options))
        except ValueError:
            want = None
        # Rows of different lengths: the reference makes an array of objects of them.
        if want is None or any(v[0] == "object" for v in want.values() if isinstance(v, tuple)):
            with pytest.raises(ValueError, match="cannot be made a tensor"):
                ours.pad(copy.deepcopy(rows), **options)
            continue
        before = copy.deepcopy(rows)
        assert plain(ours.pad(rows, **options)) == want, options
        assert str(rows) == str(before)  # left as it was


def test_other_entries_stay_what_they_are(both: tuple[Any, Any]) -> None:
    label = torch.tensor([0.5, 1.0])
    batch = both[0].pad(
        [{"input_ids": [1, 2], "label": label, "text": "a"}, {"input_ids": [1], "label": label, "text": "b"}]
    )
    assert batch["label"][0] is label and batch["text"] == ["a", "b"]


def test_collators(both: tuple[Any, Any]) -> None:
    def made(collator: Any, tokenizer: Any, **labels: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        features = [
            {**row, **{key: value(row) for key, value in labels.items()}} for row in rows_of(tokenizer)
        ]
        return plain(collator(features))

    def ones(row: dict[str, Any]) -> list[int]:
        return [1] * len(row["input_ids"])

    for make, labels in (
        (transformers.DataCollatorWithPadding, {}),
        (transformers.DataCollatorForLanguageModeling, {}),
        (lambda tokenizer: transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False), {}),
        (transformers.DataCollatorForTokenClassification, {"labels": ones}),
        (transformers.DataCollatorForSeq2Seq, {"labels": ones}),
    ):
        mine, theirs = (made(make(tokenizer), tokenizer, **labels) for tokenizer in both)
        assert mine == theirs


def test_bad_input(both: tuple[Any, Any]) -> None:
    ours = both[0]
    for rows, message in (
        ({"ids": [1]}, "input_ids"),
        ({"input_ids": ["a", "b"]}, "the ids are str"),
        ({"input_ids": [[1], [2]], "labels": [1]}, "labels has 1 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            ours.pad(rows)
    for rows in ("ids", [[1, 2]]):
        with pytest.raises(TypeError, match=r"a row is a \w+; expected a dict with input_ids"):
            ours.pad(rows)
    with pytest.raises(ValueError, match="tensor_type"):
        BatchEncoding({"x": [1]}).convert_to_tensors("tf")


@pytest.mark.parametrize("kind", ["np", "pt"])
@pytest.mark.parametrize("prepend", [True, False])
def test_convert_to_tensors(kind: str, prepend: bool) -> None:
    for value in ([1, 2], [[1, 2], [3, 4]], [0.5, 1.5], [], [[]], [True], np.array([1.0]), [np.array([1.0])]):
        made = BatchEncoding({"x": value}).convert_to_tensors(kind, prepend_batch_axis=prepend)
        want = transformers.BatchEncoding({"x": value}).convert_to_tensors(kind, prepend_batch_axis=prepend)
        assert type(made["x"]) is type(want["x"])
        assert plain(made) == plain(want)
    with pytest.raises(ValueError, match="x cannot be made a tensor"):
        BatchEncoding({"x": [[], [1, 2]]}).convert_to_tensors(kind)
