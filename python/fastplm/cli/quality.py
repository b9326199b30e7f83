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


def compare(
    original: Path, quantized: Path, text: str | None
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Figures of both models, the original's first, and figures of the two together: of a decoder and a text
    its perplexity, and the share of tokens whose likeliest successor is the same; of an encoder and a text
    the mean and the worst cosine of the mean-pooled embeddings of its lines.
    """
    tokenizer = None if text is None else fastplm.AutoTokenizer.from_pretrained(original)
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
    if tokenizer is None or models[0].stacks == "both":
        return both, together
    if models[0].stacks == "encoder":
        cosines = _cosines(models, tokenizer, text or "")
        together = {"mean_cosine": float(cosines.mean()), "worst_cosine": float(cosines.min())}
    else:
        ids = tokenizer(text, verbose=False)["input_ids"]
        if len(ids) < 2:
            raise ValueError(f"text: {len(ids)} tokens; expected at least 2")
        context = min(_CONTEXT, models[0].engine.max_length or _CONTEXT)
        both["perplexity"] = [
            measure(model, ids, context, min(_STRIDE, context))["perplexity"] for model in models
        ]
        together["same_likeliest_token"] = _agreement(models, ids, min(_WINDOW, context))
    return both, together


def _load(folder: Path) -> Any:
    config = PretrainedConfig.from_pretrained(folder)
    if family_of(config.model_type).stacks == "decoder":
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


def _cosines(models: list[Any], tokenizer: Any, text: str) -> Array:
    lines = [line for line in text.splitlines() if line.strip()][:_LINES]
    if not lines:
        raise ValueError("text: no line; expected at least one")
    limit = models[0].engine.max_length
    packed = tokenizer.encode_packed(lines, truncation=limit is not None, max_length=limit)
    first, second = (model.engine.embed(*packed[:2], "mean", True) for model in models)
    return np.asarray((first * second).sum(-1))
