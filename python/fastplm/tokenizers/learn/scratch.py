"""Tokenizers to be trained: the usual pipeline of each kind of model, with an empty vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    bert_normalizer,
    bpe,
    byte_alphabet,
    byte_level,
    sequence,
    template,
    wordpiece,
    words_and_metaspace,
)
from fastplm.tokenizers.learn.trainers import (
    BpeTrainer,
    Trainer,
    UnigramTrainer,
    WordLevelTrainer,
    WordPieceTrainer,
)

TRAINERS: dict[str, type[Trainer]] = {
    "bpe": BpeTrainer,
    "wordpiece": WordPieceTrainer,
    "unigram": UnigramTrainer,
    "wordlevel": WordLevelTrainer,
}
SPECIAL_TOKENS = {
    "bpe": ("<|endoftext|>",),
    "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "unigram": ("<pad>", "</s>", "<unk>"),
    "wordlevel": ("[PAD]", "[UNK]"),
}
_NAMES = {
    "bos_token": ("<s>", "<|startoftext|>", "[BOS]", "<|endoftext|>"),
    "eos_token": ("</s>", "<|endoftext|>", "[EOS]"),
    "unk_token": ("[UNK]", "<unk>"),
    "sep_token": ("[SEP]",),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]",),
    "mask_token": ("[MASK]", "<mask>"),
}


class Untrained(NamedTuple):
    """settings: a tokenizer.json. trainer: what gives it its vocabulary."""

    settings: dict[str, Any]
    named_tokens: dict[str, str]
    extra_tokens: list[str]
    trainer: Trainer


def from_scratch(
    model: str,
    *,
    special_tokens: Sequence[str] | None = None,
    lowercase: bool = False,
    bytes_as_characters: bool | None = None,
    **arguments: Any,
) -> Untrained:
    """The usual pipeline of a model ("bpe", "wordpiece", "unigram", "wordlevel").

    special_tokens: those with usual names ([UNK], <pad>, ...) become unk_token, pad_token, ...; default:
    SPECIAL_TOKENS. bytes_as_characters: for BPE, so that every text has tokens (default: True). arguments: of
    the model's trainer.

    Raises ValueError for special tokens that lack what the model needs, and as the trainer.
    """
    tokens = list(SPECIAL_TOKENS[model] if special_tokens is None else special_tokens)
    if bytes_as_characters is None:
        bytes_as_characters = model == "bpe"
    elif bytes_as_characters and model != "bpe":
        raise ValueError(f"byte-level words are for BPE; the model is {model}")
    named = {
        name: next((token for token in known if token in tokens), None) for name, known in _NAMES.items()
    }
    named_tokens = {name: token for name, token in named.items() if token is not None}
    unknown = named["unk_token"]
    if unknown is None and not bytes_as_characters:
        if special_tokens is None:  # BPE without bytes
            unknown = named_tokens["unk_token"] = "<unk>"
            tokens.append(unknown)
        else:
            raise ValueError(f"special tokens are {tokens}; expected [UNK] or <unk> among them")
    if bytes_as_characters:
        arguments["initial_alphabet"] = byte_alphabet()
    if model == "unigram":
        arguments["unk_token"] = unknown
    settings = _settings(model, unknown, lowercase, bytes_as_characters)
    if model == "wordpiece":
        settings["post_processor"] = _template(tokens, named_tokens)
    extra = [token for token in tokens if token not in named_tokens.values()]
    trainer = TRAINERS[model](special_tokens=tokens, **arguments)
    return Untrained(settings, named_tokens, extra, trainer)


def _settings(model: str, unknown: str | None, lowercase: bool, as_bytes: bool) -> dict[str, Any]:
    lower: list[Component] = [{"type": "Lowercase"}] if lowercase else []
    parts: dict[str, Any]
    if model == "wordpiece":
        parts = {
            "normalizer": bert_normalizer(lowercase=lowercase),
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {**wordpiece(str(unknown)), "vocab": {}},
        }
    elif model == "wordlevel":
        parts = {
            "normalizer": sequence("normalizers", [{"type": "NFC"}, *lower]),
            "pre_tokenizer": {"type": "Whitespace"},
            "decoder": None,
            "model": {"type": "WordLevel", "unk_token": unknown, "vocab": {}},
        }
    elif as_bytes:
        parts = {
            "normalizer": sequence("normalizers", [{"type": "NFC"}, *lower]),
            "pre_tokenizer": byte_level(prefix_space=False),
            "decoder": byte_level(prefix_space=False),
            "model": {**bpe(prefix=None, suffix=None), "vocab": {}, "merges": []},
        }
    else:
        empty: Component = {"type": "Unigram", "unk_id": None, "byte_fallback": False, "vocab": []}
        if model == "bpe":
            empty = {
                **bpe(unk_token=unknown, prefix=None, suffix=None, fuse_unk=True),
                "vocab": {},
                "merges": [],
            }
        parts = {
            "normalizer": sequence("normalizers", [{"type": "NFKC"}, *lower]),
            "pre_tokenizer": words_and_metaspace("always"),
            "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
            "model": empty,
        }
    return {"version": "1.0", "added_tokens": [], "post_processor": None, **parts}


def _template(tokens: Sequence[str], named: Mapping[str, str]) -> Component | None:
    """The sequences of BERT, [CLS] A [SEP] and [CLS] A [SEP] B [SEP], if those tokens are there. Special
    tokens get the first ids, so theirs are known.
    """
    if not {"cls_token", "sep_token"} <= named.keys():
        return None
    begin, end = named["cls_token"], named["sep_token"]
    single = f"{begin}:0 $A:0 {end}:0"
    return template(single, f"{single} $B:1 {end}:1", list(dict.fromkeys(tokens)).index)
