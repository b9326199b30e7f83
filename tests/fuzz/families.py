"""The tokenizers of each family: real files where there are some, and pipelines with another vocabulary.

A pipeline is what a family's tokenizer.json holds besides the vocabulary. With the shared data it borrows a
real vocabulary, so that patterns without a file there (o200k, DeepSeek, Gemma) run on one of the right kind
and size; without, it gets a small one that `tokenizers` trains on the spot.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import trainers

from fastplm.tokenizers.base import components as made
from tests.fuzz.texts import LINES
from tests.tokenizers.charsmap import precompiled

Settings = dict[str, Any]  # of a tokenizer.json

_CASED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_CASELESS = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BREAKS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
PATTERNS = {
    "cl100k": _ENDS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _SIGNS + _BREAKS,
    "qwen2": _ENDS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _SIGNS + _BREAKS,
    "qwen3.5": _ENDS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + _BREAKS,
    "o200k": rf"{_CASED}*{_CASELESS}+{_ENDS}?|{_CASED}+{_CASELESS}*{_ENDS}?|\p{{N}}{{1,3}}"
    + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    + _BREAKS,
    "tekken": rf"{_CASED}*{_CASELESS}+|{_CASED}+{_CASELESS}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*"
    + _BREAKS,
    "clip": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
}
_DEEP_SEEK = [
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*" + _BREAKS,
]
_UNK = "<unk>"
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass(frozen=True)
class Pipeline:
    """A tokenizer.json without its vocabulary."""

    model: Settings
    normalizer: Settings | None = None
    pre_tokenizer: Settings | None = None
    decoder: Settings | None = None
    template: tuple[str, str] | None = None  # single and pair
    post_processor: Settings | None = None  # unless there is a template
    borrows: str = ""  # the real file, below tokenizers/, whose vocabulary it can have
    byte_alphabet: bool = False
    added: tuple[dict[str, Any], ...] = field(default=())


@dataclass(frozen=True)
class Family:
    real: tuple[str, ...] = ()  # files below tokenizers/
    pipelines: tuple[Pipeline, ...] = ()


def added(content: str, **flags: bool) -> dict[str, Any]:
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"content": content, **{name: flags.get(name, False) for name in names}}


_ADDED = (
    added("<s>", special=True), added("</s>", special=True), added("<mask>", special=True, lstrip=True),
    added("<|end|>", special=True), added("<|end|>x"), added("<r>", rstrip=True),
    added("boat", single_word=True, normalized=True), added("New Word", normalized=True),
    added("\u00e9t\u00e9"),
)  # fmt: skip
_TEMPLATE = ("<s>:0 $A:0 </s>:0", "<s>:0 $A:0 </s>:0 $B:1 </s>:1")


def _split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> Settings:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def _byte_level(*patterns: str, **changes: Any) -> Pipeline:
    """A byte-level BPE that is cut by `patterns` in turn; by GPT-2's if there are none."""
    parts = [_split(pattern) for pattern in patterns]
    last = made.byte_level(prefix_space=False, use_regex=not patterns)
    values: dict[str, Any] = {
        "model": made.bpe(prefix=None, suffix=None),
        "pre_tokenizer": made.sequence("pretokenizers", [*parts, last]) if parts else last,
        "decoder": made.byte_level(prefix_space=True),
        "post_processor": made.byte_level(prefix_space=True, trim_offsets=False),
        "borrows": "derived/cl100k_base/tokenizer.json",
        "byte_alphabet": True,
        "added": _ADDED,
    }
    return Pipeline(**(values | changes))


_FALLBACK = made.bpe(unk_token=_UNK, prefix=None, suffix=None, fuse_unk=True, byte_fallback=True)
_LLAMA_SPACES = made.sequence(
    "normalizers", [{"type": "Prepend", "prepend": made.SPACE}, made.replace(" ", made.SPACE)]
)
_CHARSMAP = precompiled(
    {
        key.encode(): text
        for key, text in {
            "\t": " ", "\n": " ", "\x7f": "", "\u3000": " ", "\u200b": "", "\uff21": "A", "\ufb01": "fi",
            "e\u0301": "\u00e9", "\u304b\u3099": "\u304c", "\u2460": "1",
            "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647",
        }.items()
    }
)  # fmt: skip


def _spm(**changes: Any) -> Pipeline:
    values: dict[str, Any] = {
        "model": _FALLBACK,
        "decoder": made.fallback_decoder(strip_first=True),
        "template": _TEMPLATE,
        "borrows": "spm_bpe/mistral01/tokenizer.json",
        "added": _ADDED,
    }
    return Pipeline(**(values | changes))


