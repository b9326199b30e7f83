"""What fastplm check says about a tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastplm.checkpoint import INDEX, SINGLE
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.safetensors import read_header, read_index
from fastplm.tokenizer import AutoTokenizer, Tokenizer
from fastplm.tokenizers.base.components import byte_alphabet
from fastplm.tokenizers.files.tokenizer_json import read_tokenizer_json

if TYPE_CHECKING:
    from fastplm.tokenizers.base.source import Source

# White space, cases, marks, scripts, emoji of several characters, edges of Unicode, code, one endless word.
TEXTS = [
    "", " ", "a", "  two  spaces ", "tab\tand\nlines\r\n\n", "How many rivers cross the old town?",
    "don't can't I'LL we've", "naïve café résumé", "nai\u0308ve cafe\u0301 re\u0301sume\u0301",
    "ÀÉÎÕÜ ß ŒŸ İı", "3.14 1,000,000 2024-02-29 0x1F ½ ² Ⅷ ①", "¿Dónde está la biblioteca?",
    "Где мой зонтик?", "図書館はどこですか。", "我喜欢喝茶", "도서관이 어디에 있습니까?",
    "\u1103\u1169\u1109\u1165", "أين المكتبة؟", "איפה הספרייה?", "पुस्तकालय कहाँ है?", "ห้องสมุดอยู่ที่ไหน",
    "👩\u200d👩\u200d👧 👍🏽 🏳️\u200d🌈 ☺", "\ufb01 \ufb00 \uff21\uff22 \uff41\uff42 \u3314",
    "zero\u200bwidth\u00a0no\u00adbreak\ufeff", "\u0000\u0001\u007f", "\ufffd \U0010ffff \ue000",
    "if (a[i] != b) { return x->y; }  // ok", "__init__ camelCase HTTPServer",
    "https://example.org/a?b=c&d=%20#e", "``quotes'' “and” \u2018dashes\u2019 \u2013 — …",
    "a" * 300, "!" * 40, "\u0301\u0301\u0301",
]  # fmt: skip

_EMBEDDINGS = tuple(
    f"{name}.weight" for name in ("word_embeddings", "embed_tokens", "wte", "word_embedding", "shared")
)


@dataclass(frozen=True)
class TokenizerReport:
    """What was found. `problems` make the check fail, `notes` do not."""

    path: str
    components: dict[str, list[str]]  # of each stage, in their order
    vocab_size: int  # without added tokens
    added_tokens: int
    special_tokens: dict[str, dict[str, Any]]  # by name: token and id
    embedding_rows: int | None  # of the model beside it; None: there is none
    texts: int
    round_trips: int  # texts that decoding their ids gives back as they were
    against: str | None  # the library that the texts were compared with
    differences: list[dict[str, Any]] = field(
        default_factory=list
    )  # of each text that differs, the first one
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems and not self.differences


def inspect(path: Path, texts: list[str], transformers: Any | None) -> TokenizerReport:
    """Of a folder or file, which exists. transformers: the module to compare with, or None."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (CheckpointError, UnsupportedError) as error:
        problems = list(dict.fromkeys([*_broken_components(path), str(error)]))
        return TokenizerReport(str(path), {}, 0, 0, {}, None, 0, 0, None, problems=problems)
    source = tokenizer._source
    rows = _embedding_rows(path)
    special = {
        name: {"token": token, "id": tokenizer._engine.id_of(token)}
        for name, token in tokenizer.special_tokens_map.items()
    }
    problems = [
        *(f"{name} {entry['token']!r} has no id" for name, entry in special.items() if entry["id"] is None),
        *_template_problems(tokenizer, source.sections["post_processor"]),
    ]
    notes: list[str] = []
    _check_unknown(source, problems, notes)
    _check_ids(tokenizer, rows, problems, notes)
    round_trips = 0
    for text in texts:
        try:
            ids = tokenizer(text, add_special_tokens=False, truncation=False, padding=False)["input_ids"]
            round_trips += tokenizer.decode(ids) == text
        except ValueError as error:
            problems.append(f"{_short(text)}: {error}")
    return TokenizerReport(
        path=str(path),
        components={
            stage: list(_types(settings))
            for stage, settings in {**source.sections, "model": source.model}.items()
        },
        vocab_size=tokenizer.vocab_size,
        added_tokens=len(tokenizer.added_tokens_decoder),
        special_tokens=special,
        embedding_rows=rows,
        texts=len(texts),
        round_trips=round_trips,
        against=None if transformers is None else f"transformers {transformers.__version__}",
        differences=[] if transformers is None else list(_differences(tokenizer, path, texts, transformers)),
        problems=problems,
        notes=notes,
    )


