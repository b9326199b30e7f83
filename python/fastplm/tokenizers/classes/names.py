"""The names of transformers' tokenizer classes: which there are, and which are the same.

A class that is built here has a recipe in `classes.CLASSES`. Any other takes tokenizer.json as it is.
"""

from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.choice import KNOWN
from fastplm.tokenizers.classes.parts import TokenizerClass

PLAIN_NAME = "TokenizersBackend"  # of the class that takes tokenizer.json as it is, the base of all others
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


def recipe(class_name: str) -> TokenizerClass:
    return KNOWN.get(class_name, PLAIN)


def own_name(name: str) -> str | None:
    """The name that a class itself has, by one of its names; None if there is no such class."""
    if name not in CLASSES and name not in _OTHERS:
        name = name.removesuffix("Fast")
    name = _SAME.get(name, name)
    return name if name in CLASSES or name in _OTHERS or name == PLAIN_NAME else None


def base_name(name: str) -> str:
    """The class that a class, by its own name, is derived from."""
    return _BASES.get(name, PLAIN_NAME)


def made_name(class_name: str | None, chosen: TokenizerClass) -> str:
    """The class of a tokenizer made by `chosen`, where its files name the class `class_name`."""
    name = None if class_name is None else own_name(class_name)
    return PLAIN_NAME if name is None or recipe(name) is not chosen else name
