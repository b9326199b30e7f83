"""What the classes of transformers that put their pipeline together themselves are described by.

One `TokenizerClass` is one class: its `build` answers for the constructor, `finish` for what the constructor
does once all tokens have been added.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.components import Component, Ids, template

Tokens = Mapping[str, str]


class Parts(NamedTuple):
    """What a constructor is given."""

    path: str  # of the settings, to name in errors
    settings: Mapping[str, Any]  # tokenizer_config.json and keyword arguments
    tokens: Tokens  # contents of the named special tokens
    vocabulary: Mapping[str, int]
    scores: Sequence[float] | None
    charsmap: str | None  # of a Precompiled normalizer, in base64

    def token(self, name: str) -> str:
        if name not in self.tokens:
            raise CheckpointError(f"{self.path}: {name} is null; expected a token")
        return self.tokens[name]

    def flag(self, name: str, default: bool) -> bool:
        value = self.settings.get(name, default)
        if not isinstance(value, bool):
            raise CheckpointError(f"{self.path}: {name} is {value!r}; expected true or false")
        return value

    def optional_flag(self, name: str, default: bool | None = None) -> bool | None:
        """As flag, where null stands for the default."""
        value = self.settings.get(name)
        return default if value is None else self.flag(name, False)

    def text(self, name: str) -> str | None:
        value = self.settings.get(name)
        if not isinstance(value, str | None):
            raise CheckpointError(f"{self.path}: {name} is {value!r}; expected a string or null")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.settings.get(name, default)
        if type(value) is not int or not 0 <= value < 2**31:
            raise CheckpointError(f"{self.path}: {name} is {value!r}; expected an integer from 0")
        return value


class Pipeline(NamedTuple):
    """What a constructor makes: the model's settings without its vocabulary, and the other stages."""

    model: Component
    normalizer: Component | None
    pre_tokenizer: Component | None
    decoder: Component | None
    post_processor: Component | None = None  # before the file's


Token = str | AddedToken
Pieces = list[tuple[str, float]]
Build = Callable[[Parts], Pipeline]
Extra = Callable[[Mapping[str, Any], list[Token] | None], list[Token]]  # of settings, and the tokens listed
Reorder = Callable[[Pieces, Mapping[str, Any], Tokens], Pieces]  # of a SentencePiece model's pieces
Frame = Callable[[Tokens, str, Ids], Component]  # of the named tokens and the padding side
Finish = Callable[[Parts, Ids], Component | None]


class Languages(NamedTuple):
    """How a text says what language it is in: by a code before it, else by one behind its end token."""

    class_name: str
    codes: tuple[str, ...]
    default: str  # src_lang
    before: bool
    settings: Mapping[str, Any] | None = None  # more of tokenizer_config.json that says so
    are_extra: bool = False  # the codes are extra_special_tokens even where a folder lists others
    underlined: bool = False  # "eng" is written as "__eng__"
    default_target: str | None = None  # tgt_lang
    target_after_end: bool = False  # what is translated to has the end token before its code, too

    def written(self, code: str) -> str:
        return f"__{code}__" if self.underlined and "__" not in code else code

    def frame(self, code: str, eos: str, ids: Ids, *, target: bool = False) -> Component:
        """The post-processor for texts of this language."""
        if target and self.target_after_end:
            first = f"{eos}:0 {code}:0 "
            return template(f"{first}$A:0 {eos}:0", f"{first}$A:0 $B:0 {eos}:0", ids)
        first, last = (f"{code}:0 ", f" {eos}:0") if self.before else ("", f" {eos}:0 {code}:0")
        return template(f"{first}$A:0{last}", f"{first}$A:0 $B:0{last}", ids)


@dataclass(frozen=True)
class TokenizerClass:
    """One class of transformers."""

    build: Build | None = None  # None: tokenizer.json as it is
    finish: Finish | None = None  # the post-processor that replaces the file's
    model: str | None = None  # "BPE", "Unigram", "WordPiece"
    files: tuple[str, ...] = ("tokenizer.model",)  # the vocabulary when there is no tokenizer.json
    tokens: Mapping[str, Token | None] = field(default_factory=dict)  # unless the folder names others
    extra: Extra | None = None
    reorder: Reorder | None = None
    word_end: str = ""  # what decoding turns into a space at last
    file_as_it_is: bool = False  # builds only where there is no tokenizer.json
    readd: str = ""  # special tokens are added once more: "plain" without flags, "named" with those they have
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    padding_side: str = "right"
    languages: Callable[[Parts], Languages] | None = None
    needs_json: bool = False  # fastplm does not build it from its older files
    frame: Frame | None = None  # what update_post_processor makes in place of begin and end tokens


def begin_end(parts: Parts, ids: Ids) -> Component:
    """What add_bos_token and add_eos_token in the settings ask for."""
    bos = parts.tokens.get("bos_token") if parts.flag("add_bos_token", False) else None
    eos = parts.tokens.get("eos_token") if parts.flag("add_eos_token", False) else None
    return begin_end_template(bos, eos, ids)


def begin_end_template(bos: str | None, eos: str | None, ids: Ids) -> Component:
    """Each text between these two, where they are given."""

    def around(text: str, type_id: int) -> str:
        pieces = (bos and f"{bos}:{type_id}", f"{text}:{type_id}", eos and f"{eos}:{type_id}")
        return " ".join(piece for piece in pieces if piece)

    return template(around("$A", 0), f"{around('$A', 0)} {around('$B', 1)}", ids)


# --- what several classes share ---


def cls_sep(cls_type: int = 0) -> Finish:
    def finish(parts: Parts, ids: Ids) -> Component:
        cls, sep = parts.tokens.get("cls_token", "[CLS]"), parts.tokens.get("sep_token", "[SEP]")
        single = f"{cls}:{cls_type} $A:0 {sep}:0"
        return template(single, f"{single} $B:1 {sep}:1", ids)

    return finish


BERT_TOKENS: dict[str, Token | None] = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
ROBERTA_TOKENS: dict[str, Token | None] = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def special(content: str, *, lstrip: bool = False, normalized: bool = False) -> AddedToken:
    return AddedToken(content, lstrip=lstrip, normalized=normalized, special=True)


MASK = special("<mask>", lstrip=True)

SENTENCE_TOKENS: dict[str, Token | None] = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
