"""Text in, weights of words out: sentence-transformers' SparseEncoder (SPLADE) on the engine."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm import similarity as similarities
from fastplm.auto import AutoModelForMaskedLM
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.sentence.call import read_processing
from fastplm.sentence.files import read_object
from fastplm.sentence.headed import Headed, Settings, check_pool, load
from fastplm.sentence.inputs import read_inputs
from fastplm.sentence.prompts import prompt_of
from fastplm.settings import warn_of_unknown

_LOGITS = 1 << 25  # of a call of the engine: its tokens times the vocabulary, in float32 128 MiB


class SparseEncoder(Headed):
    """Encodes texts to vectors of the vocabulary's size, most of whose values are 0.

    A text's vector is the largest (or the sum) over its tokens of log(1 + relu(logits)) of a masked language
    model. It does not depend on the texts beside it, on their order or on the number of threads.
    """

    model_type = "SparseEncoder"

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        modules: None = None,
        device: Any = "cpu",
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        model_card_data: Any = None,
        backend: str = "torch",
        similarity_fn_name: Any = None,
        max_active_dims: int | None = None,
        dtype: Any = None,
    ) -> None:
        """Loads a folder or a hub id with a masked language model.

        similarity_fn_name: default: the folder's, else "dot". max_active_dims: values that are kept, the
        largest; default: the folder's, else all. The others: as in SentenceEncoder, and it raises the same.
        """
        given = Settings(
            device, cache_folder, trust_remote_code, revision, local_files_only, token, model_kwargs,
            processor_kwargs, config_kwargs, backend, modules, dtype,
        )  # fmt: skip
        self.transformer, config, places = load(
            model_name_or_path, given, "fill-mask", AutoModelForMaskedLM, "sparse-encoder",
            ("Transformer", "MLMTransformer"), self.model_type,
        )  # fmt: skip
        where = self.config.name_or_path
        if len(places) > 1 or (places and places[0][0] != "SpladePooling"):
            raise UnsupportedError(
                f"{where}: modules.json has {', '.join(kind for kind, _ in places)}; expected SpladePooling "
                "alone behind the first"
            )
        self.pooling_strategy, self.twice = _pooling(places)
        honoured = ("prompts", "default_prompt_name", "model_type", "similarity_fn_name", "max_active_dims")
        warn_of_unknown(where, "config_sentence_transformers.json", config, honoured)
        named = {name: text or "" for name, text in (config.get("prompts") or {}).items()}
        self.prompts: dict[str, str] = {"query": "", "document": "", **named, **(prompts or {})}
        self.default_prompt_name = default_prompt_name or config.get("default_prompt_name")
        prompt_of(self.prompts, self.default_prompt_name, None, None)
        said = config.get("max_active_dims")
        self.max_active_dims = said if max_active_dims is None else max_active_dims
        _check_dims(self.max_active_dims)
        name = getattr(similarity_fn_name, "value", similarity_fn_name)
        self.similarity_fn_name = name or config.get("similarity_fn_name") or "dot"
        if self.similarity_fn_name not in similarities.FUNCTIONS:
            raise ValueError(
                f"similarity_fn_name: {self.similarity_fn_name!r}; expected one of "
                f"{', '.join(similarities.FUNCTIONS)}"
            )

    def encode(
        self,
        inputs: Any,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = True,
        convert_to_sparse_tensor: bool = True,
        save_to_cpu: bool = False,
        device: Any = None,
        max_active_dims: int | None = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        convert_to_numpy: bool = False,
        task: str | None = None,
        processing_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Vectors [n, vocabulary] of n texts; [vocabulary] of a single one.

        A sparse torch tensor; a dense one without convert_to_sparse_tensor; a list of them without
        convert_to_tensor; convert_to_numpy: a dense numpy array, without torch. save_to_cpu: they are there
        always. The others: as in SentenceEncoder. Raises ValueError, TypeError, UnsupportedError (pools).
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; expected a positive integer")
        check_pool(pool, device, chunk_size)
        dims = self.max_active_dims if max_active_dims is None else max_active_dims
        _check_dims(dims)
        batch = read_inputs(inputs)
        prompt = prompt_of(self.prompts, self.default_prompt_name, prompt, prompt_name)
        call = self.transformer.call(task, read_processing(processing_kwargs, "encode"))
        vocabulary = self.get_embedding_dimension()
        show = False if show_progress_bar is None and len(batch.texts) <= batch_size else show_progress_bar
        rows = self.logits(
            batch.prefixed(prompt), call, lambda logits: self._sparse(logits, dims),
            max(1, _LOGITS // vocabulary), show,
        )  # fmt: skip
        if convert_to_numpy:
            dense = _dense(rows, vocabulary)
            return dense[0] if batch.single else dense
        result = _tensor(rows, vocabulary)
        result = result if convert_to_sparse_tensor else result.to_dense()
        if batch.single:
            return result[0]
        return result if convert_to_tensor else list(result)

    def encode_query(self, inputs: Any, prompt_name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """`encode` for the task "query", with the prompt of that name unless another is asked for."""
        return self._encode_as("query", ("query",), inputs, prompt_name, *args, **kwargs)

    def encode_document(self, inputs: Any, prompt_name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """`encode` for the task "document", with the prompt called "document", "passage" or "corpus"."""
        return self._encode_as(
            "document", ("document", "passage", "corpus"), inputs, prompt_name, *args, **kwargs
        )

    def _encode_as(
        self, task: str, names: Sequence[str], inputs: Any, name: str | None, *args: Any, **kwargs: Any
    ) -> Any:
        if name is None and not args and kwargs.get("prompt") is None:
            name = next((other for other in names if other in self.prompts), None)
        return self.encode(inputs, name, *args, task=task, **kwargs)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n, m] of every embedding with every other, by `similarity_fn_name`."""
        pair = (embeddings1, embeddings2)
        if self.similarity_fn_name == "dot" and all(getattr(rows, "is_sparse", False) for rows in pair):
            first, second = (rows.unsqueeze(0) if rows.ndim == 1 else rows for rows in pair)
            return (first.coalesce() @ second.coalesce().T).to_dense()
        return similarities.similarity(_as_dense(pair[0]), _as_dense(pair[1]), self.similarity_fn_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n] of each embedding with its partner, by `similarity_fn_name`."""
        return similarities.similarity_pairwise(
            _as_dense(embeddings1), _as_dense(embeddings2), self.similarity_fn_name
        )

    def decode(self, embeddings: Any, top_k: int | None = None) -> Any:
        """The words and weights of an embedding, [(word, weight), ...], the heaviest first; of several a list
        of such lists. top_k: at most so many.
        """
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k: {top_k}; expected a positive integer")
        rows = arrays.to_numpy(_as_dense(embeddings), "embeddings")
        if rows.ndim not in (1, 2):
            raise ValueError(f"embeddings: shape {list(rows.shape)}; expected one or two dimensions")
        words = [self._words(row, top_k) for row in np.atleast_2d(rows)]
        return words[0] if rows.ndim == 1 else words

    def _words(self, row: Any, top_k: int | None) -> list[tuple[str, float]]:
        places = np.flatnonzero(row)
        places = places[np.argsort(-row[places], kind="stable")][:top_k]
        tokens = self.tokenizer.convert_ids_to_tokens(places.tolist())
        return list(zip(tokens, row[places].tolist(), strict=True))

    @staticmethod
    def sparsity(embeddings: Any) -> dict[str, float]:
        """active_dims: how many values are not 0, on average; sparsity_ratio: the share of those that are."""
        rows = np.atleast_2d(arrays.to_numpy(_as_dense(embeddings), "embeddings"))
        if not rows.size:
            return {"active_dims": 0.0, "sparsity_ratio": 1.0}
        active = float(np.count_nonzero(rows, axis=1).mean())
        return {"active_dims": active, "sparsity_ratio": 1 - active / rows.shape[1]}

    def get_embedding_dimension(self) -> int:
        """The size of the vocabulary."""
        return self.model.engine.vocab_size

    get_sentence_embedding_dimension = get_embedding_dimension

    def _sparse(self, logits: Any, dims: int | None) -> tuple[Any, Any]:
        """Places and values of a text's vector."""
        logits = np.maximum(logits, 0)
        if self.pooling_strategy == "max":  # the logarithm keeps the order
            values = self._weights(logits.max(axis=0))
        else:
            values = self._weights(logits).sum(axis=0)
        places = np.flatnonzero(values)
        if dims is not None and len(places) > dims:
            places = np.sort(places[np.argsort(-values[places], kind="stable")[:dims]])
        return places, values[places]

    def _weights(self, values: Any) -> Any:
        values = np.log1p(values)
        return np.log1p(values) if self.twice else values

    def __repr__(self) -> str:
        return f"SparseEncoder({self.model}, {self.pooling_strategy} pooling)"


