"""A type for each tokenizer class of transformers.

The classes are names for recipes (`classes.CLASSES`): a type adds no method, only the name, the constructor's
recipe and what transformers writes on the class (vocab_files_names, model_input_names, padding_side).
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, ClassVar, Self, cast

from fastplm.errors import UnsupportedError
from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.choice import KNOWN
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.tokenizer import Tokenizer

# Names that transformers gives to another class.
_SAME = {
    name: same
    for same, names in {
        "BertTokenizer": (
            "ElectraTokenizer LayoutLMTokenizer LxmertTokenizer MobileBertTokenizer SqueezeBertTokenizer"
        ),
        "LlamaTokenizer": "Phi3Tokenizer",
        "RobertaTokenizer": "BartTokenizer LEDTokenizer LongformerTokenizer MvpTokenizer",
        "TokenizersBackend": "PreTrainedTokenizer",
    }.items()
    for name in names.split()
}
_BASES = {
    **dict.fromkeys(
        (
            "ConvBertTokenizer", "DPRContextEncoderTokenizer", "DPRContextEncoderTokenizerFast",
            "DPRQuestionEncoderTokenizer", "DPRQuestionEncoderTokenizerFast", "DPRReaderTokenizer",
            "DPRReaderTokenizerFast", "DistilBertTokenizer",
        ),
        "BertTokenizer",
    ),
    "FNetTokenizer": "AlbertTokenizer",
}  # fmt: skip
# Classes that are not built here. A tokenizer.json is taken as it is, whichever of them its folder names.
_OTHERS = frozenset(
    [
        "BartphoTokenizer",
        "BertGenerationTokenizer",
        "BertJapaneseTokenizer",
        "BertweetTokenizer",
        "BioGptTokenizer",
        "BlenderbotSmallTokenizer",
        "ByT5Tokenizer",
        "CTRLTokenizer",
        "CanineTokenizer",
        "ClvpTokenizer",
        "CodeLlamaTokenizer",
        "CpmAntTokenizer",
        "CpmTokenizer",
        "CpmTokenizerFast",
        "DPRReaderTokenizer",
        "DPRReaderTokenizerFast",
        "DiaTokenizer",
        "EsmTokenizer",
        "EsmcTokenizer",
        "FSMTTokenizer",
        "FastSpeech2ConformerTokenizer",
        "FlaubertTokenizer",
        "GPTNeoXJapaneseTokenizer",
        "GPTSw3Tokenizer",
        "LasrTokenizer",
        "LayoutLMv2Tokenizer",
        "LayoutLMv3Tokenizer",
        "LayoutXLMTokenizer",
        "LukeTokenizer",
        "M2M100Tokenizer",
        "MLukeTokenizer",
        "MarianTokenizer",
        "MarkupLMTokenizer",
        "MgpstrTokenizer",
        "MyT5Tokenizer",
        "NougatTokenizer",
        "PLBartTokenizer",
        "ParakeetTokenizer",
        "PerceiverTokenizer",
        "PhobertTokenizer",
        "Pop2PianoTokenizer",
        "ProphetNetTokenizer",
        "RoCBertTokenizer",
        "RoFormerTokenizer",
        "SeamlessM4TTokenizer",
        "Siglip2Tokenizer",
        "SiglipTokenizer",
        "Speech2TextTokenizer",
        "SpeechT5Tokenizer",
        "TapasTokenizer",
        "Tipsv2Tokenizer",
        "UdopTokenizer",
        "VideoPrismTokenizer",
        "VitsTokenizer",
        "Wav2Vec2CTCTokenizer",
        "Wav2Vec2PhonemeCTCTokenizer",
        "WhisperTokenizer",
        "XLMTokenizer",
    ]
)


class TokenizersBackend(Tokenizer):
    """The tokenizer of any tokenizer.json, as it is; transformers' PreTrainedTokenizerFast, and the base of
    its other tokenizer classes.

    TokenizersBackend(tokenizer_object=..., tokenizer_file=..., vocab=..., merges=..., **settings): a
    tokenizers.Tokenizer or a fastplm one, or a tokenizer.json, or a vocabulary (dict) with merges (pairs), or
    pieces with scores. Settings are those of tokenizer_config.json: special tokens, model_max_length, ...

    The other classes, as BertTokenizer(vocab, do_lower_case=True, ...), take the same settings and their own,
    at the positions at which transformers takes them, and build their pipeline around the vocabulary. `vocab`
    (and `merges`) may be the name of a file: vocab.txt, vocab.json and merges.txt, a SentencePiece .model.
    vocab_file and merges_file name it too.

    Raises TypeError for arguments that do not fit together, CheckpointError for a value or a file that is
    damaged, UnsupportedError for a class that is not built here.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {
        "tokenizer_file": "tokenizer.json",
        "vocab_file": "tokenizer.model",
    }
    class_name: ClassVar[str] = "TokenizersBackend"  # the recipe's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from fastplm.tokenizers.construct import construct  # which builds on this module

        source, options = construct(type(self), args, kwargs)
        super().__init__(source, **options)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *init_inputs: Any, **kwargs: Any
    ) -> Self:
        """A folder, a hub id or a file by the rules of this class, whatever class its files name.

        Arguments and errors as AutoTokenizer.from_pretrained. A file is a tokenizer.json or, for a class
        whose vocabulary is one file, that.
        """
        from fastplm.tokenizers.auto import load

        if cls.__init__ is not TokenizersBackend.__init__:
            raise UnsupportedError(
                f"{cls.__name__}.from_pretrained: the class has an __init__ of its own, which would not be "
                f"called; expected {cls.class_name}.from_pretrained"
            )
        return cast("Self", load(pretrained_model_name_or_path, init_inputs, cls, kwargs))


def recipe(class_name: str) -> TokenizerClass:
    return KNOWN.get(class_name, PLAIN)


def class_type(name: str) -> type[TokenizersBackend] | None:
    """The type of a class of transformers, by one of its names; None if there is no such class."""
    if name not in CLASSES and name not in _OTHERS:
        name = name.removesuffix("Fast")
    name = _SAME.get(name, name)
    return _type(name) if name in CLASSES or name in _OTHERS or name == "TokenizersBackend" else None


@cache
def _type(name: str) -> type[TokenizersBackend]:
    if name == "TokenizersBackend":
        return TokenizersBackend
    base = _type(_BASES[name]) if name in _BASES else TokenizersBackend
    made = recipe(name)
    members: dict[str, Any] = {
        "__module__": "fastplm", "__qualname__": name, "__doc__": f"transformers' {name}.",
        "class_name": name,
    }  # fmt: skip
    if name in CLASSES:
        members |= {
            "vocab_files_names": _vocab_files(made),
            "model_input_names": list(made.inputs),
            "padding_side": made.padding_side,
        }
    return type(name, (base,), members)


def type_of(class_name: str | None, chosen: TokenizerClass) -> type[TokenizersBackend]:
    """The type of a tokenizer made by `chosen`, where its files name the class `class_name`."""
    named = class_type(class_name) if class_name is not None else None
    return TokenizersBackend if named is None or recipe(named.class_name) is not chosen else named


def _vocab_files(made: TokenizerClass) -> dict[str, str]:
    names = dict(zip(("vocab_file", "merges_file"), made.files, strict=False))
    return {**names, "tokenizer_file": "tokenizer.json"}
