"""The components of tokenizer.json that the classes of transformers are put together from, as JSON."""

from collections.abc import Callable
from typing import Any

from fastplm.errors import CheckpointError

Component = dict[str, Any]
Ids = Callable[[str], int]  # the id of a token; raises CheckpointError if there is none

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # stands for a space in SentencePiece vocabularies


def sequence(kind: str, parts: list[Component]) -> Component:
    """kind: "normalizers", "pretokenizers", "decoders"."""
    return {"type": "Sequence", kind: parts}


def byte_alphabet() -> list[str]:
    """The character that stands for each byte: itself if it is printable, else one from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def byte_level(*, prefix_space: bool, trim_offsets: bool = True, use_regex: bool = True) -> Component:
    return {
        "type": "ByteLevel",
        "add_prefix_space": prefix_space,
        "trim_offsets": trim_offsets,
        "use_regex": use_regex,
    }


def byte_level_split(regex: str, *, prefix_space: bool = False, removed: bool = False) -> Component:
    """Pre-tokens are what matches `regex`; `removed` drops the rest."""
    behavior, invert = ("Removed", True) if removed else ("Isolated", False)
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}
    return sequence("pretokenizers", [split, byte_level(prefix_space=prefix_space, use_regex=removed)])


def metaspace(scheme: str, *, split: bool = True) -> Component:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def words_and_metaspace(scheme: str) -> Component:
    return sequence("pretokenizers", [{"type": "WhitespaceSplit"}, metaspace(scheme)])


def replace(text: str, content: str) -> Component:
    return {"type": "Replace", "pattern": {"String": text}, "content": content}


def replace_regex(regex: str, content: str) -> Component:
    return {"type": "Replace", "pattern": {"Regex": regex}, "content": content}


def strip(*, left: bool, right: bool) -> Component:
    return {"type": "Strip", "strip_left": left, "strip_right": right}


def precompiled(charsmap: str) -> Component:
    """charsmap: in base64."""
    return {"type": "Precompiled", "precompiled_charsmap": charsmap}


def one_space(charsmap: str | None) -> Component:
    """Each run of spaces is one, behind the charsmap if there is one."""
    steps = [] if charsmap is None else [precompiled(charsmap)]
    return sequence("normalizers", [*steps, replace_regex(" {2,}", " ")])


def bert_normalizer(
    *, lowercase: bool, strip_accents: bool | None = None, chinese: bool = True, clean: bool = True
) -> Component:
    return {
        "type": "BertNormalizer",
        "clean_text": clean,
        "handle_chinese_chars": chinese,
        "strip_accents": strip_accents,
        "lowercase": lowercase,
    }


def fallback_decoder(*, strip_first: bool) -> Component:
    """Spaces and bytes back from SentencePiece BPE; strip_first: one space at the beginning goes."""
    parts = [replace(SPACE, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if strip_first:
        parts.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return sequence("decoders", parts)


def bpe(
    *,
    unk_token: str | None = None,
    prefix: str | None = "",
    suffix: str | None = "",
    fuse_unk: bool = False,
    byte_fallback: bool = False,
    ignore_merges: bool = False,
) -> Component:
    """Without its vocabulary and merges."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unk_token,
        "continuing_subword_prefix": prefix,
        "end_of_word_suffix": suffix,
        "fuse_unk": fuse_unk,
        "byte_fallback": byte_fallback,
        "ignore_merges": ignore_merges,
    }


def unigram(unk_id: int | None) -> Component:
    """Without its vocabulary."""
    return {"type": "Unigram", "unk_id": unk_id, "byte_fallback": False}


def wordpiece(unk_token: str) -> Component:
    """Without its vocabulary."""
    return {
        "type": "WordPiece",
        "unk_token": unk_token,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }


def template(single: str, pair: str, ids: Ids) -> Component:
    """TemplateProcessing. A template is pieces with spaces between: $A, $B or a token, each with :type id."""
    used: dict[str, Component] = {}

    def pieces(text: str) -> list[Component]:
        result: list[Component] = []
        for piece in text.split(" "):
            name, _, type_id = piece.rpartition(":")
            if name in ("$A", "$B"):
                result.append({"Sequence": {"id": name[1], "type_id": int(type_id)}})
                continue
            if not name or not type_id.isdigit():
                raise CheckpointError(
                    f"the special tokens of {text!r}: one holds a space, which no template can"
                )
            used[name] = {"id": name, "ids": [ids(name)], "tokens": [name]}
            result.append({"SpecialToken": {"id": name, "type_id": int(type_id)}})
        return result

    post_processor: Component = {"type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair)}
    return {**post_processor, "special_tokens": used}


def roberta(sep: str, cls: str, ids: Ids, *, trim_offsets: bool, prefix_space: bool) -> Component:
    return {
        "type": "RobertaProcessing",
        "sep": [sep, ids(sep)],
        "cls": [cls, ids(cls)],
        "trim_offsets": trim_offsets,
        "add_prefix_space": prefix_space,
    }
