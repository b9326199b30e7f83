"""What a model of integers is like beside the one that it was made of: size, speed and quality."""

import time
from pathlib import Path
from typing import Any

import numpy as np

import fastplm
from fastplm.arrays import Array
from fastplm.cli.perplexity import measure
from fastplm.config import PretrainedConfig
from fastplm.families import family_of

_CONTEXT, _STRIDE = 512, 256  # of the windows of a text
_WINDOW = 128  # tokens whose likeliest successors are compared, and that an encoder's speed is measured with
_WINDOWS = 16
_PROMPT, _NEW = 8, 64  # tokens that a decoder's speed is measured with: read, and made one after another
_LINES = 256  # of a text whose embeddings are compared

Ids = Any  # list[int] of a decoder, list[list[int]] of an encoder


def read(folder: Path, text: str) -> Ids:
    """What `compare` measures quality on: of a decoder the ids of the text, of an encoder those of its lines.

    Raises ValueError for an encoder-decoder, and where the text has too little.
    """
    stacks = _stacks(folder)
    if stacks == "both":
        raise ValueError("text: given with an encoder-decoder, whose quality is not measured; expected none")
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    if stacks == "decoder":
        ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
        if len(ids) < 2:
            raise ValueError(f"text: {len(ids)} tokens; expected at least 2")
        return ids
    lines = [line for line in text.splitlines() if line.strip()][:_LINES]
    if not lines:
        raise ValueError("text: no line; expected at least one")
    return [tokenizer(line, verbose=False)["input_ids"] for line in lines]


def compare(
    original: Path, quantized: Path, reading: Ids | None
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Figures of both models, the original's first, and figures of the two together: of a decoder and a text
    its perplexity, and the share of tokens whose likeliest successor is the same; of an encoder and a text
    the mean and the worst cosine of the mean-pooled embeddings of its lines. reading: of `read`.
    """
    models, seconds = [], []
    for folder in (original, quantized):
        start = time.perf_counter()
        models.append(_load(folder))
        seconds.append(time.perf_counter() - start)
    both = {
        "megabytes_in_memory": [model.engine.nbytes / 1e6 for model in models],
        "seconds_to_load": seconds,
        "tokens_per_second": [_speed(model) for model in models],
    }
    together: dict[str, float] = {}
    if reading is None:
        return both, together
    if models[0].stacks == "encoder":
        cosines = _cosines(models, reading)
        together = {"mean_cosine": float(cosines.mean()), "worst_cosine": float(cosines.min())}
    else:
        context = min(_CONTEXT, models[0].engine.max_length or _CONTEXT)
        both["perplexity"] = [
            measure(model, reading, context, min(_STRIDE, context))["perplexity"] for model in models
        ]
        together["same_likeliest_token"] = _agreement(models, reading, min(_WINDOW, context))
    return both, together


def _stacks(folder: Path) -> str:
    config = PretrainedConfig.from_pretrained(folder)
    stacks = family_of(config.model_type).stacks
    return "decoder" if stacks == "encoder" and config.get("is_decoder") else stacks


def _load(folder: Path) -> Any:
    if _stacks(folder) == "decoder":
        return fastplm.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    return fastplm.AutoModel.from_pretrained(folder, dtype="auto")


def _speed(model: Any) -> float:
    """Tokens per second: of a decoder one after another, of others read at once."""
    rng = np.random.default_rng(0)
    limit = model.engine.max_length or _WINDOW + _NEW
    new = min(_NEW, max(1, limit - _PROMPT)) if model.stacks == "decoder" else 0
    shape = (1, min(_PROMPT, limit)) if new else (8, min(_WINDOW, limit))
    ids = rng.integers(0, model.engine.vocab_size, shape)
    for _ in range(2):  # the first one touches memory for the first time
        start = time.perf_counter()
        if new:
            model.generate(ids, max_new_tokens=new, min_new_tokens=new, do_sample=False)
        else:
            model(ids, **({"decoder_input_ids": ids} if model.stacks == "both" else {}))
    return (new or ids.size) / (time.perf_counter() - start)


def _agreement(models: list[Any], ids: list[int], window: int) -> float:
    same = counted = 0
    for begin in range(0, min(len(ids), _WINDOWS * window), window):
        first, second = (
            np.asarray(
                model([ids[begin : begin + window]], use_cache=False, return_dict=True).logits[0].argmax(-1)
            )
            for model in models
        )
        same, counted = same + int((first == second).sum()), counted + len(first)
    return same / counted


def _cosines(models: list[Any], lines: list[list[int]]) -> Array:
    rows = [line[: models[0].engine.max_length] for line in lines]
    packed = np.concatenate(rows).astype(np.int32)
    begin = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    first, second = (model.engine.embed(packed, begin, "mean", True) for model in models)
    return np.asarray((first * second).sum(-1))
