# What the native module binds. Arrays given to it are C-contiguous numpy arrays of exactly the dtypes named.
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

_F32 = npt.NDArray[np.float32]
_I32 = npt.NDArray[np.int32]

class Cache:
    """The keys and values of the tokens that a decoder has seen. columns: how many each padded row has."""

    columns: int
    rows: int
    nbytes: int

    def copy(self) -> Cache: ...
    def crop(self, columns: int) -> None: ...
    def reorder(self, rows: Sequence[int]) -> None: ...

class Model:
    """A loaded model. outputs: the names of its class's results beside hidden states. missing: the weights of
    its head that the checkpoint lacks, drawn at random. dtype, activation: of weights, of activations.
    rounds_cache: caches made from now on hold int8 codes.
    """

    dtype: str
    activation: str
    rounds_cache: bool
    width: int
    embed_width: int  # of input vectors
    out_width: int  # of the last hidden states
    layers: int
    heads: int
    vocab_size: int
    max_length: int | None
    encoder_window: int | None  # how far tokens see in the layers that see least
    decoder_window: int | None
    counts_shown: bool  # a decoder's positions leave out what the mask hides
    has_encoder: bool
    has_decoder: bool
    outputs: list[str]
    missing: list[str]
    nbytes: int

    def __init__(
        self,
        model_type: str,
        class_name: str,
        config: dict[str, Any],
        tensors: Sequence[tuple[str, str, str, Sequence[int], int, int]],
        dtype: str,
        optional: bool = True,
    ) -> None:
        """optional: whether results that a class may leave out, such as a pooler's, are made."""
    def encode(
        self,
        input_ids: npt.NDArray[Any] | None,
        inputs_embeds: npt.NDArray[Any] | None,
        attention_mask: npt.NDArray[Any] | None,
        position_ids: npt.NDArray[Any] | None,
        token_type_ids: npt.NDArray[Any] | None,
        gather: npt.NDArray[Any] | None,
        hidden_states: bool,
        attentions: bool,
        language_ids: npt.NDArray[Any] | None = None,
        remembered: npt.NDArray[Any] | None = None,
        pair_mask: npt.NDArray[Any] | None = None,
        targets: npt.NDArray[Any] | None = None,
        target_mask: npt.NDArray[Any] | None = None,
        backward: npt.NDArray[Any] | None = None,
    ) -> dict[str, Any]:
        """gather: [batch] columns whose rows the class's head takes, or with targets which target's.

        Of some families: remembered: [layers, batch, columns, width], of the states before; pair_mask: as an
        attention_mask of three dimensions, beside one of two; targets: [batch, targets] columns of tokens to
        be predicted, and target_mask: [batch, targets, columns]; backward: [batch].
        """
    def decode(
        self,
        input_ids: npt.NDArray[Any] | None,
        inputs_embeds: npt.NDArray[Any] | None,
        attention_mask: npt.NDArray[Any] | None,
        position_ids: npt.NDArray[Any] | None,
        gather: npt.NDArray[Any] | None,
        cache: Cache | None,
        encoder_states: npt.NDArray[Any] | None,
        encoder_mask: npt.NDArray[Any] | None,
        hidden_states: bool,
        attentions: bool,
        token_type_ids: npt.NDArray[Any] | None = None,
    ) -> dict[str, Any]:
        """attention_mask: of all columns, the cache's first."""
    def new_cache(self) -> Cache: ...
    def forward_packed(self, ids: _I32, cu_seqlens: _I32, token_type_ids: _I32 | None = None) -> _F32: ...
    def embed(
        self, ids: _I32, cu_seqlens: _I32, pooling: str, normalize: bool, token_type_ids: _I32 | None = None
    ) -> _F32: ...

def quantise(
    model_type: str, class_name: str, config: dict[str, Any], tensors: Sequence[Sequence[Any]], dtype: str
) -> list[tuple[str, str, str, tuple[int, ...], npt.NDArray[np.uint8]]]:
    """The matrices of a class's layers as integers: name, the tensor that it replaces or "", type, shape and
    bytes.
    """

def generate(
    model: Model,
    settings: dict[str, Any],
    prompts: _I32,
    sources: _I32 | None,
    cache: Cache | None,
    ids: _I32 | None,
    embeds: _F32 | None,
    mask: npt.NDArray[Any] | None,
    positions: _I32 | None,
    later_mask: npt.NDArray[Any] | None,
    states: _F32 | None,
    encoder_mask: npt.NDArray[Any] | None,
    texts: tuple[bytes, npt.NDArray[Any]] | None,
    process: Callable[[int, Any, Any], Any] | None,
    stop: Callable[[Any], Any] | None,
    put: Callable[[Any], Any] | None,
    called: Any,
    draft: Model | None,
) -> dict[str, Any]:
    """called: an object with prefill, step and select in place of the model's own forward pass."""

def process(
    processors: list[dict[str, Any]],
    ids: list[list[int]],
    sources: list[list[int]],
    scores: _F32,
    prompt: int,
    shown: int,
) -> _F32:
    """Scores [rows, vocab] after the processors. prompt, shown: of each row of ids, how many tokens are the
    prompt's and the first that counts."""

