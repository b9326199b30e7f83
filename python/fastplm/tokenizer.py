"""Tokenizers with the names, arguments and outputs of transformers."""

from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.auto import AutoTokenizer
from fastplm.tokenizers.batch_encoding import BatchEncoding, CharSpan, TokenSpan
from fastplm.tokenizers.class_types import TokenizersBackend
from fastplm.tokenizers.encoding import Encoding
from fastplm.tokenizers.tokenizer import Tokenizer

PreTrainedTokenizerBase = Tokenizer  # as transformers calls what all tokenizers are

__all__ = [
    "AddedToken",
    "AutoTokenizer",
    "BatchEncoding",
    "CharSpan",
    "Encoding",
    "PreTrainedTokenizerBase",
    "TokenSpan",
    "Tokenizer",
    "TokenizersBackend",
]
