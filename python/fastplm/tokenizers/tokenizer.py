"""The tokenizer object."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.batch_encoding import BatchEncoding, Encoding, Rows
from fastplm.tokenizers.source import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fastplm import _engine

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
NO_MAX_LENGTH = int(1e30)  # model_max_length of a tokenizer without one, as transformers has it
_LARGE = 10**20
_FIELDS = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping")
_PADDINGS = {True: "longest", False: "do_not_pad", None: "do_not_pad"}
_TRUNCATIONS = {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}

Texts = str | Sequence[str] | Sequence[Sequence[str]]


class _Shape(NamedTuple):
    """How a call truncates and pads."""

    padding: str
    truncation: str
    max_length: int | None  # of a truncated row
    pad_length: int = 0  # of a row padded to max_length


class Tokenizer:
    """Text to token ids and back. Made by AutoTokenizer.from_pretrained; may be shared between threads.

    Attributes as in transformers: model_max_length, padding_side, truncation_side, model_input_names,
    {bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id (None if there is none), name_or_path.
    """

    is_fast = True
    pad_token_type_id = 0

    def __init__(
        self,
        source: Source,
        *,
        name_or_path: str = "",
        named_tokens: Mapping[str, str | AddedToken] | None = None,
        extra_tokens: Iterable[str] = (),
        model_max_length: float | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask"),
        clean_up_tokenization_spaces: bool = False,
        split_special_tokens: bool = False,
        call_defaults: bool = False,
    ) -> None:
        for name, side in (("padding_side", padding_side), ("truncation_side", truncation_side)):
            _check_side(name, side)
        self._source = source
        self._engine = source.build()
        self._named = {k: str(v) for k, v in (named_tokens or {}).items()}
        self._extra = list(extra_tokens)
        self._call_defaults = call_defaults  # whether tokenizer.json's truncation and padding are defaults
        self.name_or_path = name_or_path
        self.model_max_length = NO_MAX_LENGTH if model_max_length is None else int(model_max_length)
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.model_input_names = list(model_input_names)
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.split_special_tokens = split_special_tokens

    # --- encoding -----------------------------------------------------------------------------------

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
        if isinstance(texts, str) or isinstance(text_pair, str):
            raise TypeError("encode_packed: texts is a str; expected a list of str")
        strategy = _name("truncation", truncation, _TRUNCATIONS)
        if strategy == "do_not_truncate" and max_length is not None:
            raise ValueError(
                f"encode_packed: max_length is {max_length} without truncation; expected truncation=True"
            )
        if strategy != "do_not_truncate" and max_length is None:
            max_length = self.model_max_length
        batch = self._encode(texts, text_pair, _Shape("do_not_pad", strategy, max_length), add_special_tokens)
        if not return_token_type_ids:
            return batch.packed()
        types = batch.packed_types()
        return (*batch.packed(), types)

    def __call__(
        self,
        text: Texts,
        text_pair: Texts | None = None,
        *,
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
        split_special_tokens: bool | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Encodes a text, a list of texts, or (is_split_into_words) lists of words, alone or in pairs.

        Arguments and entries as in transformers: input_ids, token_type_ids, attention_mask,
        special_tokens_mask, offset_mapping, overflow_to_sample_mapping, length; lists, or int64 arrays
        [rows, length] with return_tensors "np" or "pt".
        Raises ValueError, TypeError; ModuleNotFoundError for "pt" without torch.
        """
        batched, texts, pairs = _as_batch(text, text_pair, is_split_into_words)
        shape, stride, multiple, side = self._shape(
            padding, truncation, max_length, stride, pad_to_multiple_of, padding_side, verbose
        )
        if return_tensors not in (None, "np", "pt"):
            raise ValueError(f'return_tensors is {return_tensors!r}; expected None, "np" or "pt"')

        def encode(align: bool) -> _engine.Batch:
            return self._encode(
                texts, pairs, shape, add_special_tokens, words=is_split_into_words, stride=stride,
                overflow=return_overflowing_tokens, align=align, split_special_tokens=split_special_tokens,
            )  # fmt: skip

        batch = encode(return_offsets_mapping)
        if shape.padding == "do_not_pad":
            length = 0
        else:
            length = batch.longest if shape.padding == "longest" else shape.pad_length
            if multiple:
                length = -(-length // multiple) * multiple
        pad_id, pad_type_id = self._pad_ids()
        rows = Rows(
            self, batch, None if return_offsets_mapping else lambda: encode(True),
            length, side == "left", pad_id, pad_type_id,
        )  # fmt: skip

        wanted = {"input_ids"}
        names = self.model_input_names
        if "token_type_ids" in names if return_token_type_ids is None else return_token_type_ids:
            wanted.add("token_type_ids")
        if "attention_mask" in names if return_attention_mask is None else return_attention_mask:
            wanted.add("attention_mask")
        if return_special_tokens_mask:
            wanted.add("special_tokens_mask")
        if return_offsets_mapping:
            wanted.add("offset_mapping")
        fields = [name for name in _FIELDS if name in wanted]
        lengths = [max(n, length) for n in batch.lengths()]
        samples = batch.samples()
        if return_tensors is None:
            arguments = (length, side == "left", pad_id, pad_type_id)
            data: dict[str, Any] = {name: batch.lists(name, *arguments) for name in fields}
            if return_length:
                data["length"] = lengths
            if not batched and not return_overflowing_tokens:
                data = {k: v[0] if isinstance(v[0], list) else v for k, v in data.items()}
            if return_overflowing_tokens:
                data["overflow_to_sample_mapping"] = samples
        else:
            if len(set(lengths)) > 1:
                raise ValueError(
                    f"return_tensors={return_tensors!r}, but the rows have {min(lengths)} to {max(lengths)} "
                    "tokens; expected equal lengths: padding=True, and truncation=True if they may be long"
                )
            width = lengths[0] if lengths else 0
            data = {name: batch.padded(name, width, side == "left", pad_id, pad_type_id) for name in fields}
            import numpy as np

            if return_length:
                data["length"] = np.array(lengths, np.int64)
            if return_overflowing_tokens:
                data["overflow_to_sample_mapping"] = np.array(samples, np.int64)
            if return_tensors == "pt":
                import torch

                data = {k: torch.from_numpy(v) for k, v in data.items()}
        return BatchEncoding(
            data, _encodings(rows, samples, return_overflowing_tokens), 1 if pairs is None else 2
        )

    def _encode(
        self,
        texts: Sequence[Any],
        pairs: Sequence[Any] | None,
        shape: _Shape,
        add_special_tokens: bool,
        *,
        words: bool = False,
        stride: int = 0,
        overflow: bool = False,
        align: bool = False,
        split_special_tokens: bool | None = None,
    ) -> _engine.Batch:
        truncation, max_length = shape.truncation, shape.max_length
        if truncation != "do_not_truncate" and (max_length is None or max_length > _LARGE):
            truncation = "do_not_truncate"
        if max_length is not None and max_length < 0:
            raise ValueError(f"max_length is {max_length}; expected 0 or more")
        return self._engine.encode(
            texts,
            pairs,
            words=words,
            add_special_tokens=add_special_tokens,
            truncation=truncation,
            max_length=0 if truncation == "do_not_truncate" else max_length,
            stride=stride,
            truncate_left=self.truncation_side == "left",
            overflow=overflow,
            align=align,
            split_special_tokens=self.split_special_tokens
            if split_special_tokens is None
            else split_special_tokens,
        )

    def _shape(
        self,
        padding: bool | str | None,
        truncation: bool | str | None,
        max_length: int | None,
        stride: int,
        multiple: int | None,
        side: str | None,
        verbose: bool,
    ) -> tuple[_Shape, int, int | None, str]:
        """What a call asks for, defaults filled in: shape, stride, multiple to pad to, padding side."""
        side = _check_side("padding_side", self.padding_side if side is None else side)
        baked = self._source.truncation if self._call_defaults else None
        if baked and truncation is None and max_length is None:
            truncation, max_length, stride = baked["strategy"], baked["max_length"], stride or baked["stride"]
        elif max_length is not None and not padding and truncation is None:
            truncation = "longest_first"
        baked = self._source.padding if self._call_defaults else None
        if baked and padding is None:
            padding, side, multiple = True, baked["side"], multiple or baked["multiple_of"]
            if baked["length"] is not None:
                strategy = _name("truncation", truncation, _TRUNCATIONS)
                return _Shape("max_length", strategy, max_length, baked["length"]), stride, multiple, side
        pad, cut = _name("padding", padding, _PADDINGS), _name("truncation", truncation, _TRUNCATIONS)
        if padding is True and max_length is not None and cut == "do_not_truncate" and verbose:
            warnings.warn("max_length is ignored: padding=True and nothing truncates", stacklevel=3)
        if max_length is None and (pad == "max_length" or cut != "do_not_truncate"):
            max_length = None if self.model_max_length > _LARGE else self.model_max_length
            if max_length is None:
                pad, cut = ("do_not_pad" if pad == "max_length" else pad), "do_not_truncate"
        if pad != "do_not_pad" and self._named.get("pad_token") is None:
            raise ValueError("padding: the tokenizer has no padding token; set tokenizer.pad_token to one")
        if multiple is not None and multiple < 1:
            raise ValueError(f"pad_to_multiple_of is {multiple}; expected 1 or more")
        if (
            cut != "do_not_truncate"
            and pad != "do_not_pad"
            and multiple
            and max_length
            and max_length % multiple
        ):
            raise ValueError(
                f"max_length is {max_length} with truncation and padding; expected a multiple of "
                f"pad_to_multiple_of, {multiple}"
            )
        return _Shape(pad, cut, max_length, max_length or 0), stride, multiple, side

    def _pad_ids(self) -> tuple[int, int]:
        baked = self._source.padding if self._call_defaults else None
        if baked:
            return baked["pad_id"], baked["pad_type_id"]
        pad = self._named.get("pad_token")
        return (0 if pad is None else self._id(pad) or 0), self.pad_token_type_id

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> list[str]:
        """The tokens of a text, as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **kwargs).tokens()

    def encode(self, text: Texts, text_pair: Texts | None = None, **kwargs: Any) -> Any:
        """The input_ids of __call__."""
        return self(text, text_pair, **kwargs)["input_ids"]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return self._engine.special_count(pair)

    # --- decoding -----------------------------------------------------------------------------------

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> Any:
        """The text of ids: an int, a list, an array or a tensor; of several lists a list of texts."""
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        if isinstance(ids, Mapping):
            ids = ids["input_ids"]
        if isinstance(ids, int):
            ids = [ids]
        if len(ids) and (hasattr(ids[0], "__len__")):
            return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        text = self._engine.decode([int(i) for i in ids], skip_special_tokens)
        clean = (
            self.clean_up_tokenization_spaces
            if clean_up_tokenization_spaces is None
            else clean_up_tokenization_spaces
        )
        return self.clean_up_tokenization(text) if clean else text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> list[str]:
        """decode() of each row."""
        rows = sequences["input_ids"] if isinstance(sequences, Mapping) else sequences
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in rows]

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Takes out the spaces that decoding puts before punctuation and English contractions."""
        for end in (".", "?", "!", ","):
            text = text.replace(" " + end, end)
        text = text.replace(" ' ", "'")
        for end in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(" " + end, end)
        return text

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        return self._engine.join(list(tokens))

    # --- vocabulary ---------------------------------------------------------------------------------

    def _id(self, token: str) -> int | None:
        return self._engine.id_of(token)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """An id, or a list of them; unk_token_id where the vocabulary does not know the token."""
        if isinstance(tokens, str):
            token_id = self._id(tokens)
            if token_id is None and (unknown := self._named.get("unk_token")) is not None:
                token_id = self._id(unknown)
            return token_id
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """A token, or a list of them; None where no token has the id."""
        if isinstance(ids, int):
            return self._engine.token_of(ids)
        skip = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._engine.token_of(int(i)) for i in ids if int(i) not in skip]

    @property
    def vocab_size(self) -> int:
        """Without added tokens."""
        return self._engine.vocabulary_size

    def __len__(self) -> int:
        """With added tokens."""
        known = self._engine.vocabulary()
        return len(known) + sum(token.content not in known for token in self.added_tokens_decoder.values())

    def __bool__(self) -> bool:
        return True

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id, added ones included."""
        vocabulary = self._engine.vocabulary()
        vocabulary.update({token.content: token_id for token_id, token in self.added_tokens_decoder.items()})
        return vocabulary

    @property
    def vocab(self) -> dict[str, int]:
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id."""
        return {
            token_id: AddedToken(**flags) for token_id, flags in sorted(self._engine.added_tokens().items())
        }

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        return {token.content: token_id for token_id, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        return self.added_tokens_encoder

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Adds a token or a list of them; returns how many are new.

        Calls that other threads have begun end with the tokens they began with.
        """
        items = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        tokens = [AddedToken.read(token, special=special_tokens) for token in items]
        before = set(self._source.added_tokens)
        source = self._source.with_tokens([token for token in tokens if token not in before])
        self._engine, self._source = source.build(), source
        return len({token for token in tokens if token.content and token not in before})

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> int:
        """Sets special tokens by name (pad_token, ..., extra_special_tokens); returns how many are new."""
        count = 0
        for key, value in special_tokens_dict.items():
            if key in NAMED_TOKENS:
                count += self.add_tokens(value, special_tokens=True)
                self._named[key] = str(value)
            elif key in ("extra_special_tokens", "additional_special_tokens"):
                count += self.add_tokens(list(value), special_tokens=True)
                self._extra = [str(token) for token in value]
            else:
                raise ValueError(
                    f"{key!r} is no special token; expected {', '.join(NAMED_TOKENS)} or extra_special_tokens"
                )
        return count

    # --- special tokens -----------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        token = name.removesuffix("_id")
        if token in NAMED_TOKENS:
            value = self.__dict__.get("_named", {}).get(token)
            return value if value is None or token == name else self.convert_tokens_to_ids(value)
        raise AttributeError(f"Tokenizer has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        token = name.removesuffix("_id")
        if token not in NAMED_TOKENS:
            return super().__setattr__(name, value)
        if value is not None and name != token:
            value = self.convert_ids_to_tokens(value)
        if value is None:
            self._named.pop(token, None)
        else:
            self._named[token] = str(value)
        return None

    @property
    def special_tokens_map(self) -> dict[str, str]:
        return {name: self._named[name] for name in NAMED_TOKENS if name in self._named}

    @property
    def extra_special_tokens(self) -> list[str]:
        return list(self._extra)

    @property
    def all_special_tokens(self) -> list[str]:
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for the special tokens among ids that are already a row."""
        if not already_has_special_tokens or token_ids_1 is not None:
            raise ValueError(
                "get_special_tokens_mask: expected one finished row and already_has_special_tokens=True"
            )
        special = set(self.all_special_ids)
        return [int(int(i) in special) for i in token_ids_0]

    # --- the object ---------------------------------------------------------------------------------

    def _options(self) -> dict[str, Any]:
        return {
            "name_or_path": self.name_or_path,
            "named_tokens": dict(self._named),
            "extra_tokens": list(self._extra),
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "model_input_names": list(self.model_input_names),
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "split_special_tokens": self.split_special_tokens,
            "call_defaults": self._call_defaults,
        }

    def __reduce__(self) -> Any:
        return _rebuild, (self._source, self._options())

    def __repr__(self) -> str:
        return (
            f"Tokenizer(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={self.model_max_length}, padding_side={self.padding_side!r}, "
            f"special_tokens={self.special_tokens_map})"
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes tokenizer.json and tokenizer_config.json, which from_pretrained and transformers read."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        config = {"tokenizer_class": "TokenizersBackend", **self._options(), **self.special_tokens_map}
        for name in ("named_tokens", "call_defaults", "name_or_path"):
            del config[name]
        config["extra_special_tokens"] = config.pop("extra_tokens")
        files = []
        for name, content in (("tokenizer.json", self._source.to_json()), ("tokenizer_config.json", config)):
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (path / name).write_text(text + "\n", encoding="utf-8")
            files.append(str(path / name))
        return tuple(files)


def _rebuild(source: Source, options: dict[str, Any]) -> Tokenizer:
    return Tokenizer(source, **options)


def _check_side(name: str, side: str) -> str:
    if side not in ("left", "right"):
        raise ValueError(f'{name} is {side!r}; expected "left" or "right"')
    return side


def _name(argument: str, value: Any, meanings: Mapping[bool | None, str]) -> str:
    """A strategy's name: of True, False and None by `meanings`, of a str or an enum its value."""
    if value is None or isinstance(value, bool):
        return meanings[value]
    name = str(getattr(value, "value", value))
    known = ("longest", "max_length", "do_not_pad") if argument == "padding" else (
        "longest_first", "only_first", "only_second", "do_not_truncate")  # fmt: skip
    if name not in known:
        raise ValueError(f"{argument} is {value!r}; expected True, False or one of {', '.join(known)}")
    return name


def _as_batch(text: Any, pair: Any, words: bool) -> tuple[bool, Sequence[Any], Sequence[Any] | None]:
    """Whether several texts came, and the texts and second texts as lists."""
    if not isinstance(text, (str, list, tuple)):
        raise TypeError(f"text is a {type(text).__name__}; expected a str, a list of str, or lists of words")
    batched = not isinstance(text, str)
    if words:
        batched = batched and len(text) > 0 and isinstance(text[0], (list, tuple))
    if not batched:
        return False, [text], [pair] if pair else None
    if (
        pair is None
        and text
        and all(isinstance(item, tuple) and len(item) == 2 for item in text)
        and not words
    ):
        return True, [item[0] for item in text], [item[1] for item in text]
    if isinstance(pair, str):
        raise TypeError("text_pair is a str, but text is a list; expected a list of the same length")
    if pair is not None and len(pair) != len(text):
        raise ValueError(f"text has {len(text)} texts and text_pair {len(pair)}; expected as many")
    return True, text, pair


def _encodings(rows: Rows, samples: list[int], overflow: bool) -> list[Encoding]:
    """An Encoding per row; the first of a sample holds its overflowing ones."""
    if not overflow:
        return [Encoding(rows, row, []) for row in range(len(samples))]
    encodings: list[Encoding] = []
    first: Encoding | None = None
    for row, sample in enumerate(samples):
        encoding = Encoding(rows, row, [])
        if row and samples[row - 1] == sample and first is not None:
            first.overflowing.append(encoding)
        else:
            first = encoding
        encodings.append(encoding)
    return encodings
