"""Two texts in, a score out: sentence-transformers' CrossEncoder on the engine."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.auto import AutoModelForSequenceClassification
from fastplm.errors import UnsupportedError
from fastplm.pipelines.numbers import sigmoid, softmax
from fastplm.sentence.call import read_processing
from fastplm.sentence.headed import Headed, Settings, check_pool, load
from fastplm.sentence.inputs import Inputs
from fastplm.sentence.layers import ACTIVATIONS
from fastplm.sentence.prompts import prompt_of
from fastplm.settings import warn_of_unknown

_TOKENS = 8192  # of a call of the engine
_IDENTITY = "torch.nn.modules.linear.Identity"
_SIGMOID = "torch.nn.modules.activation.Sigmoid"


class CrossEncoder(Headed):
    """Scores pairs of texts that the model reads together.

    A pair's score does not depend on the pairs beside it, on their order or on the number of threads.
    """

    model_type = "CrossEncoder"

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
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        keep_in_fp32_modules: list[str] | None = None,
        dtype: Any = None,
    ) -> None:
        """Loads a folder or a hub id with a model for sequence classification.

        num_labels: of the head. max_length: tokens of a pair that are read. activation_fn: a function of
        logits, called with torch tensors; default: what the folder names, else the sigmoid of a single score
        and nothing for several. The others: as in SentenceEncoder.

        Raises what SentenceEncoder raises.
        """
        if keep_in_fp32_modules:
            raise UnsupportedError("keep_in_fp32_modules: given; expected None: heads are float32 always")
        config_kwargs = dict(config_kwargs or {}) | ({} if num_labels is None else {"num_labels": num_labels})
        processor_kwargs = dict(processor_kwargs or {})
        if max_length is not None:
            processor_kwargs["model_max_length"] = max_length
        given = Settings(
            device, cache_folder, trust_remote_code, revision, local_files_only, token, model_kwargs,
            processor_kwargs, config_kwargs, backend, modules, dtype,
        )  # fmt: skip
        self.transformer, config, places = load(
            model_name_or_path, given, "sequence-classification", AutoModelForSequenceClassification,
            "cross-encoder", ("Transformer",), self.model_type,
        )  # fmt: skip
        where = self.config.name_or_path
        if places:
            raise UnsupportedError(
                f"{where}: modules.json has {places[0][0]} behind the Transformer; expected none: a head for "
                "sequence classification gives the score"
            )
        honoured = ("prompts", "default_prompt_name", "model_type", "activation_fn", "keep_in_fp32_modules")
        warn_of_unknown(where, "config_sentence_transformers.json", config, honoured)
        if config.get("keep_in_fp32_modules"):
            raise UnsupportedError(f"{where}: keep_in_fp32_modules is set; heads are float32 always")
        self.prompts: dict[str, str] = {**(config.get("prompts") or {}), **(prompts or {})}
        self.default_prompt_name = default_prompt_name or config.get("default_prompt_name")
        prompt_of(self.prompts, self.default_prompt_name, None, None)
        self.activation_fn = activation_fn or self._activation(config.get("activation_fn"))

    @property
    def num_labels(self) -> int:
        """Scores of a pair."""
        count: int = self.config.num_labels
        return count

    @property
    def max_length(self) -> int:
        """`max_seq_length`, by its older name."""
        return self.max_seq_length

    @max_length.setter
    def max_length(self, length: int | None) -> None:
        self.max_seq_length = length

    def predict(
        self,
        inputs: Any,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        processing_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Scores float32 [n] of n pairs, or [n, num_labels]; of one pair its own.

        inputs: a pair of str, or a list of pairs. prompt, prompt_name: put before the first text of each.
        activation_fn: in place of the encoder's. apply_softmax: over several labels. batch_size: kept for
        scripts; pairs are packed by their tokens. convert_to_tensor: a torch tensor; neither that nor
        convert_to_numpy: a list of torch tensors. Raises ValueError, TypeError, UnsupportedError (pools).
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; expected a positive integer")
        check_pool(pool, device, chunk_size)
        pairs, single = _read(inputs)
        prompt = prompt_of(self.prompts, self.default_prompt_name, prompt, prompt_name)
        call = self.transformer.call(None, read_processing(processing_kwargs, "predict"))
        show = False if show_progress_bar is None and len(pairs.texts) <= batch_size else show_progress_bar
        rows = self.logits(pairs.prefixed(prompt), call, np.copy, _TOKENS, show)
        scores: Any = np.array([])  # no pairs, no scores: as sentence-transformers
        if rows:
            scores = _applied(activation_fn or self.activation_fn, np.stack(rows))
            scores = scores[:, 0] if self.num_labels == 1 and scores.ndim > 1 else scores
            scores = softmax(scores) if apply_softmax and scores.ndim > 1 else scores
        if convert_to_tensor or not convert_to_numpy:
            scores = arrays.to_torch(np.ascontiguousarray(scores, np.float32))
            scores = scores if convert_to_tensor else list(scores)
        return scores[0] if single else scores

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
    ) -> list[dict[str, Any]]:
        """[{"corpus_id": number of the document, "score": ...}, ...], the best first, with "text" if
        return_documents. The others: as in `predict`. Raises ValueError for a model of several labels.
        """
        if self.num_labels != 1:
            raise ValueError(f"rank: the model gives {self.num_labels} scores; expected 1: use predict")
        documents = list(documents)
        scores = self.predict(
            [(query, document) for document in documents], prompt_name, prompt, batch_size, show_progress_bar,
            activation_fn, device=device, pool=pool, chunk_size=chunk_size,
        )  # fmt: skip
        results: list[dict[str, Any]] = [
            {"corpus_id": number, "score": score} for number, score in enumerate(scores.tolist())
        ]
        if return_documents:
            for result in results:
                result["text"] = documents[result["corpus_id"]]
        return sorted(results, key=lambda result: result["score"], reverse=True)[:top_k]

    def _activation(self, named: Any) -> Callable[[Any], Any] | str:
        """The function that the folder names, or the default one."""
        ours = self.config.get("sentence_transformers")
        ours = ours.get("activation_fn") if isinstance(ours, dict) else None
        named = named or ours or self.config.get("sbert_ce_default_activation_function")
        if named is None:
            return _SIGMOID if self.num_labels == 1 else _IDENTITY
        path = named
        if isinstance(named, str) and named.startswith("torch.nn.") and named.count(".") == 2:
            end = named.removeprefix("torch.nn")
            path = next((known for known in ACTIVATIONS if known.endswith(end)), named)
        if path not in ACTIVATIONS:
            raise UnsupportedError(
                f"{self.config.name_or_path}: activation_fn is {named!r}; expected one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        if path in (_SIGMOID, _IDENTITY):
            return str(path)
        import torch

        function: Callable[[Any], Any] = getattr(torch.nn, path.rpartition(".")[2])()
        return function

    def __repr__(self) -> str:
        return f"CrossEncoder({self.model}, max_seq_length={self.max_seq_length})"


def _applied(function: Callable[[Any], Any] | str, logits: Any) -> Any:
    """function(logits); those that need no torch by name."""
    if function == _IDENTITY:
        return logits
    if function == _SIGMOID:
        return sigmoid(logits)
    if not callable(function):
        raise TypeError(f"activation_fn: {function!r}; expected a function of logits")
    return arrays.to_numpy(function(arrays.to_torch(logits)), "activation_fn")


def _read(given: Any) -> tuple[Inputs, bool]:
    """Pairs, and whether there was one by itself."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"inputs: a {type(given).__name__}; expected a pair of str, or a list of pairs")
    single = len(given) > 0 and not isinstance(given[0], list | tuple)
    pairs = [given] if single else list(given)
    for number, pair in enumerate(pairs):
        if len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise TypeError(f"inputs[{number}]: {repr(pair)[:80]}; expected two str")
    return Inputs([pair[0] for pair in pairs], [pair[1] for pair in pairs] if pairs else None), single
