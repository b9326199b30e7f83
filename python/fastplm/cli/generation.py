"""What the commands that generate share: their options, the model, and one answer."""

import argparse
from pathlib import Path
from typing import Any

import fastplm
from fastplm.arrays import DTYPES
from fastplm.families import family_of
from fastplm.hub import resolve_model

_NEW = 256  # tokens of an answer, as in the pipelines

# Options of generate() by their names here: type and help.
_SETTINGS: dict[str, tuple[type, str]] = {
    "max_new_tokens": (int, "tokens at most (default 256, or what the model has room for)"),
    "temperature": (float, "sampling: below 1 keeps to the likely, above 1 wanders; 0 takes the likeliest"),
    "top_k": (int, "sampling: among so many of the likeliest tokens"),
    "top_p": (float, "sampling: among the likeliest tokens of that probability together"),
    "min_p": (float, "sampling: among tokens of at least that share of the likeliest one's probability"),
    "repetition_penalty": (float, "above 1: tokens that were there become less likely"),
    "num_beams": (int, "beam search of that width; nothing is streamed then"),
    "seed": (int, "the same seed gives the same text again"),
}


def add_generation_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `settings_of` and `load` read."""
    for name, (kind, text) in _SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)
    parser.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="ends the text; may be given again"
    )
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto",
        help="what the model computes in (default auto: as it was saved)",
    )  # fmt: skip
    add_cache_dtype(parser)


def add_cache_dtype(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache-dtype", choices=("auto", "int8"), default="auto",
        help="of the keys and values that a decoder keeps (default auto: as it computes)",
    )  # fmt: skip


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of generate(). A temperature, or any setting of sampling, asks for sampling."""
    settings = {name: getattr(options, name) for name in _SETTINGS if getattr(options, name) is not None}
    if settings.get("temperature") == 0:
        del settings["temperature"]
        settings["do_sample"] = False
    elif settings.keys() & {"temperature", "top_k", "top_p", "min_p", "seed"}:
        settings["do_sample"] = True
    if options.stop:
        settings["stop_strings"] = options.stop
    return settings


def load(name: str, options: argparse.Namespace) -> tuple[Any, Any]:
    """The tokenizer and the model of a folder or hub id, which must generate."""
    folder = resolve_model(Path(name) if Path(name).is_dir() else name)
    config = fastplm.PretrainedConfig.from_pretrained(folder)
    both = family_of(config.model_type).stacks == "both" and config.is_encoder_decoder
    auto = fastplm.AutoModelForSeq2SeqLM if both else fastplm.AutoModelForCausalLM
    model = auto.from_pretrained(name, dtype=options.dtype, cache_dtype=options.cache_dtype)
    return fastplm.AutoTokenizer.from_pretrained(name), model


def answer(tokenizer: Any, model: Any, inputs: Any, settings: dict[str, Any], show: bool) -> dict[str, Any]:
    """What the model makes of `inputs`, token ids and their mask: {"text", "tokens"}, how many are new.

    show: print the text as it comes.
    """
    streams = show and settings.get("num_beams", 1) == 1
    streamer = fastplm.TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    given = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
    prompt = given["input_ids"].shape[1]
    settings = {"max_new_tokens": _room(model, prompt), **settings}
    if not prompt:  # bos_token_id begins
        given = {}
    ids = model.generate(
        **given, **settings, tokenizer=tokenizer, streamer=streamer if streams else None
    )[0].tolist()  # fmt: skip
    new = ids[1 if model.stacks == "both" or not prompt else prompt :]
    text = tokenizer.decode(new, skip_special_tokens=True)
    if show and not streams:
        print(text, flush=True)
    return {"text": text, "tokens": len(new)}


def _room(model: Any, prompt: int) -> int:
    """Tokens of an answer whose length nobody has named."""
    limit = model.engine.max_length
    taken = 1 if model.stacks == "both" else prompt
    return _NEW if limit is None else max(1, min(_NEW, limit - taken))