def _pooling(places: list[tuple[str, Any]]) -> tuple[str, bool]:
    """The strategy, and whether the logarithm is taken twice."""
    path = places[0][1] / "config.json" if places else None
    config = read_object(path) if path is not None else {}
    strategy, function = config.get("pooling_strategy", "max"), config.get("activation_function", "relu")
    if strategy not in ("max", "sum"):
        raise CheckpointError(f"{path}: pooling_strategy is {strategy!r}; expected 'max' or 'sum'")
    if function not in ("relu", "log1p_relu"):
        raise CheckpointError(f"{path}: activation_function is {function!r}; expected 'relu' or 'log1p_relu'")
    warn_of_unknown(str(path), "Pooling", config, ("pooling_strategy", "activation_function"))
    return strategy, function == "log1p_relu"


def _check_dims(dims: Any) -> None:
    if dims is not None and (type(dims) is not int or dims < 1):
        raise ValueError(f"max_active_dims: {dims!r}; expected a positive integer or None")


def _dense(rows: list[tuple[Any, Any]], width: int) -> Any:
    dense = np.zeros((len(rows), width), np.float32)
    for row, (places, values) in zip(dense, rows, strict=True):
        row[places] = values
    return dense


def _tensor(rows: list[tuple[Any, Any]], width: int) -> Any:
    """A coalesced sparse tensor of torch."""
    import torch

    counts = [len(places) for places, _ in rows]
    lines = np.repeat(np.arange(len(rows)), counts)
    columns = np.concatenate([np.zeros(0, np.int64), *(places for places, _ in rows)])
    values = np.concatenate([np.zeros(0, np.float32), *(values for _, values in rows)])
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([lines, columns])), torch.from_numpy(values), (len(rows), width),
        is_coalesced=True,
    )  # fmt: skip


def _as_dense(embeddings: Any) -> Any:
    if isinstance(embeddings, list | tuple):
        return [_as_dense(row) for row in embeddings]
    return embeddings.to_dense() if getattr(embeddings, "is_sparse", False) else embeddings
