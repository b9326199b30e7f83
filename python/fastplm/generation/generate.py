"""generate(): from arguments to token ids."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm import _engine, arrays
from fastplm.errors import UnsupportedError
from fastplm.families import family_of
from fastplm.generation import given as own_functions
from fastplm.generation import inputs as prompts
from fastplm.generation import processors, stopping
from fastplm.generation.config import DEFAULTS, GenerationConfig
from fastplm.generation.inputs import Prompt, Tokens
from fastplm.generation.outputs import output_class
from fastplm.generation.recorded import Recorder
from fastplm.generation.warn import warn

# Arguments of transformers that must ask for nothing, and why.
_REFUSED = {
    "synced_gpus": "fastplm runs in one process",
    "assistant_tokenizer": "a model that drafts has the vocabulary of the one that it drafts for",
    "negative_prompt_ids": "this version runs no second prompt for guidance",
    "negative_prompt_attention_mask": "this version runs no second prompt for guidance",
    "custom_generate": "fastplm runs no code from the hub; loop over model calls instead",
}
_NUMBERS = ("max_length", "num_beams", "num_return_sequences", "do_sample", "length_penalty",
            "early_stopping", "use_cache")  # fmt: skip


class Call(NamedTuple):
    """The settings of one call, and whether the caller set lengths."""

    config: GenerationConfig
    max_length_is_default: bool
    min_length_is_default: bool


def resolve(
    own: GenerationConfig, generation_config: Any, kwargs: dict[str, Any]
) -> tuple[Call, dict[str, Any]]:
    """The settings of a call, and the arguments that are for the model.

    kwargs count before generation_config, that before the model's `own`, and that before the defaults.
    """
    config = GenerationConfig() if generation_config is None else GenerationConfig.of(generation_config)
    named = {name for name, value in vars(config).items() if value is not None}
    fixed = {
        name: kwargs.get(name) is not None or name in named or getattr(own, name) is not None
        for name in ("max_length", "min_length")
    }
    values = config.__dict__
    rest = {}
    for name, value in vars(own).items():
        if values.get(name) is None:
            values[name] = value
    for name, value in kwargs.items():
        if name in values:
            values[name] = value
        else:
            rest[name] = value
    set_here = named | (kwargs.keys() - rest.keys())
    for name, value in DEFAULTS.items():
        if values[name] is None and (name in _NUMBERS or name not in kwargs):
            values[name] = value
    GenerationConfig.validate(config, user_set_attributes=set_here)
    return Call(config, not fixed["max_length"], not fixed["min_length"]), rest


def check_decodes(model: Any, where: str) -> None:
    """Raises UnsupportedError if the tokens of `model` see those that follow."""
    if model.stacks == "encoder":
        decodes = "is_decoder" in family_of(model.model_type).keys
        raise UnsupportedError(
            f"{where}: {type(model).__name__} runs as an encoder, whose tokens see those that follow; "
            f"expected a decoder{': is_decoder in config.json' if decodes else ''}"
        )


def generate(model: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """See `GenerationMixin.generate`."""
    check_decodes(model, "generate()")
    kwargs = dict(kwargs)
    streamer, tokenizer = kwargs.pop("streamer", None), kwargs.pop("tokenizer", None)
    custom = [*(kwargs.pop("logits_processor", None) or ())]
    criteria = [*(kwargs.pop("stopping_criteria", None) or ())]
    prefix = kwargs.pop("prefix_allowed_tokens_fn", None)
    constraint, assistant = kwargs.pop("constraint", None), kwargs.pop("assistant_model", None)
    for name, reason in _REFUSED.items():
        value = kwargs.pop(name, None)
        if value is not None and value is not False:
            raise UnsupportedError(f"{name}: {type(value).__name__} given; {reason}")
    kwargs.pop("trust_remote_code", None)  # transformers asks it about custom_generate only
    if "past_key_values" in kwargs:
        older = kwargs.pop("past_key_values")
        if older is not None and kwargs.get("cache") is not None:
            raise TypeError("generate() got both cache and past_key_values, its older name")
        kwargs["cache"] = kwargs.get("cache") if older is None else older
    as_torch = any(map(own_functions.holds_torch, (inputs, *kwargs.values())))

    call, given = resolve(model.generation_config, kwargs.pop("generation_config", None), kwargs)
    config = call.config
    GenerationConfig.refuse(config)  # a setting may bear the name of a method
    config.num_beams = _count(config.num_beams, "num_beams")
    config.num_return_sequences = _count(config.num_return_sequences, "num_return_sequences")
    if config.num_beams > 1 and streamer is not None:
        raise ValueError("streamer: beams have no text before they end; expected num_beams=1")
    tokens = prompts.tokens_of(config)
    prompt = prompts.prepared(model, config, tokens, inputs, given)
    set_lengths(model, call, prompt)

    beams = config.num_beams > 1
    copies = max(config.num_beams, config.num_return_sequences)
    functions_in_torch = own_functions.uses_torch()
    prefix = own_functions.prefix_processor(prefix, copies, functions_in_torch)
    if constraint is not None and beams:
        raise UnsupportedError(f"constraint: given with num_beams={config.num_beams}; expected num_beams=1")
    masks = matchings(model, constraint, tokenizer, tokens)
    order, calls = processors.merged(config, prompt, tokens, custom, prefix, len(masks))
    keeps = config.return_dict_in_generate is True
    recorder = _recorder(model, config, prompt, copies) if keeps else None
    settings = _settings(config, prompt, tokens, criteria)
    scores: list[Any] | None = None
    if criteria and keeps and config.output_scores:  # criteria get those of all steps
        scores = []
        order.append({"kind": "call", "index": len(calls)})
        calls.append(_kept(scores))
    settings["processors"] = order
    settings["keep_rows"] = keeps or bool(calls or masks or criteria) or given.get("cache") is not None
    drafts = drafts_of(model, config, prompt, assistant)
    if drafts is not None:
        if recorder:
            raise UnsupportedError(
                "output_hidden_states, output_attentions: with drafts, which are checked several at once; "
                "expected no assistant_model and no prompt_lookup_num_tokens"
            )
        settings["drafts"] = drafts
    texts = None
    if config.stop_strings is not None and not _given(criteria, "StopStringCriteria"):
        settings["stop_strings"], texts = stopping.stop_strings(config.stop_strings, tokenizer)
    if streamer is not None:
        first = prompt.ids.repeat(copies, 0).astype(np.int64)
        streamer.put(own_functions.give(first, functions_in_torch))
    made = _engine.generate(
        model.engine,
        settings,
        prompt.ids,
        _sources(prompt, order),
        None if recorder else prompt.cache.engine_cache,
        prompt.new_ids,
        prompt.embeds,
        prompt.mask,
        prompt.positions,
        prompt.later_mask,
        prompt.states,
        prompt.encoder_mask,
        texts,
        own_functions.process(calls, masks, functions_in_torch),
        own_functions.stop(criteria, functions_in_torch, scores),
        None if streamer is None else lambda ids: streamer.put(own_functions.give(ids, functions_in_torch)),
        recorder,
        None if drafts is None or assistant is None else assistant.engine,
    )
    if streamer is not None:
        streamer.end()
    if given.get("cache") is not None:
        given["cache"].engine_cache = prompt.cache.engine_cache
    if not keeps:
        return own_functions.give(made["sequences"], as_torch)
    return _packaged(
        model, config, prompt, made, recorder, given.get("cache"), as_torch, beams, drafts is not None
    )


def drafts_of(model: Any, config: GenerationConfig, prompt: Prompt, assistant: Any) -> dict[str, Any] | None:
    """How tokens are guessed; None: not at all. Raises ValueError, TypeError, UnsupportedError."""
    lookup = config.prompt_lookup_num_tokens
    if assistant is None and lookup is None:
        return None
    name = "prompt_lookup_num_tokens" if assistant is None else "assistant_model"
    if len(prompt.ids) != 1:
        raise ValueError(f"{name}: {len(prompt.ids)} prompts; assisted generate takes one")
    if config.num_beams > 1 or config.num_return_sequences > 1 or config.do_sample:
        raise UnsupportedError(f"{name}: with beams or sampling; drafts are checked in greedy search")
    if assistant is not None:
        if not hasattr(assistant, "engine") or not assistant.can_generate():
            raise TypeError(f"assistant_model: a {type(assistant).__name__}; expected a model of fastplm")
        if assistant.stacks != "decoder":
            raise UnsupportedError(f"assistant_model: a {type(assistant).__name__}; expected a decoder")
        if assistant.engine.vocab_size != model.engine.vocab_size:
            raise ValueError(
                f"assistant_model: its vocabulary has {assistant.engine.vocab_size} tokens; expected "
                f"{model.engine.vocab_size}"
            )
    schedules = ("constant", "heuristic", "heuristic_transient")
    if config.num_assistant_tokens_schedule not in schedules:
        schedule = config.num_assistant_tokens_schedule
        raise ValueError(f"num_assistant_tokens_schedule: {schedule!r}; expected one of {schedules}")
    return {
        "tokens": _count(lookup, "prompt_lookup_num_tokens")
        if assistant is None
        else _count(config.num_assistant_tokens, "num_assistant_tokens"),
        "adapts": assistant is None or config.num_assistant_tokens_schedule != "constant",
        "ngram": _count(config.max_matching_ngram_size, "max_matching_ngram_size"),
    }


def matchings(model: Any, constraint: Any, tokenizer: Any, tokens: Tokens) -> list[Any]:
    """Where the rows of a call stand in its constraint; none without one. Raises TypeError, ValueError."""
    if constraint is None:
        return []
    if not hasattr(constraint, "start"):
        raise TypeError(f"constraint: a {type(constraint).__name__}; expected a fastplm.Constraint")
    return [constraint.start(tokenizer, model.engine.vocab_size, tokens.eos)]


def _kept(scores: list[Any]) -> Any:
    """A processor that changes nothing and keeps what it sees."""

    def keep(_: Any, step: Any) -> Any:
        scores.append(step)
        return step

    return keep


def set_lengths(model: Any, call: Call, prompt: Prompt) -> None:
    """max_length and min_length with the prompt, as transformers counts them. Warns of what cannot be."""
    config = call.config
    by_embeddings = prompt.embeds is not None and prompt.length == 0
    embedded = prompt.embeds.shape[1] + len(prompt.cache) if prompt.embeds is not None else 0
    config.max_length = _count(config.max_length, "max_length")
    if config.max_new_tokens is not None:
        if not call.max_length_is_default:
            warn("max_new_tokens and max_length are both set; max_new_tokens counts")
        config.max_length = _count(config.max_new_tokens, "max_new_tokens") + prompt.length
    elif by_embeddings and not call.max_length_is_default:
        config.max_length -= embedded
    elif call.max_length_is_default:
        config.max_length += prompt.length
        limit = model.config.get("max_position_embeddings")
        config.max_length = config.max_length if limit is None else min(config.max_length, limit)
        warn(
            f"generate(): neither max_new_tokens nor max_length is set; it ends at {config.max_length} tokens"
        )
    if config.min_new_tokens is not None:
        if not call.min_length_is_default:
            warn("min_new_tokens and min_length are both set; min_new_tokens counts")
        config.min_length = config.min_new_tokens + prompt.length
    elif by_embeddings and config.min_length:
        config.min_length = max(config.min_length - embedded, 0)
    if prompt.length >= config.max_length:
        raise ValueError(
            f"generate(): the prompt has {prompt.length} tokens, and max_length is {config.max_length}; "
            "expected a shorter prompt, or max_new_tokens"
        )
    if config.min_length is not None and config.min_length > config.max_length:
        warn(
            f"generate(): min_length is {config.min_length}, more than max_length, {config.max_length}, "
            "where it ends"
        )


def _settings(
    config: GenerationConfig, prompt: Prompt, tokens: Tokens, criteria: Sequence[Any]
) -> dict[str, Any]:
    """What the engine's generation is told, but for the processors."""
    # Rows that have ended are filled up where something looks for the end.
    ends = bool(tokens.eos) or any(hasattr(c, "eos_token_id") for c in criteria)
    if ends and tokens.pad is None:
        raise ValueError(
            "generate(): rows end at a criterion's eos_token_id, and pad_token_id, which follows, is not set"
        )
    early = {True: "full", False: "heuristic", "never": "never"}
    settings: dict[str, Any] = {
        "shown": prompt.shown,
        "random": seeds(config.seed, len(prompt.ids), bool(config.do_sample)),
        "sample": bool(config.do_sample),
        "beams": config.num_beams,
        "results": config.num_return_sequences,
        "length_penalty": _number(config.length_penalty, "length_penalty"),
        "early_stop": early[config.early_stopping],
        "max_length": None if _given(criteria, "MaxLengthCriteria") else config.max_length,
        "beam_length": config.max_length,
        "max_seconds": None,
        "eos": tokens.eos,
        "stops_at_eos": not _given(criteria, "EosTokenCriteria"),
        "pad": tokens.pad if ends else None,
        "fill": (tokens.pad or tokens.eos[0])
        if tokens.eos
        else -1,  # 0 is not taken for a token, as in transformers
        "keep_scores": bool(config.return_dict_in_generate and config.output_scores),
        "keep_logits": bool(config.return_dict_in_generate and config.output_logits),
    }
    if config.max_time is not None and not _given(criteria, "MaxTimeCriteria"):
        settings["max_seconds"] = _number(config.max_time, "max_time")
    return settings