def _broken_components(path: Path) -> Iterator[str]:
    """What the engine says of each stage of tokenizer.json alone: all that is unsupported, not the first."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.suffix != ".json":
        return
    try:
        source = read_tokenizer_json(file)
    except (CheckpointError, UnsupportedError) as error:
        yield str(error)
        return
    none: dict[str, Any] = dict.fromkeys(source.sections)
    plain = {"type": "WordLevel", "unk_token": ""}
    alone = [
        replace(source, sections={**none, k: v}, model=plain, written_scores=None)
        for k, v in source.sections.items()
    ]
    for part in [*alone, replace(source, sections=none)]:
        try:
            part.build()
        except (CheckpointError, UnsupportedError) as error:
            yield str(error)


def _types(settings: Any) -> Iterator[str]:
    """The types of a component and, for a sequence, of its parts."""
    if not isinstance(settings, dict):
        return
    parts = [value for value in settings.values() if isinstance(value, list)]
    if settings.get("type") == "Sequence" and parts:
        for part in parts[0]:
            yield from _types(part)
    else:
        yield str(settings.get("type"))


def _check_unknown(source: Source, problems: list[str], notes: list[str]) -> None:
    """Whether a character that the vocabulary lacks has something to become."""
    model, vocabulary = source.model, source.vocabulary
    kinds = {kind for settings in source.sections.values() for kind in _types(settings)}
    if model["type"] == "BPE" and "ByteLevel" in kinds and all(c in vocabulary for c in byte_alphabet()):
        return
    if model.get("byte_fallback") and all(f"<0x{byte:02X}>" in vocabulary for byte in range(256)):
        return
    if model["type"] == "Unigram":
        if model.get("unk_id") is None:
            problems.append("model.unk_id is null: a text with an unknown character is an error")
        return
    unknown = model.get("unk_token")
    if unknown is None:
        notes.append("model.unk_token is null: unknown characters vanish")
    elif unknown not in vocabulary:
        problems.append(f"model.unk_token {unknown!r} is not in the vocabulary: unknown text is an error")


def _check_ids(tokenizer: Tokenizer, rows: int | None, problems: list[str], notes: list[str]) -> None:
    tokens = tokenizer.get_vocab()
    ids = set(tokens.values())
    if not ids:
        problems.append("the vocabulary is empty")
        return
    if len(ids) < len(tokens):
        notes.append(f"{len(tokens) - len(ids)} tokens share their id with another")
    largest = max(ids)
    if len(ids) <= largest:
        notes.append(f"{largest + 1 - len(ids)} of the ids up to {largest} have no token")
    if rows is None:
        return
    beyond = sorted((token_id, token) for token, token_id in tokens.items() if token_id >= rows)
    if beyond:
        problems.append(
            f"{len(beyond)} tokens have ids beyond the model's {rows} embedding rows, the first is "
            f"{beyond[0][1]!r}, {beyond[0][0]}"
        )
    elif rows > largest + 1:
        notes.append(f"the model has {rows - largest - 1} embedding rows that no token uses")


def _template_problems(tokenizer: Tokenizer, settings: Any) -> Iterator[str]:
    """Tokens that a post-processor adds and that are not what it calls them."""
    if not isinstance(settings, dict):
        return
    for part in settings.get("processors") or []:
        yield from _template_problems(tokenizer, part)
    added = [settings[name] for name in ("cls", "sep") if isinstance(settings.get(name), list)]
    for entry in (settings.get("special_tokens") or {}).values():
        added += zip(entry["tokens"], entry["ids"], strict=False)
    for token, token_id in added:
        found = tokenizer.convert_ids_to_tokens(token_id)
        if found is None:
            yield f"post_processor: {token!r} has the id {token_id}, which no token has"
        elif found != token and tokenizer._engine.id_of(token) is not None:
            yield (
                f"post_processor: {token!r} has the id {token_id}, which is that of {found!r}; "
                f"expected {tokenizer._engine.id_of(token)}"
            )


def _embedding_rows(path: Path) -> int | None:
    """Of the model in the folder: its weights say, or config.json."""
    if not path.is_dir():
        return None
    tensors = []
    if (path / SINGLE).is_file():
        tensors = read_header(path / SINGLE)
    elif (path / INDEX).is_file():
        tensors = read_index(path / INDEX)
    rows = [
        tensor.shape[0] for tensor in tensors if tensor.name.endswith(_EMBEDDINGS) and len(tensor.shape) == 2
    ]
    if rows:
        return min(rows)
    config = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    size = config.get("vocab_size") if isinstance(config, dict) else None
    return size if type(size) is int else None


def _differences(
    tokenizer: Tokenizer, path: Path, texts: list[str], transformers: Any
) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        reference = transformers.AutoTokenizer.from_pretrained(path)
    elif path.suffix == ".json":
        reference = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))
    else:
        raise ValueError(f"--against: {path} is no tokenizer.json; expected one, or a folder")
    for text in texts:
        ours, theirs = (_answers(one, text, reference.is_fast) for one in (tokenizer, reference))
        for name, mine in ours.items():
            if mine != theirs[name]:
                yield {"text": text, "field": name, "fastplm": mine, "transformers": theirs[name]}
                break


def _answers(tokenizer: Any, text: str, offsets: bool) -> dict[str, Any]:
    encoded = tokenizer(
        text, padding=False, truncation=False, return_special_tokens_mask=True, return_offsets_mapping=offsets
    )
    answers = {name: list(encoded[name]) for name in ("input_ids", "special_tokens_mask")}
    if offsets:
        answers["offset_mapping"] = [tuple(span) for span in encoded["offset_mapping"]]
    ids = answers["input_ids"]
    return {
        **answers,
        "tokens": tokenizer.convert_ids_to_tokens(ids),
        "text": tokenizer.decode(ids),
        "text without special tokens": tokenizer.decode(ids, skip_special_tokens=True),
    }


def describe(report: TokenizerReport) -> list[str]:
    """The report for reading, a line each."""
    lines = [f"tokenizer {report.path}"]
    if report.components:
        lines += [f"  {stage:15} {', '.join(kinds) or '-'}" for stage, kinds in report.components.items()]
        special = (
            f"{name} {entry['token']!r} {entry['id']}" for name, entry in report.special_tokens.items()
        )
        rows = "no model beside it" if report.embedding_rows is None else str(report.embedding_rows)
        lines += [
            f"  {'vocabulary':15} {report.vocab_size} tokens, {report.added_tokens} added ones",
            f"  {'special tokens':15} {', '.join(special) or '-'}",
            f"  {'embedding rows':15} {rows}",
            f"  {'round trips':15} {report.round_trips} of {report.texts} texts come back as they were",
        ]
        if report.against:
            equal = report.texts - len(report.differences)
            lines.append(f"  {'comparison':15} {equal} of {report.texts} texts are as in {report.against}")
    for difference in report.differences[:5]:
        lines += [
            f"  {difference['field']} of {_short(difference['text'])}",
            f"    here             {_short(difference['fastplm'])}",
            f"    in transformers  {_short(difference['transformers'])}",
        ]
    lines += [f"  problem: {problem}" for problem in report.problems]
    lines += [f"  note: {note}" for note in report.notes]
    return lines


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 90 else shown[:87] + "..."
