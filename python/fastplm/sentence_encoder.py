"""Text in, embeddings out: sentence-transformers' SentenceTransformer on the engine."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from fastplm import arrays, pooling
from fastplm import similarity as similarities
from fastplm.arrays import F32, I32, Array
from fastplm.hub import resolve
from fastplm.models import AutoModel
from fastplm.progress import progress
from fastplm.sentence_modules import read_sentence_modules
from fastplm.tokenizer import AutoTokenizer

# One engine call: enough tokens to keep every core busy, few enough for the activations to stay small.
_TOKENS_PER_CALL = 8192
_TEXTS_PER_BLOCK = 8192  # tokenized at once
_UNLIMITED = 1_000_000_000  # tokenizer_config.json writes "no limit" as 1e30

# What the engine pools and normalises itself.
_ENGINE_POOLING = ("mean", "cls", "max", "mean_sqrt_len_tokens", "lasttoken")

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]


class SentenceEncoder:
    """Encodes texts to vectors as a sentence-transformers folder says: pooling, normalising, length, prompts.

    The result for a text does not depend on the texts beside it, on their order or on the number of threads.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        dtype: Any = "float32",
        device: Any = "cpu",
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        revision: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
    ) -> None:
        """Loads a folder or a hub id; dtype and device as in AutoModel.from_pretrained.

        prompts: {name: text to put before each sentence}, added to the model's own. default_prompt_name: the
        one used when a call names none. similarity_fn_name: "cosine", "dot", "euclidean" or "manhattan";
        default: the model's. truncate_dim: dimensions to keep.
        Raises what AutoModel.from_pretrained raises, and ValueError for an unknown prompt or similarity.
        """
        arrays.check_device(device)
        folder = resolve(
            model_name_or_path,
            revision=revision,
            cache_dir=cache_folder,
            token=token,
            local_files_only=local_files_only,
        )
        self._modules = read_sentence_modules(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(self._modules.folder)
        self.model = AutoModel.from_pretrained(self._modules.folder, dtype=dtype, device=device)
        self.prompts: dict[str, str | None] = {**self._modules.prompts, **(prompts or {})}
        self.default_prompt_name = default_prompt_name or self._modules.default_prompt_name
        self._prompt(None, self.default_prompt_name)
        self.similarity_fn_name = similarity_fn_name or self._modules.similarity
        self.truncate_dim = truncate_dim
        self.max_seq_length = self._longest()

    def encode(
        self,
        sentences: str | Sequence[str] | Array,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Any:
        """Embeddings float32 [n, dimensions] of n texts; [dimensions] of a single str.

        prompt_name, prompt: what to put before each text; a prompt wins over a name. batch_size: kept for
        scripts; texts are packed by their tokens, so it changes neither results nor speed: up to one batch
        shows no progress bar. show_progress_bar: None means on a terminal, once the work takes a second.

        output_value="token_embeddings": a list of [tokens, width], one for each text; None: a list of dicts
        with input_ids, attention_mask, token_embeddings, sentence_embedding. precision: fewer bits for
        a value, as in sentence-transformers (see fastplm.pooling.quantize). convert_to_tensor: torch tensors,
        not numpy arrays; neither that nor convert_to_numpy: a list of torch tensors. truncate_dim: dimensions
        to keep; normalize_embeddings: length 1, after that cut.

        Texts of more than max_seq_length tokens are cut there. Raises ValueError, TypeError.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; expected a positive integer")
        if precision not in pooling.PRECISIONS:
            raise ValueError(f"precision: {precision!r}; expected one of {', '.join(pooling.PRECISIONS)}")
        if output_value not in ("sentence_embedding", "token_embeddings", None):
            raise ValueError(
                f"output_value: {output_value!r}; expected sentence_embedding, token_embeddings or None"
            )
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        if keep is not None and keep < 1:
            raise ValueError(f"truncate_dim: {keep}; expected a positive integer")
        single = isinstance(sentences, str)
        texts = [sentences] if isinstance(sentences, str) else _texts(sentences)
        before = self._prompt(prompt, prompt_name)
        if before:
            texts = [before + text for text in texts]
        skip = self._prompt_length(before) if before and not self._modules.include_prompt else 0
        show = False if show_progress_bar is None and len(texts) <= batch_size else show_progress_bar
        as_torch = convert_to_tensor or not convert_to_numpy

        with progress(len(texts), "text", show) as advance:
            if output_value != "sentence_embedding":
                items = [
                    item
                    for ids, cu in self._packed(texts, advance)
                    for item in self._tokens(
                        ids, cu, skip, normalize_embeddings, keep, output_value is None, as_torch
                    )
                ]
                return items[0] if single else items
            embeddings = np.empty((len(texts), self._width(keep)), np.float32)
            done = 0
            for ids, cu in self._packed(texts, advance):
                embeddings[done : done + len(cu) - 1] = self._embed(ids, cu, skip, normalize_embeddings, keep)
                done += len(cu) - 1
        result: Any = np.empty(0, np.float32)  # no texts, no dimensions: as sentence-transformers
        if texts:
            result = pooling.quantize(embeddings, precision)
        if as_torch:
            result = arrays.to_torch(result)
            result = result if convert_to_tensor else list(result)
        return result[0] if single else result

    def encode_query(self, sentences: str | Sequence[str], **kwargs: Any) -> Any:
        """`encode` with the prompt called "query", if there is one and no other is asked for."""
        return self._encode_with(("query",), sentences, kwargs)

    def encode_document(self, sentences: str | Sequence[str], **kwargs: Any) -> Any:
        """`encode` with the prompt called "document", "passage" or "corpus", unless another is asked for."""
        return self._encode_with(("document", "passage", "corpus"), sentences, kwargs)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n, m] of every embedding with every other, by `similarity_fn_name`."""
        return similarities.similarity(embeddings1, embeddings2, self.similarity_fn_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n] of each embedding with its partner, by `similarity_fn_name`."""
        return similarities.similarity_pairwise(embeddings1, embeddings2, self.similarity_fn_name)

    def tokenize(self, texts: Sequence[str], return_tensors: str | None = "np") -> Any:
        """The padded batch that the model sees for `texts`: input_ids, attention_mask, ..."""
        limit = self.max_seq_length
        return self.tokenizer(
            self._lower(list(texts)), padding=True, truncation=limit is not None, max_length=limit,
            return_tensors=return_tensors,
        )  # fmt: skip

    def get_sentence_embedding_dimension(self) -> int:
        """The number of dimensions that `encode` returns."""
        return self._width(self.truncate_dim)

    get_embedding_dimension = get_sentence_embedding_dimension

    @property
    def similarity_fn_name(self) -> str:
        """The function behind `similarity`."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: str) -> None:
        if name not in similarities.FUNCTIONS:
            raise ValueError(
                f"similarity_fn_name: {name!r}; expected one of {', '.join(similarities.FUNCTIONS)}"
            )
        self._similarity = name

    @property
    def device(self) -> Any:
        """Where the model computes."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """What the model computes in. Embeddings are float32 always."""
        return self.model.dtype

    def __repr__(self) -> str:
        after = ", normalized" if self._modules.normalize else ""
        return f"SentenceEncoder({self.model}, {' + '.join(self._modules.pooling)} pooling{after})"

    def _encode_with(self, names: Iterable[str], sentences: Any, kwargs: dict[str, Any]) -> Any:
        if kwargs.get("prompt_name") is None and kwargs.get("prompt") is None:
            kwargs["prompt_name"] = next((name for name in names if name in self.prompts), None)
        return self.encode(sentences, **kwargs)

    def _longest(self) -> int | None:
        """Tokens a text may have: what the folder says, within what the model takes."""
        limit = self._modules.max_seq_length
        if limit is None:
            limit = getattr(self.tokenizer, "model_max_length", None)
        limits = [n for n in (limit, self.model.engine.max_length) if n is not None and n < _UNLIMITED]
        return int(min(limits)) if limits else None

    def _prompt(self, prompt: str | None, name: str | None) -> str | None:
        if prompt is not None:
            return prompt
        name = self.default_prompt_name if name is None else name
        if name is not None and name not in self.prompts:
            raise ValueError(f"prompt_name: {name!r}; expected one of {list(self.prompts)}")
        return None if name is None else self.prompts[name]

    def _prompt_length(self, prompt: str) -> int:
        """Tokens that a prompt puts at the start of a text, the special token before it included."""
        ids, _ = self._pack([prompt])
        ends_special = len(ids) > 0 and int(ids[-1]) in self.tokenizer.all_special_ids
        return len(ids) - ends_special

    def _lower(self, texts: list[str]) -> list[str]:
        if not self._modules.do_lower_case:
            return texts
        return [text.replace("\u03a3", "\u03c3").lower() for text in texts]  # no final sigma: by character

    def _pack(self, texts: list[str]) -> tuple[I32, I32]:
        limit = self.max_seq_length
        ids, cu_seqlens = self.tokenizer.encode_packed(
            self._lower(texts), add_special_tokens=True, truncation=limit is not None, max_length=limit
        )
        return ids, cu_seqlens

    def _packed(self, texts: list[str], advance: Any) -> Iterator[tuple[I32, I32]]:
        """The texts' tokens in order, in pieces of whole texts for one engine call each."""
        for first in range(0, len(texts), _TEXTS_PER_BLOCK):
            ids, cu = self._pack(texts[first : first + _TEXTS_PER_BLOCK])
            begin = 0
            while begin < len(cu) - 1:
                end = int(np.searchsorted(cu, cu[begin] + _TOKENS_PER_CALL, side="right")) - 1
                end = max(begin + 1, end)
                yield ids[cu[begin] : cu[end]], cu[begin : end + 1] - cu[begin]
                advance(end - begin)
                begin = end

    def _embed(self, ids: I32, cu: I32, skip: int, unit: bool, keep: int | None) -> F32:
        """Text vectors [n, dimensions] of packed tokens. skip: a prompt's tokens, kept out of pooling."""
        modes = self._modules.pooling
        if skip == 0 and len(modes) == 1 and modes[0] in _ENGINE_POOLING:
            whole = self._modules.normalize or (unit and keep is None)
            return _cut(self.model.engine.embed(ids, cu, modes[0], whole), keep, unit)
        return self._pool(self.model.engine.forward_packed(ids, cu), cu, skip, unit, keep)

    def _pool(self, hidden: F32, cu: I32, skip: int, unit: bool, keep: int | None) -> F32:
        rows = pooling.pool(hidden, cu, self._modules.pooling, skip)
        if self._modules.normalize or (unit and keep is None):
            rows = pooling.normalize(rows)
        return _cut(rows, keep, unit)

    def _tokens(
        self, ids: I32, cu: I32, skip: int, unit: bool, keep: int | None, everything: bool, as_torch: bool
    ) -> Iterator[Any]:
        """Each text's token vectors; with all else there is to say about it if `everything`."""
        give = arrays.to_torch if as_torch else lambda array: array
        hidden = self.model.engine.forward_packed(ids, cu)
        rows = self._pool(hidden, cu, skip, unit, keep) if everything else None
        for i, (begin, end) in enumerate(zip(cu[:-1].tolist(), cu[1:].tolist(), strict=True)):
            tokens = give(hidden[begin:end].copy())
            if rows is None:
                yield tokens
                continue
            text = ids[begin:end].astype(np.int64)
            yield {
                "input_ids": give(text),
                "attention_mask": give(np.ones_like(text)),
                "token_embeddings": tokens,
                "sentence_embedding": give(rows[i].copy()),
            }

    def _width(self, keep: int | None) -> int:
        width = self.model.engine.width * len(self._modules.pooling)
        return width if keep is None else min(width, keep)


def _cut(rows: F32, keep: int | None, unit: bool) -> F32:
    if keep is None:
        return rows
    rows = np.ascontiguousarray(rows[:, :keep])
    return pooling.normalize(rows) if unit else rows


def _texts(sentences: Any) -> list[str]:
    texts = sentences.tolist() if isinstance(sentences, np.ndarray) else list(sentences)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"sentences[{i}]: a {type(text).__name__}; expected a str")
    return texts
