"""The tokenizer of a GGUF file: what stands under "tokenizer." in its metadata.

tokenizer.ggml.model is "llama" (SentencePiece's BPE: pieces with scores and types) or "gpt2" (byte-level BPE
with merges, whose way to cut text tokenizer.ggml.pre names). What a file does not say is as in sentencepiece
and llama.cpp: of "llama", each part of a text between added tokens gets a space in front.
Sources: src/llama-vocab.cpp in ggml-org/llama.cpp, transformers/integrations/gguf.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.reader import Metadata, read_metadata
from fastplm.settings import WITHOUT_EFFECT, warn_of_unknown
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    bpe,
    byte_level,
    byte_level_split,
    sequence,
)
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import Strings, TokenTable
from fastplm.tokenizers.classes.byte_level import BYTES, CL100K_WORDS, QWEN2_WORDS
from fastplm.tokenizers.classes.names import PLAIN_NAME, recipe
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.files.assemble import Assembled, assemble
from fastplm.tokenizers.files.chat_template import check_chat_template
from fastplm.tokenizers.files.sentencepiece import make_source
from fastplm.tokenizers.files.sentencepiece_file import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Model,
    Normalizer,
    Piece,
)
from fastplm.tokenizers.files.tokens import read_tokens
from fastplm.tokenizers.files.vocabulary import Vocabulary

_GGML, _TEMPLATE = "tokenizer.ggml.", "tokenizer.chat_template"
_NAMED = {
    "bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "seperator": "sep_token",
    "padding": "pad_token", "cls": "cls_token", "mask": "mask_token",
}  # fmt: skip
_USUAL = {"bos": 1, "eos": 2, "unknown": 0}  # of "llama", where the file does not say
_READ = ("model", "pre", "tokens", "token_type", "scores", "merges", "add_bos_token", "add_eos_token",
         "add_space_prefix", "remove_extra_whitespaces", "precompiled_charsmap")  # fmt: skip
# Refused unless they ask for nothing.
_ONLY = ("add_sep_token", "normalizer.lowercase", "normalizer.strip_accents")

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _cased(endings: str, digits: str) -> str:
    """Words begin at a capital letter; what GPT-4o and Mistral's Tekken share."""
    first = r"[^\r\n\p{L}\p{N}]?"
    words = rf"{first}{_UPPER}*{_LOWER}+{endings}|{first}{_UPPER}+{_LOWER}*{endings}"
    return words + rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class _Pre(NamedTuple):
    """How text is cut: at `words` (None: as GPT-2), behind `digits` one by one. whole: a word that is in the
    vocabulary is a token, whatever the merges make of it. begins: with bos_token, if the file does not say.
    """

    words: str | None = None
    digits: bool = False
    nfc: bool = False
    whole: bool = False
    begins: bool = False


_LLAMA3 = _Pre(CL100K_WORDS, whole=True, begins=True)
_PRE = {
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "mellum"), _Pre()),
    "olmo": _Pre(nfc=True),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"), _LLAMA3),
    **dict.fromkeys(("dbrx", "smaug-bpe"), _Pre(CL100K_WORDS)),
    "qwen2": _Pre(QWEN2_WORDS, nfc=True),
    "deepseek-r1-qwen": _Pre(QWEN2_WORDS),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), _Pre(digits=True)),
    "tekken": _Pre(_cased("", r"\p{N}"), whole=True, begins=True),
    "gpt-4o": _Pre(_cased(_ENDINGS, r"\p{N}{1,3}")),
}