class Requests:
    """A batch of generation requests; `step` runs one token of each. step gives (request, new tokens, how it
    ended or None, tokens of the prompt that were there); raise_error raises what a failed request met."""

    def __init__(self, model: Model, requests: int, tokens: int, chunk: int, share: bool) -> None: ...
    def submit(
        self,
        settings: dict[str, Any],
        prompt: list[int],
        texts: tuple[bytes, npt.NDArray[Any]] | None,
        process: Callable[[int, Any, Any], Any] | None,
    ) -> int: ...
    def cancel(self, request: int) -> None: ...
    def step(self) -> list[tuple[int, list[int], str | None, int]]: ...
    def raise_error(self, request: int) -> None: ...
    def forget(self) -> None: ...
    def usage(self) -> dict[str, int]: ...

def family(model_type: str) -> dict[str, Any]: ...
def check_config(model_type: str, config: dict[str, Any]) -> None: ...
def architectures() -> list[str]: ...
def describe(model_type: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]: ...
def idle_share(lengths: list[int], threads: int) -> float: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def cpu_limits() -> dict[str, int]: ...
def trim_memory() -> None: ...
def isa() -> list[dict[str, Any]]: ...
def cuda_status() -> dict[str, Any]: ...

class Vocabulary:
    """Token i is bytes[begins[i]:ends[i]] (int64 [n]) and has the id ids[i] (int32 [n]). Immutable.

    parts: all tokens in a row, where each begins and the last ends, ids.
    """

    def __init__(self, bytes: bytes, begins: Any, ends: Any, ids: Any) -> None: ...
    def __len__(self) -> int: ...
    def id_of(self, token: str) -> int | None: ...
    def tokens(self) -> list[str]: ...
    def ids(self) -> _I32: ...
    def parts(self) -> tuple[bytes, npt.NDArray[np.int64], _I32]: ...
    def merge_sides(self, bytes: bytes, begins: Any, ends: Any) -> _I32: ...
    def merge_rules(self, sides: Any, prefix: int) -> _I32: ...

class Tokenizer:
    """Arrays in the settings, of int32 or float64, are long lists of numbers."""

    vocabulary_size: int

    def __init__(self, settings: dict[str, Any], vocabulary: Vocabulary) -> None: ...
    def with_settings(self, settings: dict[str, Any]) -> Tokenizer:
        """The same with these added_tokens and this post_processor, at once."""
    def encode(
        self,
        texts: Sequence[Any],
        pairs: Sequence[Any] | None,
        *,
        words: bool,
        add_special_tokens: bool,
        truncation: str,
        max_length: int | None,
        stride: int,
        truncate_left: bool,
        overflow: bool,
        align: bool,
        split_special_tokens: bool,
    ) -> Batch: ...
    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str: ...
    def join(self, tokens: Sequence[str]) -> str: ...
    def id_of(self, token: str) -> int | None: ...
    def token_of(self, id: int) -> str | None: ...
    def special_count(self, pair: bool) -> int: ...
    def added_tokens(self) -> dict[int, dict[str, Any]]: ...
    def vocabulary(self) -> dict[str, int]: ...

class WordCounts:
    """Distinct words, in the order of their bytes, with their counts."""

    size: int

    def most_frequent(self, min_frequency: int, limit: int) -> list[str]: ...

class WordCounter:
    """settings: the normalizer and the pre_tokenizer of tokenizer.json. add_lines: False, and nothing is
    counted, if the bytes are no UTF-8."""

    def __init__(self, settings: dict[str, Any]) -> None: ...
    def add(self, texts: list[str]) -> None: ...
    def add_lines(self, lines: bytes) -> bool: ...
    def take(self) -> WordCounts: ...

class BpeTrainer:
    """Learns merges when run: at most so many, and False when there are no more. size: tokens so far.
    merges: int32 [n, 2]."""

    size: int

    def __init__(
        self,
        words: WordCounts,
        *,
        vocab_size: int,
        min_frequency: int,
        special_tokens: list[str],
        limit_alphabet: int | None,
        initial_alphabet: list[int],
        continuing_subword_prefix: str,
        end_of_word_suffix: str,
        max_token_length: int | None,
    ) -> None: ...
    def run(self, merges: int) -> bool: ...
    def tokens(self) -> list[str]: ...
    def merges(self) -> _I32: ...

class UnigramTrainer:
    """step: one round, and False when it was the last. pieces: with log probabilities, the best first."""

    size: int

    def __init__(
        self,
        words: WordCounts,
        *,
        vocab_size: int,
        max_piece_length: int,
        shrinking_factor: float,
        sub_iterations: int,
        initial_alphabet: list[int],
        excluded: list[str],
    ) -> None: ...
    def step(self) -> bool: ...
    def pieces(self) -> list[tuple[str, float]]: ...

class DecodeStream:
    def __init__(self, skip_special_tokens: bool) -> None: ...
    def step(self, tokenizer: Tokenizer, id: int) -> str | None: ...

class Batch:
    """The rows of one call. Fields: input_ids, token_type_ids, attention_mask, special_tokens_mask,
    offset_mapping (pairs), word_ids and sequence_ids (-1: none). A length is that of padded rows."""

    rows: int
    longest: int
    shortest: int
    aligned: bool

    def lengths(self) -> list[int]: ...
    def samples(self) -> list[int]: ...
    def padded(
        self, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> npt.NDArray[np.int64]: ...
    def row(
        self, row: int, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> list[Any]: ...
    def written(self, row: int) -> dict[int, str]: ...
    def lists(
        self, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> list[list[Any]]: ...
    def packed(self) -> tuple[_I32, _I32]: ...
    def packed_types(self) -> _I32: ...
