"""Encoders of sentences: texts beside their partners, and the files that make a folder an encoder's."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fastplm.errors import UnsupportedError
from fastplm.hub import resolve
from fastplm.sentence.files import read_sentence_folder
from fastplm.training.recipes.files import Row
from fastplm.training.recipes.language import Feature

COLUMNS = ("anchor", "positive")


def pooling_of(model: str) -> tuple[str, bool]:
    """How the model makes a vector of a text's tokens, and whether vectors have length 1; the mean, for a
    model that does not say. Raises UnsupportedError for what is neither the mean nor the first token.
    """
    folder = resolve(model)
    if not (folder / "modules.json").exists():
        return "mean", False
    found = read_sentence_folder(folder)
    layers = [kind for kind, _ in found.layers]
    text = found.transformer
    first = "a StaticEmbedding" if text is None else f"a Transformer in {found.place or 'the folder itself'}"
    parts = [first, *(f"pooling by {mode}" for mode in found.pooling), *layers]
    if (
        text is None
        or found.place
        or found.pooling not in (("mean",), ("cls",))
        or set(layers) - {"Normalize"}
    ):
        raise UnsupportedError(
            f"{folder}/modules.json: {', '.join(parts)}; expected a Transformer in the folder itself, "
            "pooling by mean or cls, and perhaps Normalize"
        )
    if text.do_lower_case or any(found.prompts.values()):
        raise UnsupportedError(
            f"{folder}: do_lower_case or prompts are set; expected an encoder without them"
        )
    return found.pooling[0], bool(layers)


def together(rows: list[Row], tokenizer: Any, length: int, scored: bool) -> list[Feature]:
    """The tokens of a row's anchor, its positive and its negative, if there is one. scored: whether a score
    may stand beside them, of how near anchor and positive are.
    """
    # an empty cell of a table
    rows = [{k: v for k, v in row.items() if not (k in ("negative", "score") and v == "")} for row in rows]
    names = [*COLUMNS, "negative"] if rows[0].get("negative") is not None else list(COLUMNS)
    features = []
    for i, row in enumerate(rows):
        if (row.get("negative") is not None) != (len(names) == 3):
            raise ValueError(f"example {i + 1}: negatives of some examples; expected them in all or in none")
        if row.get("score") is not None and not scored:
            raise ValueError(
                f"example {i + 1} has a score; expected pairs that belong together: scores are for evaluation"
            )
        encoded = tokenizer([row[name] for name in names], truncation=True, max_length=length)
        score = row.get("score")
        features.append(
            {"input_ids": encoded["input_ids"], "labels": np.nan if score is None else float(score)}
        )
    return features


def collated(features: list[Feature], pad: int) -> dict[str, Any]:
    """input_ids and attention_mask [examples, texts, tokens]; labels: the scores, NaN for none."""
    import torch

    texts = [[torch.tensor(ids) for ids in feature["input_ids"]] for feature in features]
    longest = max(len(ids) for row in texts for ids in row)
    ids = torch.full((len(texts), len(texts[0]), longest), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(texts):
        for j, tokens in enumerate(row):
            ids[i, j, : len(tokens)] = tokens
            mask[i, j, : len(tokens)] = 1
    scores = torch.tensor([feature["labels"] for feature in features])
    return {"input_ids": ids, "attention_mask": mask, "labels": scores}


def figures(prediction: Any) -> dict[str, float]:
    """How often an anchor's own partner is the nearest of its batch, and, with scores, how well cosines are
    in their order: Spearman's rank correlation.
    """
    cosines, right = prediction.predictions.T
    found = {"accuracy": float(right.mean())}
    if not np.isnan(scores := prediction.label_ids).any():
        found["spearman"] = float(np.corrcoef(_ranks(cosines), _ranks(scores))[0, 1])
    return found


def _ranks(values: Any) -> Any:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def write_modules(folder: Path, width: int, pooling: str, normalize: bool, length: int) -> None:
    """What SentenceEncoder and sentence-transformers read beside the model."""
    kinds = ["Transformer", "Pooling", *["Normalize"] * normalize]
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "",
         "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    for kind in kinds[1:]:
        (folder / f"{kinds.index(kind)}_{kind}").mkdir(exist_ok=True)
    files: dict[str, Any] = {
        "modules.json": modules,
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
        },
        "sentence_bert_config.json": {"max_seq_length": length, "do_lower_case": False},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")
