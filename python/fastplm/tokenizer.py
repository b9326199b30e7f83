"""Tokenizers with the names, arguments and outputs of transformers."""

from fastplm.tokenizers.auto import AutoTokenizer
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.result.batch_encoding import BatchEncoding, CharSpan, TokenSpan
from fastplm.tokenizers.result.encoding import Encoding
from fastplm.tokenizers.tokenizer import Tokenizer, TokenizersBackend

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
