"""The modules of an encoder: what encoder[0], encoder[1] and so on give."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from fastplm.arrays import I32
from fastplm.models import PreTrainedModel
from fastplm.pooling import POOLING_MODES
from fastplm.sentence.call import Call, Processing, merge, read_processing
from fastplm.sentence.inputs import Inputs, read_inputs
from fastplm.sentence.transformer_file import TransformerSettings
from fastplm.tokenizers.base.shape import NO_MAX_LENGTH
from fastplm.tokenizers.tokenizer import Tokenizer


class Transformer:
    """A tokenizer and a model. `model` is also called auto_model, and `tokenizer` processor."""

    modalities = ("text",)

    def __init__(self, tokenizer: Tokenizer, model: PreTrainedModel, settings: TransformerSettings) -> None:
        self.model = model
        limit = model.engine.max_length
        if limit is not None:
            tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
        self.tokenizer = tokenizer
        self.do_lower_case = settings.do_lower_case
        self.query_length = settings.query_length
        self.document_length = settings.document_length
        self.processing_kwargs = settings.processing

    @property
    def tokenizer(self) -> Tokenizer:
        """Its model_max_length is what texts are cut to."""
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer) -> None:
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"tokenizer: a {type(tokenizer).__name__}; expected one of fastplm.AutoTokenizer")
        self._tokenizer = tokenizer
        # Types of tokens: most give all tokens of a text 0, which is what the model takes them for.
        self._typed = "token_type_ids" in tokenizer.model_input_names
        self._typed_alone = self._typed and any(tokenizer("a", return_token_type_ids=True)["token_type_ids"])

    processor = tokenizer

    @property
    def auto_model(self) -> Any:
        """The model."""
        return self.model

    @property
    def config(self) -> Any:
        """The model's settings."""
        return self.model.config

    @property
    def max_seq_length(self) -> int:
        """Tokens of a text that are read; int(1e30): all."""
        return self.tokenizer.model_max_length

    @max_seq_length.setter
    def max_seq_length(self, length: int | None) -> None:
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise ValueError(f"max_seq_length: {length!r}; expected a positive integer or None")
        self.tokenizer.model_max_length = NO_MAX_LENGTH if length is None else length

    def get_embedding_dimension(self) -> int:
        """The width of a token's vector."""
        return self.model.engine.out_width

    get_word_embedding_dimension = get_embedding_dimension

    def call(
        self, task: str | None = None, processing: Processing | None = None, max_length: int | None = None
    ) -> Call:
        """How the tokenizer is called for a task ("query", "document" or any other)."""
        if max_length is None:
            lengths = {"query": self.query_length, "document": self.document_length}
            max_length = lengths.get(task or "")
        return merge(self.processing_kwargs, processing or {}, max_length)

    def pack(self, inputs: Inputs, call: Call) -> tuple[I32, I32, I32 | None]:
        """ids [tokens], cu_seqlens [n + 1] and, where they are not all 0, types [tokens]."""
        seconds = inputs.seconds
        if seconds is not None and None in seconds:
            return self._pack_mixed(inputs, call)
        typed = self._typed_alone if seconds is None else self._typed
        pairs: Any = seconds
        packed = self.tokenizer.encode_packed(
            inputs.texts, pairs, return_token_type_ids=typed, **call.arguments()
        )
        return packed[0], packed[1], packed[2] if typed else None

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        *,
        task: str | None = None,
        processing_kwargs: dict[str, Any] | None = None,
        max_length: int | None = None,
        return_tensors: str | None = "np",
    ) -> Any:
        """The padded batch that the model sees for a list of texts: input_ids, attention_mask, ...

        task, processing_kwargs: as in `encode`. max_length: of a text, where processing_kwargs say none.
        """
        if isinstance(inputs, str):
            raise TypeError("inputs: a str; expected a list of str")
        batch = read_inputs(inputs).prefixed(prompt)
        call = self.call(task, read_processing(processing_kwargs, "preprocess"), max_length)
        texts: list[Any] = batch.texts
        if batch.seconds is not None:
            texts = [a if b is None else (a, b) for a, b in zip(texts, batch.seconds, strict=True)]
        return self.tokenizer(texts, padding=True, return_tensors=return_tensors, **call.arguments())

    def tokenize(self, texts: Sequence[Any], return_tensors: str | None = "np", **kwargs: Any) -> Any:
        """`preprocess`, by its older name."""
        return self.preprocess(texts, return_tensors=return_tensors, **kwargs)

    def _pack_mixed(self, inputs: Inputs, call: Call) -> tuple[I32, I32, I32 | None]:
        """Texts and pairs: each stretch of one kind by itself."""
        assert inputs.seconds is not None
        parts, begin = [], 0
        for alone, stretch in groupby(inputs.seconds, lambda second: second is None):
            end = begin + len(list(stretch))
            part = inputs.part(begin, end)
            parts.append(self.pack(part._replace(seconds=None) if alone else part, call))
            begin = end
        ids = np.concatenate([part[0] for part in parts])
        lengths = np.concatenate([np.diff(part[1]) for part in parts])
        cu = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        if not self._typed:
            return ids, cu, None
        types = [np.zeros_like(part[0]) if part[2] is None else part[2] for part in parts]
        return ids, cu, np.concatenate(types)

    def prompt_length(self, prompt: str) -> int:
        """Tokens that a prompt puts at the start of a text, the special token before it included."""
        ids, *_ = self.pack(Inputs([prompt], None), self.call())
        ends_special = len(ids) > 0 and int(ids[-1]) in self.tokenizer.all_special_ids
        return len(ids) - ends_special

    def __repr__(self) -> str:
        return f"Transformer({self.model}, max_seq_length={self.max_seq_length})"


class Pooling:
    """How token vectors become one: by one mode, or by several whose results are concatenated.

    include_prompt: whether a prompt's tokens count.
    """

    def __init__(self, width: int, modes: tuple[str, ...], include_prompt: bool) -> None:
        self.embedding_dimension = width
        self.pooling_mode = modes
        self.include_prompt = include_prompt

    @property
    def pooling_mode(self) -> str | tuple[str, ...]:
        """A mode or several, of fastplm.pooling.POOLING_MODES."""
        return self.modes[0] if len(self.modes) == 1 else self.modes

    @pooling_mode.setter
    def pooling_mode(self, modes: Any) -> None:
        modes = (modes,) if isinstance(modes, str) else tuple(modes)
        if not modes or not set(modes) <= set(POOLING_MODES):
            raise ValueError(f"pooling_mode: {modes!r}; expected some of {', '.join(POOLING_MODES)}")
        self.modes: tuple[str, ...] = modes

    @property
    def pooling_output_dimension(self) -> int:
        """The width of the result."""
        return self.embedding_dimension * len(self.modes)

    def get_embedding_dimension(self) -> int:
        """The width of the result."""
        return self.pooling_output_dimension

    get_sentence_embedding_dimension = get_embedding_dimension

    def __repr__(self) -> str:
        return f"Pooling({' + '.join(self.modes)}, include_prompt={self.include_prompt})"
