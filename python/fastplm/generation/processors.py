"""The logits processors of a call, in transformers' order: the engine's, and the caller's own among them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm.generation.config import GenerationConfig
from fastplm.generation.inputs import Prompt, Tokens
from fastplm.generation.warn import warn


class Own(NamedTuple):
    """One of the engine's. name: of the class in transformers that does the same."""

    name: str
    settings: dict[str, Any]


def engine_processors(
    config: GenerationConfig, prompt: Prompt, tokens: Tokens
) -> tuple[list[Own], list[Own]]:
    """Those before the caller's own, and those behind, which only act where tokens are sampled, and the
    normalization. Raises ValueError for values that mean nothing.
    """
    return list(_before(config, prompt, tokens)), list(_behind(config, tokens))


PREFIX = "PrefixConstrainedLogitsProcessor"  # stands for prefix_allowed_tokens_fn


def _before(c: GenerationConfig, prompt: Prompt, tokens: Tokens) -> Any:
    sourced = prompt.source is not None and not (prompt.source < 0).any()
    if c.sequence_bias is not None:
        yield Own("SequenceBiasLogitsProcessor", _biases(c.sequence_bias))
    if c.encoder_repetition_penalty not in (None, 1.0):
        penalty = _positive(c.encoder_repetition_penalty, "encoder_repetition_penalty")
        if _has_source("encoder_repetition_penalty", sourced):
            yield Own(
                "EncoderRepetitionPenaltyLogitsProcessor", {"kind": "source_penalty", "penalty": penalty}
            )
    if c.repetition_penalty not in (None, 1.0):
        penalty = _positive(c.repetition_penalty, "repetition_penalty")
        yield Own("RepetitionPenaltyLogitsProcessor", {"kind": "repetition_penalty", "penalty": penalty})
        _warn_of_embeddings("repetition_penalty", prompt)
    if c.presence_penalty or c.frequency_penalty:
        amounts = {
            n: _number(getattr(c, f"{n}_penalty") or 0.0, f"{n}_penalty") for n in ("presence", "frequency")
        }
        yield Own("", {"kind": "count_penalty", **amounts})
    if c.no_repeat_ngram_size not in (None, 0):
        size = _count(c.no_repeat_ngram_size, "no_repeat_ngram_size")
        yield Own("NoRepeatNGramLogitsProcessor", {"kind": "no_repeat", "size": size})
        _warn_of_embeddings("no_repeat_ngram_size", prompt)
    if c.encoder_no_repeat_ngram_size not in (None, 0):
        size = _count(c.encoder_no_repeat_ngram_size, "encoder_no_repeat_ngram_size")
        if _has_source("encoder_no_repeat_ngram_size", sourced):
            yield Own("EncoderNoRepeatNGramLogitsProcessor", {"kind": "no_repeat_of_source", "size": size})
    if c.bad_words_ids is not None:
        yield Own("NoBadWordsLogitsProcessor", _bad_words(c.bad_words_ids, tokens.eos))
    for name, kind, own in (
        ("min_length", "MinLengthLogitsProcessor", 0),
        ("min_new_tokens", "MinNewTokensLengthLogitsProcessor", prompt.length),
    ):
        least = getattr(c, name)
        if least not in (None, 0) and tokens.eos:
            yield Own(kind, {"kind": "min_length", "length": _count(least, name) + own, "ids": tokens.eos})
    yield Own(PREFIX, {})
    if c.forced_bos_token_id is not None:
        ids = _ids(c.forced_bos_token_id, "forced_bos_token_id")
        yield Own("ForcedBOSTokenLogitsProcessor", {"kind": "force", "length": 1, "ids": ids})
    if c.forced_eos_token_id is not None:
        ids = _ids(c.forced_eos_token_id, "forced_eos_token_id")
        yield Own("ForcedEOSTokenLogitsProcessor", {"kind": "force", "length": c.max_length - 1, "ids": ids})
    if c.remove_invalid_values is True:
        yield Own("InfNanRemoveLogitsProcessor", {"kind": "remove_invalid"})
    if c.exponential_decay_length_penalty is not None:
        yield Own("ExponentialDecayLengthPenalty", _decay(c.exponential_decay_length_penalty, prompt, tokens))
    if c.suppress_tokens is not None:
        ids = _ids(c.suppress_tokens, "suppress_tokens")
        yield Own("SuppressTokensLogitsProcessor", {"kind": "suppress", "length": -1, "ids": ids})
    if c.begin_suppress_tokens is not None:
        ids = _ids(c.begin_suppress_tokens, "begin_suppress_tokens")
        begin = prompt.length + (prompt.length <= 1 and c.forced_bos_token_id is not None)
        yield Own("SuppressTokensAtBeginLogitsProcessor", {"kind": "suppress", "length": begin, "ids": ids})


