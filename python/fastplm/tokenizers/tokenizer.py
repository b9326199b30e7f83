"""The tokenizer object."""

from __future__ import annotations

from typing import Any, ClassVar

from fastplm.tokenizers.chat.apply import Chat
from fastplm.tokenizers.decoding import Decoding
from fastplm.tokenizers.saving import Saving
from fastplm.tokenizers.streaming import Streaming
from fastplm.tokenizers.training import Training


class Tokenizer(Chat, Streaming, Decoding, Saving, Training):
    """Text to token ids and back. Made by AutoTokenizer.from_pretrained, or from_str; may be shared between
    threads.

    Attributes as in transformers: model_max_length, padding_side, truncation_side, model_input_names,
    {bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id (None if there is none), name_or_path.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {"tokenizer_file": "tokenizer.json"}
    pretrained_vocab_files_map: ClassVar[dict[str, dict[str, str]]] = {}
    slow_tokenizer_class = None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *init_inputs: Any, **kwargs: Any) -> Any:
        """AutoTokenizer.from_pretrained."""
        from fastplm.tokenizers.auto import AutoTokenizer  # which imports this module

        return AutoTokenizer.from_pretrained(pretrained_model_name_or_path, *init_inputs, **kwargs)

    @property
    def decoder(self) -> Any:
        """The decoder of backend_tokenizer. Needs the package `tokenizers`."""
        return self.backend_tokenizer.decoder

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={self.model_max_length}, padding_side={self.padding_side!r}, "
            f"truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map})"
        )