def _given(criteria: Sequence[Any], name: str) -> bool:
    return any(processors.is_of_transformers(c, name) for c in criteria)


def seeds(seed: Any, rows: int, wanted: bool) -> list[tuple[int, int]]:
    """A seed and a number for each prompt: one seed counts the prompts, several stand for themselves."""
    if not wanted:
        return [(0, 0)] * rows
    if seed is None:
        seed = _drawn()
    if isinstance(seed, list | tuple | np.ndarray):
        if len(seed) != rows:
            raise ValueError(f"seed: {len(seed)} of them; expected one, or one for each of {rows} prompts")
        return [(_seed(s), 0) for s in seed]
    return [(_seed(seed), row) for row in range(rows)]


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 1 << 63:
        raise ValueError(f"seed: {value!r}; expected an integer from 0 to {(1 << 63) - 1}")
    return int(value)


def _drawn() -> int:
    """From the generator that the program seeds: torch's, or numpy's where torch is not in use."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.randint(1 << 62, ()))
    return int(np.random.randint(1 << 62, dtype=np.int64))


def _sources(prompt: Prompt, order: list[dict[str, Any]]) -> arrays.Array | None:
    wanted = any(step["kind"] in ("source_penalty", "no_repeat_of_source") for step in order)
    return prompt.source if wanted else None


def _recorder(model: Any, config: GenerationConfig, prompt: Prompt, copies: int) -> Recorder | None:
    states, attentions = bool(config.output_hidden_states), bool(config.output_attentions)
    if not states and not attentions:
        return None
    if config.use_cache is False:
        raise UnsupportedError(
            "use_cache: False with output_hidden_states or output_attentions, which are then of all tokens "
            "at each step; expected True"
        )
    return Recorder(model, prompt, copies, states, attentions)


def _packaged(
    model: Any,
    config: GenerationConfig,
    prompt: Prompt,
    made: dict[str, Any],
    recorder: Recorder | None,
    cache: Any,
    as_torch: bool,
    beams: bool,
    drafted: bool,
) -> Any:
    """The results by name."""

    def pack(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, list | tuple):
            return tuple(pack(item) for item in value)
        return own_functions.give(np.ascontiguousarray(value), as_torch)

    results: dict[str, Any] = {"sequences": pack(made["sequences"])}
    if config.output_scores:
        results["scores"] = pack(made["scores"])
    if config.output_logits:
        results["logits"] = pack(made["logits"])
    if beams:
        results["beam_indices"] = pack(made["beam_indices"])
        results["sequences_scores"] = pack(made["sequences_scores"]) if config.output_scores else None
    both = model.stacks == "both"
    if recorder is not None:
        own = "decoder_" if both else ""
        for kind, asked in (
            ("hidden_states", config.output_hidden_states),
            ("attentions", config.output_attentions),
        ):
            if asked:
                results[own + kind] = pack(recorder.steps[kind])
                results["encoder_" + kind] = pack(prompt.encoder.get("encoder_" + kind)) if both else None
        if both and config.output_attentions:
            results["cross_attentions"] = pack(recorder.steps["cross_attentions"])
    if drafted:
        results["drafted_tokens"], results["accepted_tokens"] = made["drafted"], made["accepted"]
    if config.use_cache:
        results["cache"] = prompt.cache if cache is None else cache
    return output_class(both, beams)(**results)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 < value < 1 << 31:
        raise ValueError(f"{name}: {value!r}; expected a whole number from 1 to {(1 << 31) - 1}")
    return int(value)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or value != value:
        raise ValueError(f"{name}: {value!r}; expected a number")
    return float(value)