def _behind(c: GenerationConfig, tokens: Tokens) -> Any:
    if c.do_sample:
        # a beam needs a token besides those that end it
        keep = 1 if c.num_beams == 1 else (len(tokens.eos) or 1) + 1
        if c.temperature not in (None, 1.0):
            if c.temperature == 0:
                raise ValueError(
                    "temperature: 0; expected more than 0: do_sample=False always takes the likeliest"
                )
            yield Own("", {"kind": "temperature", "value": _positive(c.temperature, "temperature")})
        if c.top_h is not None:
            yield Own("", {"kind": "top_h", "value": _share(c.top_h, "top_h", low=False)})
        if c.top_k not in (None, 0):
            yield Own("", {"kind": "top_k", "count": max(_count(c.top_k, "top_k"), keep)})
        if c.top_p is not None and _number(c.top_p, "top_p") < 1.0:
            yield Own("", {"kind": "top_p", "mass": _share(c.top_p, "top_p"), "keep": keep})
        if c.min_p is not None:
            yield Own("", {"kind": "min_p", "share": _share(c.min_p, "min_p"), "keep": keep})
        if c.typical_p is not None and _number(c.typical_p, "typical_p") < 1.0:
            yield Own(
                "", {"kind": "typical", "mass": _share(c.typical_p, "typical_p", low=False), "keep": keep}
            )
        for name, kind in (("epsilon_cutoff", "epsilon"), ("eta_cutoff", "eta")):
            cutoff = getattr(c, name)
            if cutoff is not None and 0.0 < _number(cutoff, name) < 1.0:
                yield Own("", {"kind": kind, "cutoff": float(cutoff), "keep": keep})
    if c.renormalize_logits is True:
        yield Own("", {"kind": "normalize"})


def merged(
    config: GenerationConfig,
    prompt: Prompt,
    tokens: Tokens,
    custom: Sequence[Any],
    prefix: Any = None,
    masks: int = 0,
) -> tuple[list[dict[str, Any]], list[Callable[..., Any]]]:
    """The processors as the engine takes them, and the functions that it calls by number.

    custom: the caller's own. One of a class of transformers takes the place of the engine's that does the
    same.
    prefix: prefix_allowed_tokens_fn as a processor, or None. masks: how many there are.
    """
    before, behind = engine_processors(config, prompt, tokens)
    calls: list[Callable[..., Any]] = []
    order: list[dict[str, Any]] = []

    def call(function: Callable[..., Any]) -> None:
        order.append({"kind": "call", "index": len(calls)})
        calls.append(function)

    placed: list[Any] = []
    for own in before:
        same = next((p for p in custom if own.name and is_of_transformers(p, own.name)), None)
        if own.name == PREFIX and prefix is None:
            continue
        if same is not None:
            warn(f"logits_processor: a {own.name}, which settings of the call make too; the one given counts")
            call(same)
            placed.append(same)
        elif own.name == PREFIX:
            call(prefix)
        else:
            order.append(own.settings)
    for function in custom:
        if not any(function is other for other in placed):
            call(function)
            placed.append(function)
    order += [{"kind": "mask", "index": index} for index in range(masks)]
    order += [own.settings for own in behind]
    return order, calls