def _unigram(borrows: str, **changes: Any) -> Pipeline:
    values: dict[str, Any] = {
        "model": made.unigram(0),
        "pre_tokenizer": made.metaspace("always"),
        "decoder": made.metaspace("always"),
        "template": _TEMPLATE,
        "borrows": borrows,
        "added": _ADDED,
    }
    return Pipeline(**(values | changes))


def _bert(**changes: Any) -> Pipeline:
    values: dict[str, Any] = {
        "model": made.wordpiece("[UNK]"),
        "normalizer": made.bert_normalizer(lowercase=True),
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "template": _TEMPLATE,
        "borrows": "wordpiece/bert-base-uncased/tokenizer.json",
        "added": _ADDED,
    }
    return Pipeline(**(values | changes))


_WORD_LEVEL = {"type": "WordLevel", "unk_token": _UNK}
_NFKC_LOWER = made.sequence("normalizers", [{"type": "NFKC"}, {"type": "Lowercase"}])
_BYTE_FALLBACK_UNIGRAM = {**made.unigram(0), "byte_fallback": True}

FAMILIES = {
    "wordpiece": Family(
        (
            "wordpiece/bert-base-uncased/tokenizer.json", "wordpiece/bert-base-cased/tokenizer.json",
            "wordpiece/bert-base-chinese/tokenizer.json", "wordpiece/splade/tokenizer.json",
        ),
        (
            _bert(),
            _bert(normalizer=made.bert_normalizer(lowercase=False, strip_accents=True, clean=False),
                  added=_ADDED[:4]),
            _bert(normalizer=made.bert_normalizer(lowercase=True, strip_accents=False, chinese=False),
                  pre_tokenizer={"type": "Whitespace"}),
        ),
    ),
    "gpt2": Family(
        (
            "bpe_bytelevel/gpt2/tokenizer.json", "bpe_bytelevel/roberta-base/tokenizer.json",
            "bpe_bytelevel/modernbert-base/tokenizer.json",
        ),
        (
            _byte_level(borrows="bpe_bytelevel/gpt2/tokenizer.json"),
            _byte_level(borrows="bpe_bytelevel/gpt2/tokenizer.json",
                        pre_tokenizer=made.byte_level(prefix_space=True),
                        post_processor=made.byte_level(prefix_space=True, trim_offsets=True)),
            _byte_level(borrows="bpe_bytelevel/gpt2/tokenizer.json",
                        pre_tokenizer=made.byte_level(prefix_space=False, use_regex=False)),
        ),
    ),
    "llama3": Family(
        ("derived/cl100k_base/tokenizer.json",),
        (
            _byte_level(PATTERNS["cl100k"],
                        model=made.bpe(prefix=None, suffix=None, ignore_merges=True), template=_TEMPLATE),
        ),
    ),
    "qwen": Family(
        ("derived/qwen2.5/tokenizer.json",),
        (
            _byte_level(PATTERNS["qwen2"], normalizer={"type": "NFC"},
                        borrows="derived/qwen2.5/tokenizer.json"),
            _byte_level(PATTERNS["qwen3.5"], normalizer={"type": "NFC"},
                        borrows="derived/qwen2.5/tokenizer.json"),
        ),
    ),
    "o200k": Family((), (_byte_level(PATTERNS["o200k"]), _byte_level(PATTERNS["tekken"]))),
    "deepseek": Family((), (_byte_level(*_DEEP_SEEK),)),
    "spm_bpe": Family(
        ("spm_bpe/mistral01/tokenizer.json", "spm_bpe/phi-3-mini/tokenizer.json"),
        (
            _spm(pre_tokenizer=made.metaspace("first", split=False)),  # Mistral
            _spm(normalizer=_LLAMA_SPACES),  # Llama 2
            _spm(normalizer=made.replace(" ", made.SPACE), decoder=made.fallback_decoder(strip_first=False),
                 pre_tokenizer={"type": "Split", "pattern": {"String": " "},
                                "behavior": "MergedWithPrevious", "invert": False}),  # Gemma
            _spm(pre_tokenizer=made.metaspace("always")),
        ),
    ),
    "unigram": Family(
        (
            "unigram/t5-small/tokenizer.json", "unigram/xlnet-base-cased/tokenizer.json",
            "derived/xlm-roberta-base/tokenizer.json",
        ),
        (
            _unigram("unigram/t5-small/tokenizer.json", pre_tokenizer=made.words_and_metaspace("always")),
            _unigram("unigram/xlnet-base-cased/tokenizer.json",
                     normalizer=made.sequence("normalizers", [
                         made.replace("``", '"'), made.replace("''", '"'), {"type": "NFKD"},
                         {"type": "StripAccents"}, {"type": "Lowercase"}, _CHARSMAP,
                         made.replace_regex(" {2,}", " ")])),
            _unigram("", model=_BYTE_FALLBACK_UNIGRAM, normalizer=_CHARSMAP),
            _unigram("unigram/t5-small/tokenizer.json", pre_tokenizer=made.metaspace("first", split=False)),
        ),
    ),
    "wordlevel": Family(
        (),
        (
            Pipeline(_WORD_LEVEL, normalizer=_NFKC_LOWER, pre_tokenizer={"type": "Whitespace"}, added=_ADDED),
            Pipeline(_WORD_LEVEL, pre_tokenizer=made.sequence("pretokenizers", [
                {"type": "UnicodeScripts"}, {"type": "Digits", "individual_digits": True}])),
            Pipeline(_WORD_LEVEL, pre_tokenizer=_split("(?m:.)"), decoder={"type": "Fuse"}, added=_ADDED),
            Pipeline(made.bpe(unk_token=_UNK, suffix="</w>"), normalizer=_NFKC_LOWER,
                     pre_tokenizer=_split(PATTERNS["clip"], "Removed", True),
                     decoder={"type": "BPEDecoder", "suffix": "</w>"}, template=_TEMPLATE, added=_ADDED),
            Pipeline(made.bpe(unk_token=_UNK, prefix="##"), normalizer={"type": "NFD"},
                     pre_tokenizer={"type": "Punctuation", "behavior": "MergedWithPrevious"}),
        ),
    ),
    "mixed": Family(),
}  # fmt: skip