def read_gguf(path: Path, *, name: str, class_name: str | None = None, **kwargs: Any) -> Assembled:
    """What a tokenizer is made from. kwargs come before what the file says.

    Raises FileNotFoundError, CheckpointError, UnsupportedError (a model or a pre-tokenizer that this version
    does not know); each names the file and the key.
    """
    reading = _Reading(str(path), read_metadata(path))
    own: dict[str, Any] = reading.named_tokens()
    kind = reading.get("model", str, None)
    if kind == "llama":
        source, begins = reading.sentencepiece(own), True
        own["padding_side"] = "left"  # as transformers' LlamaTokenizer and GemmaTokenizer
    elif kind == "gpt2":
        pre = reading.pre()
        source, begins = reading.byte_level(pre), pre.begins
    else:
        raise UnsupportedError(f"{path}: {_GGML}model is {kind!r}; expected 'llama' or 'gpt2'")
    own["add_bos_token"] = reading.get("add_bos_token", bool, begins)
    own["add_eos_token"] = reading.get("add_eos_token", bool, False)
    own["chat_template"] = reading.chat_template()
    own["added_tokens_decoder"] = reading.added
    reading.check_rest()
    config = {**own, **kwargs}
    chosen: TokenizerClass = recipe(PLAIN_NAME)
    tokens = read_tokens(None, str(path), config, kwargs, chosen, None)
    return assemble(
        str(path), class_name or PLAIN_NAME, chosen, config, tokens, Vocabulary(source), None, name=name,
        chat_template=check_chat_template(str(path), config.get("chat_template")),
        more={"name_or_path": name, "is_local": os.path.exists(name), "added_tokens_decoder": tokens.added},
    )  # fmt: skip