def is_of_transformers(value: Any, name: str) -> bool:
    """Whether it is transformers' own class of that name."""
    kind = type(value)
    return kind.__name__ == name and kind.__module__.startswith("transformers.")


def _has_source(name: str, sourced: bool) -> bool:
    if not sourced:
        warn(f"{name}: without input_ids it has no effect")
    return sourced


def _warn_of_embeddings(name: str, prompt: Prompt) -> None:
    if prompt.length == 0:
        warn(f"{name}: with inputs_embeds alone it counts new tokens only, not the prompt")


def _biases(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | list) or not value:
        raise ValueError(f"sequence_bias: {value!r}; expected a non-empty dict or list")
    if isinstance(value, list):
        if not all(isinstance(item, list | tuple) and len(item) == 2 for item in value):
            raise ValueError(f"sequence_bias: {value!r}; expected pairs of token ids and a bias")
        value = {tuple(ids): bias for ids, bias in value}
    if not all(isinstance(ids, tuple) for ids in value):
        raise ValueError(f"sequence_bias: {value!r}; expected tuples as keys")
    return _sequences("sequence_bias", value)


def _bad_words(value: Any, eos: list[int]) -> dict[str, Any]:
    if not isinstance(value, list) or not value or not all(isinstance(ids, list) for ids in value):
        raise ValueError(f"bad_words_ids: {value!r}; expected a non-empty list of lists of token ids")
    words = {tuple(ids): float("-inf") for ids in value if ids not in [[token] for token in eos]}
    if not words:
        raise ValueError(f"bad_words_ids: {value!r}; expected others than eos_token_id")
    return _sequences("bad_words_ids", words)


def _sequences(name: str, value: dict[Any, Any]) -> dict[str, Any]:
    for ids, bias in value.items():
        if not ids or not all(isinstance(i, int | np.integer) and i >= 0 for i in ids):
            raise ValueError(f"{name}: {ids!r}; expected token ids, at least one")
        if not isinstance(bias, float):
            raise ValueError(f"{name}: a bias of {bias!r}; expected a float")
    return {
        "kind": "sequence_bias",
        "sequences": [[[int(i) for i in ids], bias] for ids, bias in value.items()],
    }


def _decay(value: Any, prompt: Prompt, tokens: Tokens) -> dict[str, Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(
            f"exponential_decay_length_penalty: {value!r}; expected a number of tokens and a factor"
        )
    if not tokens.eos:
        raise ValueError("exponential_decay_length_penalty: it favours eos_token_id, which is not set")
    start, factor = value
    length = int(_number(start, "exponential_decay_length_penalty")) + prompt.length
    return {
        "kind": "decay_length",
        "length": length,
        "factor": _number(factor, "exponential_decay_length_penalty"),
        "ids": tokens.eos,
    }


def _ids(value: Any, name: str) -> list[int]:
    ids = [value] if isinstance(value, int | np.integer) else list(value)
    if not all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in ids):
        raise ValueError(f"{name}: {value!r}; expected token ids")
    return [int(i) for i in ids]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or value != value:
        raise ValueError(f"{name}: {value!r}; expected a number")
    return float(value)


def _positive(value: Any, name: str) -> float:
    if not _number(value, name) > 0:
        raise ValueError(f"{name}: {value!r}; expected more than 0")
    return float(value)


def _share(value: Any, name: str, low: bool = True) -> float:
    share = _number(value, name)
    if not (0 <= share <= 1) or (share == 0 and not low):
        raise ValueError(f"{name}: {value!r}; expected a number from 0 to 1{'' if low else ', above 0'}")
    return share


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value <= 0:
        raise ValueError(f"{name}: {value!r}; expected a whole number above 0")
    return int(value)