def _random_pipelines(seed: object) -> Iterator[Pipeline]:
    """Stages put together at random."""
    chance = random.Random(f"{seed}/pipelines")
    behaviors = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    patterns = [
        *PATTERNS.values(), r"\s+", r"\w+|[^\w\s]+", r"\d", "[aeiou]+", r"(?<=[a-z])(?=[A-Z])",
        r"\p{Han}|\p{P}", r"[0-9]{3}", r"(?i)the|AND", r"[\s\S]", r" ?\w+", r"\b",
        r"[^\x00-\x7f]+", r"\r?\n", r"(\w)\w*",
        "[\\p{P}\\p{S}&&[^\\$<>\\^`~\\|]]+", r"\X", r"a*?b|a+", r"(?=\d{2})\d",
    ]  # fmt: skip
    normalizers: list[Settings] = [
        *({"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")),
        made.strip(left=True, right=False), made.strip(left=True, right=True),
        made.replace("e", "\u00e9\u0301"), made.replace(" ", made.SPACE), made.replace_regex(r"\s+", " "),
        made.replace_regex("[0-9]", "0"),
        {"type": "Prepend", "prepend": "\u2581"}, made.bert_normalizer(lowercase=True),
        made.bert_normalizer(lowercase=False, strip_accents=True), _CHARSMAP,
    ]  # fmt: skip
    while True:
        cutters: list[Callable[[], Settings]] = [
            lambda: _split(chance.choice(patterns), chance.choice(behaviors), chance.random() < 0.3),
            lambda: {
                **_split("", chance.choice(behaviors)),
                "pattern": {"String": chance.choice("e -\u2581")},
            },
            lambda: {
                "type": chance.choice(("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"))
            },
            lambda: {"type": "Digits", "individual_digits": chance.random() < 0.5},
            lambda: {"type": "Punctuation", "behavior": chance.choice(behaviors)},
            lambda: {"type": "CharDelimiterSplit", "delimiter": chance.choice("e-\u0301")},
            lambda: made.metaspace(chance.choice(("always", "first", "never")), split=chance.random() < 0.5),
            lambda: made.byte_level(prefix_space=chance.random() < 0.5, use_regex=chance.random() < 0.5),
        ]
        cutter = [chance.choice(cutters)() for _ in range(chance.randrange(3))]
        steps = chance.sample(normalizers, chance.randrange(4))
        yield Pipeline(
            chance.choice(
                (
                    _WORD_LEVEL, _FALLBACK, made.bpe(unk_token=_UNK), made.bpe(unk_token=_UNK, fuse_unk=True),
                    made.bpe(), made.wordpiece(_UNK), made.unigram(0), _BYTE_FALLBACK_UNIGRAM,
                )
            ),
            normalizer=made.sequence("normalizers", steps) if steps else None,
            pre_tokenizer=made.sequence("pretokenizers", cutter) if cutter else None,
            template=_TEMPLATE,
            added=tuple(chance.sample(_ADDED, 6)) + _ADDED[:2],
        )  # fmt: skip