class _Reading:
    """The metadata of the file `name`. added: tokens that are found in the text as they stand, by id."""

    def __init__(self, name: str, metadata: Metadata) -> None:
        self._name, self._metadata = name, metadata
        self._tokens: list[str] = self.get("tokens", list, None)
        types = self._numbers("token_type", "i")
        self._types = [NORMAL] * len(self._tokens) if types is None else types
        spaced = self.get("model", str, None) == "llama"  # whose pieces of spaces are part of the text
        self.added = {
            i: AddedToken(token, normalized=False, special=kind == CONTROL)
            for i, (token, kind) in enumerate(zip(self._tokens, self._types, strict=True))
            if kind == CONTROL or (kind == USER_DEFINED and not (spaced and _is_spaces(token)))
        }

    def get(self, key: str, kind: type, default: Any) -> Any:
        value = self._metadata.get(_GGML + key, default)
        if value is None or type(value) is not kind:
            got = "missing" if value is None else f"a {type(value).__name__}"
            raise CheckpointError(f"{self._name}: {_GGML}{key} is {got}; expected a {kind.__name__}")
        return value

    def named_tokens(self) -> dict[str, str]:
        named, usual = {}, _USUAL if self.get("model", str, None) == "llama" else {}
        for key, name in _NAMED.items():
            i = self.get(f"{key}_token_id", int, usual.get(key, -1))
            if i >= len(self._tokens):
                raise CheckpointError(f"{self._name}: {_GGML}{key}_token_id is {i}; expected the id of one "
                                      f"of {len(self._tokens)} tokens")  # fmt: skip
            if i >= 0:
                named[name] = self._tokens[i]
        return named

    def pre(self) -> _Pre:
        pre = self.get("pre", str, "default")
        if pre == "default":
            raise UnsupportedError(
                f"{self._name}: {_GGML}pre is missing or 'default', which does not say how text is cut; "
                "expected a file of a newer converter"
            )
        if pre not in _PRE:
            raise UnsupportedError(
                f"{self._name}: {_GGML}pre is {pre!r}; this version knows {', '.join(sorted(_PRE))}"
            )
        return _PRE[pre]

    def byte_level(self, pre: _Pre) -> Source:
        table = TokenTable.of(self._name, self._ids())
        sides: list[str] = []
        for merge in self.get("merges", list, None):
            left, space, right = merge.partition(" ")
            if not space or " " in right:
                raise CheckpointError(f"{self._name}: {_GGML}merges holds {merge!r}; expected two tokens")
            sides += (left, right)
        model = {**bpe(ignore_merges=pre.whole), "merges": table.merge_sides(Strings.of(sides))}
        space = self.get("add_space_prefix", bool, False)
        cut: Component = byte_level(prefix_space=space)
        if pre.words is not None:
            cut = byte_level_split(pre.words, prefix_space=space)
        elif pre.digits:
            cut = sequence("pretokenizers", [{"type": "Digits", "individual_digits": True}, cut])
        sections: dict[str, Component | None] = {
            "normalizer": {"type": "NFC"} if pre.nfc else None,
            "pre_tokenizer": cut,
            "post_processor": None,
            "decoder": BYTES,
        }
        return Source(self._name, table, model, sections)

    def sentencepiece(self, named: dict[str, str]) -> Source:
        scores = self._numbers("scores", "f")
        if scores is None:
            raise CheckpointError(f"{self._name}: has no {_GGML}scores; expected one for each token")
        texts = [SPACE * len(t) if _is_spaces(t) else t for t in self._tokens]
        # No text becomes one of those by merges. Some converters call padding of the vocabulary unknown.
        never = (CONTROL, UNKNOWN, UNUSED)
        kinds = [CONTROL if i in self.added or kind in never else kind for i, kind in enumerate(self._types)]
        unknown = self.get("unknown_token_id", int, _USUAL["unknown"])
        if unknown >= 0 and kinds[unknown] == CONTROL:
            kinds[unknown] = UNKNOWN
        else:
            named.pop("unk_token", None)
        charsmap = self._numbers("precompiled_charsmap", "iu", aligned=False)
        normalizer = Normalizer(
            b"" if charsmap is None else bytes(i & 255 for i in charsmap),
            self.get("add_space_prefix", bool, True),
            self.get("remove_extra_whitespaces", bool, False),
            escape_whitespaces=True,
        )
        self._ids()
        return make_source(
            self._name,
            Model(
                [Piece(*piece) for piece in zip(texts, scores, kinds, strict=True)],
                kind="bpe",
                byte_fallback=BYTE in kinds,
                space_is_suffix=False,
                named={"unk_token": (unknown, named.get("unk_token", "<unk>"))},
                unk_surface=named.get("unk_token", "<unk>"),
                normalizer=normalizer,
                denormalizer=Normalizer(b"", False, False, False),
            ),
        )

    def chat_template(self) -> Any:
        """One, or several by name."""
        names = self._metadata.get("tokenizer.chat_templates", [])
        main = self._metadata.get(_TEMPLATE)
        if not isinstance(names, list) or not names:
            return main
        templates = {name: self._metadata.get(f"{_TEMPLATE}.{name}") for name in names}
        return templates if main is None else {"default": main, **templates}

    def check_rest(self) -> None:
        """Refuses what asks for more than is done, and warns of what is unknown."""
        for key in _ONLY:
            if self.get(key, bool, False):
                raise UnsupportedError(f"{self._name}: {_GGML}{key} is True; expected False")
        given = [
            key.removeprefix(_GGML)
            for key in self._metadata
            if key.startswith("tokenizer.") and not key.startswith(_TEMPLATE)
        ]
        known = {*_READ, *_ONLY, *(f"{key}_token_id" for key in _NAMED)}
        warn_of_unknown(self._name, "GGUF tokenizer", given, known | WITHOUT_EFFECT["GGUF tokenizer"].keys())

    def _ids(self) -> dict[str, int]:
        ids = {token: i for i, token in enumerate(self._tokens)}
        if len(ids) < len(self._tokens):
            twice = next(token for i, token in enumerate(self._tokens) if ids[token] != i)
            raise CheckpointError(f"{self._name}: the token {twice!r} appears twice; expected it once")
        return ids

    def _numbers(self, key: str, kinds: str, aligned: bool = True) -> list[Any] | None:
        """kinds: of numpy's. aligned: one for each token."""
        value = self._metadata.get(_GGML + key)
        if value is None:
            return None
        count = len(value) if hasattr(value, "__len__") else 0
        if getattr(getattr(value, "dtype", None), "kind", "") not in kinds or (
            aligned and count != len(self._tokens)
        ):
            raise CheckpointError(
                f"{self._name}: {_GGML}{key} holds {count} values; expected {len(self._tokens)} numbers"
            )
        numbers: list[Any] = value.tolist()
        return numbers


def _is_spaces(token: str) -> bool:
    """As llama.cpp's converter writes pieces of spaces that users defined."""
    return token != "" and not token.strip(" ")
