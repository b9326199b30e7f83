"""fix_mistral_regex: early conversions of Mistral's tokenizers cut words by another regular expression."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastplm.tokenizers.base.components import byte_level, byte_level_split, sequence
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.files.tokens import read_object

# The pattern in Mistral's own tekken.json.
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_WORDS = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_MODEL_TYPES = (None, "mistral", "mistral3", "voxtral", "ministral", "pixtral")
_MIN_TOKENS = 100_000


def fixed_of_mistral(folder: Path, config: Mapping[str, Any], source: Source) -> Source:
    """The source with Mistral's own regular expression if fix_mistral_regex asks for it.

    As in transformers, only where config.json is of one of Mistral's models and was written before
    transformers 5; there, a warning says so if nothing is asked for.
    """
    pre_tokenizer = source.sections["pre_tokenizer"]
    if pre_tokenizer is None or len(source.vocabulary) + len(source.added_tokens) <= _MIN_TOKENS:
        return source
    path = folder / "config.json"
    settings = read_object(path)
    if not path.is_file() or settings.get("model_type") not in _MODEL_TYPES or not _before_5(settings):
        return source
    fix = config.get("fix_mistral_regex")
    if fix is None:
        warnings.warn(
            f"{folder}: the tokenizer may cut words by a wrong regular expression, as early conversions of "
            "Mistral's do; fix_mistral_regex=True puts it right, False leaves it without this warning",
            stacklevel=2,
        )
    if fix is not True:
        return source
    split = byte_level_split(_WORDS)["pretokenizers"][0]
    if pre_tokenizer["type"] == "Sequence":
        steps = [split, *pre_tokenizer["pretokenizers"][1:]]
    elif pre_tokenizer["type"] == "Metaspace":
        steps = [split, byte_level(prefix_space=False, use_regex=False)]
    else:
        steps = [split, pre_tokenizer]
    return replace(source, sections={**source.sections, "pre_tokenizer": sequence("pretokenizers", steps)})


def _before_5(settings: Mapping[str, Any]) -> bool:
    version = str(settings.get("transformers_version") or "")
    found = re.match(r"(\d+)\.(\d+)\.(\d+)\.?(dev|rc|a|b)?", version)
    if found is None:
        return True
    numbers = tuple(map(int, found.group(1, 2, 3)))
    return numbers < (5, 0, 0) or (numbers == (5, 0, 0) and found[4] is not None)
