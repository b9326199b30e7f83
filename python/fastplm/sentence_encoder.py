"""Text in, embeddings out: sentence-transformers' SentenceTransformer on the engine."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from fastplm import arrays, pooling
from fastplm import similarity as similarities
from fastplm.errors import UnsupportedError
from fastplm.progress import progress
from fastplm.sentence.call import read_processing
from fastplm.sentence.compute import Pipeline, Request
from fastplm.sentence.container import Container, NoCard
from fastplm.sentence.files import read_sentence_folder
from fastplm.sentence.inputs import read_inputs
from fastplm.sentence.layers import read_layer
from fastplm.sentence.loading import find, load_model, load_tokenizer, without_places
from fastplm.sentence.modules import Pooling, Transformer
from fastplm.sentence.processes import Pool, borrowed_pool, run_in_pool, start_pool, stop_pool
from fastplm.sentence.prompts import prompt_of
from fastplm.sentence.static import StaticEmbedding

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
Output = Literal["sentence_embedding", "token_embeddings"]

_MISSING: Any = object()
_INSTRUCTORS = ("hkunlp/instructor-base", "hkunlp/instructor-large", "hkunlp/instructor-xl")
_POOL_DEVICES = ["cpu"] * 4  # of a pool that nobody has chosen the size of


class SentenceEncoder(Container):
    """Encodes texts to vectors as a sentence-transformers folder says: pooling, normalising, length, prompts.

    The result for a text does not depend on the texts beside it, on their order or on the number of threads.
    encoder[0] is the Transformer (tokenizer and model), encoder[1] the Pooling; after them come Dense,
    LayerNorm, Normalize and Dropout modules. Or encoder[0] is a StaticEmbedding, without a Pooling. An
    encoder can be copied (the copy shares the weights) and pickled (they are loaded again).
    """

    model_type = "SentenceTransformer"
    SUPPORTED_SIMILARITY_FN_NAMES = similarities.FUNCTIONS

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
        use_auth_token: str | bool | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        model_card_data: Any = None,
        backend: str = "torch",
        similarity_fn_name: Any = None,
        truncate_dim: int | None = None,
        dtype: Any = None,
    ) -> None:
        """Loads a folder or a hub id.

        dtype: as in AutoModel.from_pretrained; default: what model_kwargs or the folder name, else float32.
        device: "cpu" or None. prompts: {name: text to put before each sentence}, which come before the
        model's own. default_prompt_name: the one used when a call names none. similarity_fn_name: "cosine",
        "dot", "euclidean" or "manhattan"; default: the model's. truncate_dim: dimensions to keep; default:
        the model's. model_kwargs, processor_kwargs (or tokenizer_kwargs, its older name): arguments of
        AutoModel.from_pretrained and AutoTokenizer.from_pretrained; config_kwargs: settings in place of
        config.json's; all three come before what the folder says. cache_folder: default
        $SENTENCE_TRANSFORMERS_HOME. model_card_data is kept for evaluators; no card is written.

        Raises what those two raise, UnsupportedError for another backend, and ValueError for an unknown
        prompt or similarity.
        """
        arrays.check_device(device)
        if modules is not None:
            raise UnsupportedError("modules: fastplm's encoders are made from a folder or a hub id alone")
        if backend != "torch":
            raise UnsupportedError(
                f'backend: {backend!r}; expected "torch": fastplm computes everything itself'
            )
        hub = {
            "revision": revision,
            "cache_dir": cache_folder or os.environ.get("SENTENCE_TRANSFORMERS_HOME"),
            "local_files_only": local_files_only,
        }
        token = _token(token, use_auth_token)
        call = {**hub, "token": token, "trust_remote_code": trust_remote_code}
        model_kwargs = without_places("model_kwargs", model_kwargs, call)
        config_kwargs = without_places("config_kwargs", config_kwargs, call)
        processor_kwargs = without_places(
            "processor_kwargs", tokenizer_kwargs if processor_kwargs is None else processor_kwargs, call
        )
        folder, source = find(model_name_or_path, hub, token)
        said = read_sentence_folder(folder)
        place = folder / said.place
        kwargs = (dtype, model_kwargs, config_kwargs, trust_remote_code)
        made: list[Any]
        if said.transformer is None:
            if dtype is not None or model_kwargs or config_kwargs or processor_kwargs:
                raise UnsupportedError(f"{folder}: dtype or kwargs given; a static embedding takes none")
            made = [StaticEmbedding.load(place)]
            width = made[0].width
        else:
            tokenizer = load_tokenizer(place, said.transformer, processor_kwargs)
            if not said.described and tokenizer.chat_template is not None:
                raise UnsupportedError(
                    f"{folder}: has a chat template and no modules.json of a SentenceTransformer, so that "
                    "sentence-transformers writes each text as a chat; fastplm does not: save the model with "
                    "sentence_transformers, or take the template out"
                )
            model = load_model(place, said.transformer, *kwargs)
            # A pickle finds the weights by the name that the caller knows: its cache may lie elsewhere.
            model._source = source._replace(hub={**source.hub, "subfolder": said.place or None})
            # those of INSTRUCTOR do not say it
            include_prompt = said.include_prompt and model_name_or_path not in _INSTRUCTORS
            made = [
                Transformer(tokenizer, model, said.transformer),
                Pooling(model.engine.out_width, said.pooling, include_prompt),
            ]
            width = made[1].pooling_output_dimension
        for kind, layer_folder in said.layers:
            layer, width = read_layer(kind, layer_folder, width)
            made.append(layer)
        self._modules: dict[str, Any] = dict(zip(said.names, made, strict=True))
        self.model_card_data = model_card_data or NoCard()
        given = {name: text for name, text in (prompts or {}).items() if text is not None}
        all_prompts = {"query": None, "document": None, **said.prompts, **given}
        self.prompts: dict[str, str] = {name: text or "" for name, text in all_prompts.items()}
        self.default_prompt_name = default_prompt_name or said.default_prompt_name
        self._prompt(None, self.default_prompt_name)
        self.similarity_fn_name = similarity_fn_name or said.similarity
        self.truncate_dim = said.truncate_dim if truncate_dim is None else truncate_dim

    def encode(
        self,
        inputs: Any = _MISSING,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Output | None = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Pool | None = None,
        chunk_size: int | None = None,
        *,
        task: str | None = None,
        processing_kwargs: dict[str, Any] | None = None,
        sentences: Any = _MISSING,
    ) -> Any:
        """Embeddings float32 [n, dimensions] of n texts; [dimensions] of a single one.

        inputs (or sentences, its older name): a str, a list of them, or pairs of str that are read together;
        {"text": ...} is its text. prompt_name, prompt: what to put before each text; a prompt wins over a
        name. task: "query" or "document", whose length the folder may limit. processing_kwargs: arguments of
        the tokenizer, {"text": {"max_length": 64}}. batch_size: kept for scripts; texts are packed by their
        tokens, so it changes neither results nor speed: up to one batch shows no progress bar.
        show_progress_bar: None means on a terminal, once the work takes a second.

        output_value="token_embeddings": a list of [tokens, width], one for each text; None: a list of dicts
        with input_ids, attention_mask, token_embeddings, sentence_embedding. precision: fewer bits for
        a value, as in sentence-transformers (see fastplm.pooling.quantize). convert_to_tensor: torch tensors,
        not numpy arrays; neither that nor convert_to_numpy: a list of torch tensors. truncate_dim: dimensions
        to keep; normalize_embeddings: length 1, after that cut.

        pool: of start_multi_process_pool; its processes take chunk_size texts at a time. device: "cpu", or a
        list with a device for each process of a pool for this call.

        Texts of more than max_seq_length tokens are cut there. Raises ValueError, TypeError.
        """
        batch = read_inputs(_given(inputs, sentences))
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; expected a positive integer")
        precision = precision or "float32"
        if precision not in pooling.PRECISIONS:
            raise ValueError(f"precision: {precision!r}; expected one of {', '.join(pooling.PRECISIONS)}")
        if output_value not in ("sentence_embedding", "token_embeddings", None):
            raise ValueError(
                f"output_value: {output_value!r}; expected sentence_embedding, token_embeddings or None"
            )
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        if keep is not None and keep < 1:
            raise ValueError(f"truncate_dim: {keep}; expected a positive integer")
        processing = read_processing(processing_kwargs, "encode")
        request = Request(
            self._prompt(prompt, prompt_name), task, processing, output_value, keep, normalize_embeddings
        )
        devices = device if isinstance(device, list) and device else None
        if devices is None:
            arrays.check_device(device)
        show = False if show_progress_bar is None and len(batch.texts) <= batch_size else show_progress_bar
        if (pool is not None or devices) and batch.texts:
            with borrowed_pool(self, pool, devices) as processes:
                results = run_in_pool(processes, batch, request, chunk_size, show)
        else:
            with progress(len(batch.texts), "text", show) as advance:
                results = self.pipeline().run(batch, request, advance)
        as_torch = convert_to_tensor or not convert_to_numpy
        if output_value != "sentence_embedding":
            items = [_as_torch(item) for item in results] if as_torch else results
            return items[0] if batch.single else items
        result: Any = np.empty(0, np.float32)  # no texts, no dimensions: as sentence-transformers
        if batch.texts:
            result = pooling.quantize(results, precision)
        if as_torch:
            result = arrays.to_torch(result)
            result = result if convert_to_tensor else list(result)
        return result[0] if batch.single else result

    def encode_query(
        self, inputs: Any = _MISSING, prompt_name: str | None = None, prompt: str | None = None, *args: Any,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        """`encode` for the task "query", with the prompt of that name unless another is asked for."""
        name = self._prompt_name(("query",), prompt_name, prompt)
        return self.encode(inputs, name, prompt, *args, task="query", **kwargs)

    def encode_document(
        self, inputs: Any = _MISSING, prompt_name: str | None = None, prompt: str | None = None, *args: Any,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        """`encode` for the task "document", with the prompt called "document", "passage" or "corpus"."""
        name = self._prompt_name(("document", "passage", "corpus"), prompt_name, prompt)
        return self.encode(inputs, name, prompt, *args, task="document", **kwargs)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n, m] of every embedding with every other, by `similarity_fn_name`."""
        return similarities.similarity(embeddings1, embeddings2, self.similarity_fn_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores [n] of each embedding with its partner, by `similarity_fn_name`."""
        return similarities.similarity_pairwise(embeddings1, embeddings2, self.similarity_fn_name)

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any) -> Any:
        """The padded batch that the model sees for a list of texts: see Transformer.preprocess."""
        return self[0].preprocess(inputs, prompt, **kwargs)

    def tokenize(self, texts: Sequence[Any], return_tensors: str | None = "np", **kwargs: Any) -> Any:
        """`preprocess`, by its older name."""
        return self[0].preprocess(texts, return_tensors=return_tensors, **kwargs)

    def start_multi_process_pool(self, target_devices: list[Any] | None = None) -> Pool:
        """Processes that hold this encoder, one for each of the devices (default: four on the CPU).

        For encode(pool=...), which needs none to use every core: one encoder does. They are spawned, so a
        script that starts them needs `if __name__ == "__main__":`; stop_multi_process_pool ends them.
        """
        return start_pool(self, _POOL_DEVICES if target_devices is None else target_devices)

    @staticmethod
    def stop_multi_process_pool(pool: Pool) -> None:
        """Ends the processes of a pool."""
        stop_pool(pool)

    def encode_multi_process(
        self,
        sentences: list[Any],
        pool: Pool,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        chunk_size: int | None = None,
        show_progress_bar: bool | None = None,
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Any:
        """`encode` with a pool, by its older name."""
        return self.encode(
            sentences, prompt_name, prompt, batch_size, show_progress_bar, precision=precision,
            normalize_embeddings=normalize_embeddings, truncate_dim=truncate_dim, pool=pool,
            chunk_size=chunk_size,
        )  # fmt: skip

    def get_embedding_dimension(self) -> int:
        """The number of dimensions that `encode` returns."""
        return self.pipeline().width(self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Within the `with` block, embeddings have `truncate_dim` dimensions."""
        before, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    @property
    def similarity_fn_name(self) -> str:
        """The function behind `similarity`. None stands for "cosine"; an enum for its value."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: Any) -> None:
        name = getattr(name, "value", name) or "cosine"
        if name not in similarities.FUNCTIONS:
            raise ValueError(
                f"similarity_fn_name: {name!r}; expected one of {', '.join(similarities.FUNCTIONS)}"
            )
        self._similarity: str = name

    def pipeline(self) -> Pipeline:
        """The modules as what computes embeddings."""
        return Pipeline(list(self))

    def __repr__(self) -> str:
        return f"SentenceEncoder({', '.join(map(repr, self))})"

    def _prompt(self, prompt: str | None, name: str | None) -> str | None:
        """What to put before each text."""
        return prompt_of(self.prompts, self.default_prompt_name, prompt, name)

    def _prompt_name(self, names: tuple[str, ...], name: str | None, prompt: str | None) -> str | None:
        """`name`, or the first of `names` that there is where nothing is asked for."""
        if name is not None or prompt is not None:
            return name
        return next((other for other in names if other in self.prompts), None)

    @staticmethod
    def load(input_path: str | os.PathLike[str]) -> "SentenceEncoder":
        """The encoder of a folder: SentenceEncoder(input_path)."""
        return SentenceEncoder(input_path)

    @staticmethod
    def is_singular_input(inputs: Any) -> bool:
        """Whether `encode` gives one embedding for `inputs`, not one for each item in them."""
        return read_inputs(inputs).single


SentenceTransformer = SentenceEncoder  # by the name it has in sentence_transformers


def _given(inputs: Any, sentences: Any) -> Any:
    """The one of two names of an argument that was used."""
    if (inputs is _MISSING) == (sentences is _MISSING):
        got = "neither" if inputs is _MISSING else "both"
        raise TypeError(f"inputs and sentences: got {got}; expected one of them")
    return sentences if inputs is _MISSING else inputs


def _token(token: str | bool | None, old: str | bool | None) -> str | bool | None:
    """The token, which `use_auth_token` named once."""
    if old is None:
        return token
    if token is not None:
        raise ValueError("token and use_auth_token: got both; expected token")
    warnings.warn("use_auth_token is deprecated: use token", FutureWarning, stacklevel=3)
    return old


def _as_torch(item: Any) -> Any:
    """An array, or the arrays of a dict, as torch tensors."""
    if isinstance(item, dict):
        return {name: arrays.to_torch(array) for name, array in item.items()}
    return arrays.to_torch(item)