def _train(pipeline: Pipeline, size: int) -> Settings:
    """The pipeline with a vocabulary trained on the spot."""
    kind = pipeline.model["type"]
    specials = ["[UNK]" if kind == "WordPiece" and pipeline.model["unk_token"] == "[UNK]" else _UNK]
    empty: Settings = {**pipeline.model, "vocab": {}}
    if kind == "BPE":
        empty["merges"] = []
    elif kind == "Unigram":
        empty |= {"vocab": [[_UNK, 0.0]], "byte_fallback": False}
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(_file(pipeline, empty)))
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet() if pipeline.byte_alphabet else []
    common = {"vocab_size": size, "special_tokens": specials, "show_progress": False}
    affixes = {
        name: pipeline.model[name]
        for name in ("continuing_subword_prefix", "end_of_word_suffix")
        if pipeline.model.get(name)
    }
    if kind == "BPE":
        trainer: Any = trainers.BpeTrainer(**common, initial_alphabet=alphabet, limit_alphabet=400, **affixes)
    elif kind == "WordPiece":
        trainer = trainers.WordPieceTrainer(**common, limit_alphabet=400, **affixes)
    elif kind == "WordLevel":
        trainer = trainers.WordLevelTrainer(**common)
    else:
        trainer = trainers.UnigramTrainer(**common, unk_token=_UNK)
    tokenizer.train_from_iterator(LINES * 2, trainer)
    model: Settings = json.loads(tokenizer.to_str())["model"]
    model |= pipeline.model
    if pipeline.model.get("byte_fallback"):
        if kind == "Unigram":
            worst = min(score for _, score in model["vocab"])
            model["vocab"] += [[byte, worst - 5] for byte in _BYTES]
        else:
            model["vocab"] |= {byte: len(model["vocab"]) + i for i, byte in enumerate(_BYTES)}
    return model


def _file(pipeline: Pipeline, model: Settings) -> Settings:
    """tokenizer.json of a pipeline with a model that has its vocabulary."""
    vocabulary = model["vocab"]
    known = (
        vocabulary if isinstance(vocabulary, dict) else {piece: i for i, (piece, _) in enumerate(vocabulary)}
    )
    free = max(known.values(), default=-1) + 1
    tokens, ids = [], dict(known)
    for token in pipeline.added:
        if token["content"] not in ids:
            ids[token["content"]] = free
            free += 1
        tokens.append({"id": ids[token["content"]], **token})
    post_processor = pipeline.post_processor
    if pipeline.template:
        post_processor = made.template(*pipeline.template, lambda name: ids[name])
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens,
        "normalizer": pipeline.normalizer, "pre_tokenizer": pipeline.pre_tokenizer,
        "post_processor": post_processor, "decoder": pipeline.decoder, "model": model,
    }  # fmt: skip


def _with_vocabulary(pipeline: Pipeline, data: Path | None) -> Settings:
    if not pipeline.borrows or data is None:
        return _file(pipeline, _train(pipeline, 1200))
    lender = json.loads((data / "tokenizers" / pipeline.borrows).read_text(encoding="utf-8"))["model"]
    kept = {name: lender[name] for name in ("vocab", "merges", "unk_id") if name in lender}
    return _file(pipeline, {**pipeline.model, **kept})


def tokenizer_files(
    name: str, folder: Path, data: Path | None, seed: object = 0, pipelines: int | None = None
) -> Iterator[Path]:
    """Paths of the family's tokenizer.json files, one at a time; those that are made lie in `folder`.

    pipelines: at most so many that are not real files; of "mixed", whose supply has no end, 40 if it is None.
    """
    family = FAMILIES[name]
    if data is not None:
        yield from (data / "tokenizers" / path for path in family.real)
    made_here: Iterator[Pipeline] = _random_pipelines(seed) if name == "mixed" else iter(family.pipelines)
    limit = pipelines if pipelines is not None else 40 if name == "mixed" else len(family.pipelines)
    for i, pipeline in zip(range(limit), made_here, strict=False):
        path = folder / f"{name}-{i}.json"
        path.write_text(json.dumps(_with_vocabulary(pipeline, data)), encoding="utf-8")
        yield path
