"""A tokenizer's methods: what each takes, gives and raises. methods/, chat/ and learn/ have what they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from fastplm.settings import warn_of_unknown
from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.chat.apply import apply_chat_template, chosen_template
from fastplm.tokenizers.methods import framing, vocabulary
from fastplm.tokenizers.methods.backend import linked, source_of_object
from fastplm.tokenizers.methods.calling import (
    Options,
    Texts,
    encode,
    encode_packed,
    encode_with_targets,
    merged,
)
from fastplm.tokenizers.methods.decoding import clean_up, decode, decode_batch, decode_steps, decode_stream
from fastplm.tokenizers.methods.padding import pad
from fastplm.tokenizers.methods.saving import save
from fastplm.tokenizers.methods.special_tokens import (
    add_special_tokens,
    get_named,
    set_named,
    special_tokens_mask,
)
from fastplm.tokenizers.methods.state import State, from_link, replace_source
from fastplm.tokenizers.methods.streaming import encode_stream
from fastplm.tokenizers.result.batch_encoding import BatchEncoding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fastplm.tokenizers.learn.trainers import Trainer


class Interface(State):
    """Every method and attribute of a tokenizer that transformers has, and encode_packed, encode_stream, ...

    Named special tokens are attributes: {bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id,
    extra_special_tokens and ..._ids, and a model's own names (image_token of tokenizer_config.json). Setting
    a name does not add the token; add_special_tokens does both.
    """

    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[list[str]] = list(NAMED_TOKENS)

    def __getattr__(self, name: str) -> Any:
        return from_link(self, name) if name in ("_source", "_engine") else get_named(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not set_named(self, name, value):
            super().__setattr__(name, value)

    # --- texts to ids ---

    def encode_packed(
        self,
        texts: Sequence[str],
        text_pair: Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: bool | str = False,
        max_length: int | None = None,
        return_token_type_ids: bool = False,
    ) -> tuple[npt.NDArray[np.int32], ...]:
        """The ids of all texts one after the other, without padding: the fastest way to a model.

        Returns (ids [tokens], cu_seqlens [len(texts) + 1]), both int32: text i has
        ids[cu_seqlens[i]:cu_seqlens[i + 1]]; with return_token_type_ids also types [tokens], int32.
        max_length without truncation=True is an error here. Raises ValueError, TypeError.
        """
        return encode_packed(
            self, texts, text_pair, add_special_tokens, truncation, max_length, return_token_type_ids
        )

    def __call__(
        self,
        text: Texts | None = None,
        text_pair: Texts | None = None,
        text_target: Texts | None = None,
        text_pair_target: Texts | None = None,
        add_special_tokens: bool = True,
        padding: bool | str | None = None,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        *,
        split_special_tokens: bool | None = None,
        max_target_length: int | None = None,
    ) -> BatchEncoding:
        """Encodes a text, a list of texts, or (is_split_into_words) lists of words, alone or in pairs.

        Pairs may also come as a list of tuples or lists of two. text_target: what is to be generated; its
        input_ids are the entry "labels" (alone, it is encoded like a text), in the language tgt_lang if the
        tokenizer has languages, with max_target_length as its max_length. tokenizer_kwargs: arguments by
        name, in place of those given here.

        Arguments and entries as in transformers: input_ids, token_type_ids, attention_mask,
        special_tokens_mask, offset_mapping, overflow_to_sample_mapping, length; lists, or int64 arrays
        [rows, length] with return_tensors "np" or "pt".
        Raises ValueError, TypeError; ModuleNotFoundError for "pt" without torch.
        """
        options = Options(
            add_special_tokens, padding, truncation, max_length, stride, is_split_into_words,
            pad_to_multiple_of, padding_side, return_tensors, return_token_type_ids, return_attention_mask,
            return_overflowing_tokens, return_special_tokens_mask, return_offsets_mapping, return_length,
            verbose, split_special_tokens,
        )  # fmt: skip
        if tokenizer_kwargs:
            options, max_target_length = merged(options, max_target_length, tokenizer_kwargs)
        if text is not None and text_target is None:
            return encode(self, text, text_pair, options)
        return encode_with_targets(
            self, text, text_pair, text_target, text_pair_target, options, max_target_length
        )

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> list[str]:
        """The tokens of a text, as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **kwargs).tokens()

    def encode(
        self,
        text: Texts,
        text_pair: Texts | None = None,
        add_special_tokens: bool = True,
        padding: bool | str | None = None,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The input_ids of __call__."""
        return self(
            text, text_pair, add_special_tokens=add_special_tokens, padding=padding, truncation=truncation,
            max_length=max_length, stride=stride, padding_side=padding_side, return_tensors=return_tensors,
            **kwargs,
        )["input_ids"]  # fmt: skip

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: Any = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads one row, a dict of lists of rows, or a list of rows (dicts), and makes an attention_mask.

        input_ids, attention_mask, token_type_ids and special_tokens_mask are padded, other entries stay as
        they are. Arguments as in a call; return_tensors is by default what the rows are: lists, arrays or
        tensors. Calling the tokenizer with padding=True is faster. Raises ValueError, TypeError.
        """
        return pad(
            self, encoded_inputs, padding, max_length, pad_to_multiple_of, padding_side,
            return_attention_mask, return_tensors, verbose,
        )  # fmt: skip

    def encode_stream(
        self,
        source: Iterable[str] | str | os.PathLike[str] | IO[str] | IO[bytes],
        *,
        batch_size: int = 4096,
        add_special_tokens: bool = True,
        truncation: bool | str = False,
        max_length: int | None = None,
        return_token_type_ids: bool = False,
        errors: str = "strict",
        show_progress_bar: bool | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.int32], ...]]:
        """What encode_packed gives, one batch after the other: (ids [tokens], cu_seqlens [texts + 1]).

        source: an iterable of str, or a file: its path or the open file, one text per line in UTF-8, without
        the line breaks. batch_size: texts in a batch at most; long texts make it smaller, so that no more
        than one batch of texts (16 Mi characters, or one text) and its ids are in memory. errors: "strict",
        "replace" or "ignore", for bytes of a file that are not UTF-8. show_progress_bar: None shows one on a
        terminal.
        Files that this opens, it closes, at the end or when the iterator is dropped.

        Raises FileNotFoundError at once; ValueError (a line that is not UTF-8, named; a lone surrogate) and
        TypeError (a text that is no str) when its batch is due.
        """
        return encode_stream(
            self, source, batch_size=batch_size, add_special_tokens=add_special_tokens, truncation=truncation,
            max_length=max_length, return_token_type_ids=return_token_type_ids, errors=errors,
            show_progress_bar=show_progress_bar,
        )  # fmt: skip

    def apply_chat_template(
        self,
        conversation: Any,
        tools: Sequence[dict[str, Any] | Callable[..., Any]] | None = None,
        documents: Sequence[dict[str, str]] | None = None,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        tokenize: bool = True,
        sanitize_control_tokens: bool = False,
        padding: bool | str = False,
        truncation: bool | str | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A conversation (messages: dicts with role and content), or a list of them, by the model's template.

        Arguments and results as in transformers: a BatchEncoding; input_ids with return_dict=False; text with
        tokenize=False. chat_template: a template, or the name of one of several. kwargs: for the template.
        return_assistant_tokens_mask: "assistant_masks", 1 for what stands inside {% generation %}.
        continue_final_message: the text ends where the last message ends (a str: that field of it).
        sanitize_control_tokens: special tokens (and chat_control_tokens; without these, the added tokens that
        the template writes) in messages, tools, documents and kwargs are text like any other, unless the
        template itself makes them of other text.

        The template runs in a sandbox with a budget. A tool may be a function only if transformers is
        installed, which derives the schema. Raises ValueError, TypeError, ModuleNotFoundError without jinja2.
        """
        return apply_chat_template(
            self, conversation, tools, documents, chat_template, add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message, tokenize=tokenize,
            sanitize_control_tokens=sanitize_control_tokens, padding=padding, truncation=truncation,
            max_length=max_length, return_tensors=return_tensors, return_dict=return_dict,
            return_assistant_tokens_mask=return_assistant_tokens_mask, tokenizer_kwargs=tokenizer_kwargs,
            variables=kwargs,
        )  # fmt: skip

    def get_chat_template(self, chat_template: str | None = None, tools: Any = None) -> str:
        """The template that `chat_template` names or is; by default the tokenizer's own. ValueError: none."""
        return chosen_template(self, chat_template, tools)

    # --- ids to text ---

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **others: Any,
    ) -> Any:
        """The text of ids: an int, a list, an array or a tensor; of several lists a list of texts.

        Ids that no token has are left out. Raises TypeError for what is no integer, ValueError for an integer
        that cannot be an id: less than 0, or 2**32 and more.
        """
        warn_of_unknown("decode", "decode", others, ())
        return decode(self, token_ids, skip_special_tokens, clean_up_tokenization_spaces)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **others: Any,
    ) -> list[str]:
        """decode() of each row; of ids that are one row a list of one text, of no rows an empty list.

        Raises as decode(), and TypeError for an int.
        """
        warn_of_unknown("batch_decode", "decode", others, ())
        return decode_batch(self, sequences, skip_special_tokens, clean_up_tokenization_spaces)

    def decode_stream(self, token_ids: Iterable[int], skip_special_tokens: bool = False) -> Iterator[str]:
        """The text of ids that come one at a time, each part as soon as it is whole characters.

        Raises ValueError where an id changes text that was given already, as with a CTC decoder; TypeError
        and ValueError for what is no id.
        """
        return decode_stream(self, token_ids, skip_special_tokens)

    def decode_steps(self, skip_special_tokens: bool = False) -> Callable[[int], str | None]:
        """As decode_stream, for ids that are handed over one by one: a function that takes the next id and
        gives the text that is whole with it, or None. It serves one sequence.
        """
        return decode_steps(self, skip_special_tokens)

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Takes out the spaces that decoding puts before punctuation and English contractions."""
        return clean_up(text)

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        return self._engine.join(list(tokens))

    # --- tokens and ids ---

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """An id, or a list of them; unk_token_id (None if there is none) for a token that is not known."""
        return vocabulary.ids_of(self, tokens)

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """A token, or a list of them; None where no token has the id."""
        return vocabulary.tokens_of(self, ids, skip_special_tokens)

    @property
    def vocab_size(self) -> int:
        """Without added tokens."""
        return self._engine.vocabulary_size

    def __len__(self) -> int:
        """With added tokens."""
        return vocabulary.size(self)

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id, added ones included."""
        return vocabulary.all_ids(self)

    @property
    def vocab(self) -> dict[str, int]:
        return vocabulary.all_ids(self)

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id."""
        return vocabulary.added_by_id(self)

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        return vocabulary.added_ids(self)

    def get_added_vocab(self) -> dict[str, int]:
        return vocabulary.added_ids(self)

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Adds a token or a list of them; returns how many are new or have other flags than before.

        Calls that other threads have begun end with the tokens they began with.
        """
        return vocabulary.add_tokens(self, new_tokens, special_tokens)

    # --- special tokens ---

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Names special tokens (pad_token, ..., extra_special_tokens) and adds them.

        Returns how many are new or have other flags than before. replace_extra_special_tokens=False keeps the
        extra ones that are there. Raises ValueError for a name or a token that is none; nothing is done then.
        """
        return add_special_tokens(self, special_tokens_dict, replace_extra_special_tokens)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have names: bos_token to mask_token, then the model's own."""
        return vocabulary.named_tokens(self)

    @property
    def all_special_tokens(self) -> list[str]:
        """Each once: those that have names, then the extra ones."""
        return vocabulary.all_special_tokens(self)

    @property
    def all_special_ids(self) -> list[int]:
        return vocabulary.all_special_ids(self)

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for the special tokens among ids that are already a row."""
        return special_tokens_mask(self, token_ids_0, token_ids_1, already_has_special_tokens)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return self._engine.special_count(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of a text fit into model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of two texts together fit into model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def add_bos_token(self) -> bool:
        """Whether bos_token comes first, if that was asked for and not left to the checkpoint's template."""
        return self._add_bos_token

    @add_bos_token.setter
    def add_bos_token(self, value: bool) -> None:
        framing.set_begin_and_end(self, bool(value), self._add_eos_token)

    @property
    def add_eos_token(self) -> bool:
        """As add_bos_token, for eos_token at the end."""
        return self._add_eos_token

    @add_eos_token.setter
    def add_eos_token(self, value: bool) -> None:
        framing.set_begin_and_end(self, self._add_bos_token, bool(value))

    def update_post_processor(self) -> None:
        """Puts bos_token and eos_token around each text, as add_bos_token and add_eos_token say, no more.

        To be called, as in transformers, when one of the two has been given another token. Classes with a
        frame of their own keep it: those with languages, and SplinterTokenizer. Raises ValueError.
        """
        framing.set_begin_and_end(self, self._add_bos_token, self._add_eos_token)

    # --- languages, of a tokenizer for translation ---

    @property
    def src_lang(self) -> str:
        """The code of the language that is translated from: it stands at the texts that are encoded."""
        framing.languages_of(self, "src_lang")
        return self._src_lang

    @src_lang.setter
    def src_lang(self, code: str) -> None:
        framing.set_src_lang(self, code)

    @property
    def tgt_lang(self) -> str | None:
        """The code of the language that is translated to: it stands at what is given as text_target."""
        framing.languages_of(self, "tgt_lang")
        return self._tgt_lang

    @tgt_lang.setter
    def tgt_lang(self, code: str | None) -> None:
        framing.set_tgt_lang(self, code)

    @property
    def lang_code_to_id(self) -> dict[str, int]:
        """The languages' codes, for forced_bos_token_id."""
        return framing.language_ids(self)

    # --- files, and the object of the library `tokenizers` ---

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        save_format: str | None = None,
        *,
        save_jinja_files: bool = True,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Writes what fastplm, transformers and tokenizers read back to the same tokenizer; returns the names
        of tokenizer_config.json, the chat templates and tokenizer.json, as transformers does.

        special_tokens_map.json, which older versions read, is written too. filename_prefix: goes before every
        name, with a "-". save_jinja_files=False puts the chat template into tokenizer_config.json. Other
        arguments are for uploads. Every file is written whole or not at all. Raises NotADirectoryError;
        ValueError for another save_format than "hf" (the default) and "mistral"; UnsupportedError for that
        one, legacy_format=True and push_to_hub=True.
        """
        warn_of_unknown("save_pretrained", "save_pretrained", kwargs, ())
        return save(
            self, save_directory, legacy_format=legacy_format, filename_prefix=filename_prefix,
            push_to_hub=push_to_hub, save_format=save_format, save_jinja_files=save_jinja_files,
        )  # fmt: skip

    @property
    def backend_tokenizer(self) -> Any:
        """This tokenizer as a tokenizers.Tokenizer, for code that looks into its parts or changes them.

        What is changed there is changed here: parts assigned or altered, tokens added; see BackendTokenizer.
        Needs the package `tokenizers`.
        """
        return linked(self).tokenizer

    @property
    def _tokenizer(self) -> Any:  # as transformers calls the same object, which pipelines ask for
        return self.backend_tokenizer

    @_tokenizer.setter
    def _tokenizer(self, made: Any) -> None:
        replace_source(self, source_of_object("_tokenizer", made))

    @property
    def decoder(self) -> Any:
        """The decoder of backend_tokenizer. Needs the package `tokenizers`."""
        return self.backend_tokenizer.decoder

    # --- training ---

    def train(self, files: Sequence[str | os.PathLike[str]], trainer: Trainer | None = None) -> None:
        """Learns a new vocabulary from text files in UTF-8. Every line is a text, its line feed included.

        trainer: one of fastplm.tokenizers.learn.trainers that fits the model; default: the model's, with its
        defaults. Its special tokens are added to the tokenizer. Memory is that of the distinct words.

        Raises FileNotFoundError and other OSErrors; ValueError for a line that is not UTF-8, named, for a
        corpus without words, for a trainer of another model; TypeError.
        """
        from fastplm.tokenizers.learn import training

        training.train(self, training.of_files(files), trainer)

    def train_from_iterator(
        self, iterator: Iterable[Any], trainer: Trainer | None = None, length: int | None = None
    ) -> None:
        """Learns a new vocabulary from an iterable of texts, or of lists of texts; as train.

        length: how many items there are, for the progress bar.
        """
        from fastplm.tokenizers.learn import training

        training.train(self, training.of_texts(iterator, length), trainer)

    def train_new_from_iterator(
        self,
        text_iterator: Iterable[Any],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[str | AddedToken] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A tokenizer with this one's pipeline and special tokens, and a vocabulary learned from other texts.

        As transformers' method of that name: text_iterator gives texts or lists of texts, length says how
        many items; new_special_tokens come behind this tokenizer's special tokens; special_tokens_map renames
        those; kwargs are arguments of the model's trainer. Raises as train_from_iterator.
        """
        from fastplm.tokenizers.learn import training

        added, renamed = new_special_tokens or (), special_tokens_map or {}
        texts = training.of_texts(text_iterator, length)
        return training.train_new(self, texts, vocab_size, added, renamed, kwargs)

    def train_new_from_files(
        self,
        files: Sequence[str | os.PathLike[str]],
        vocab_size: int,
        new_special_tokens: Sequence[str | AddedToken] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As train_new_from_iterator, from files as train reads them."""
        from fastplm.tokenizers.learn import training

        added, renamed = new_special_tokens or (), special_tokens_map or {}
        return training.train_new(self, training.of_files(files), vocab_size, added, renamed, kwargs)
