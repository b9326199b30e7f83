"""What encoders whose model has a head share: a folder to a tokenizer and a model, texts to its logits."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fastplm import arrays
from fastplm.errors import UnsupportedError
from fastplm.models import AutoModel, PreTrainedModel
from fastplm.pipelines.batches import Row, run
from fastplm.progress import progress
from fastplm.sentence.call import Call
from fastplm.sentence.files import read_modules, read_object
from fastplm.sentence.inputs import Inputs
from fastplm.sentence.loading import find, load_model, load_tokenizer, without_places
from fastplm.sentence.modules import Transformer
from fastplm.sentence.transformer_file import read_transformer_settings
from fastplm.tokenizers.tokenizer import Tokenizer

_BLOCK = 2048  # texts that are tokenized and sorted together


class Settings(NamedTuple):
    """The arguments of an encoder's maker, as in SentenceEncoder."""

    device: Any
    cache_folder: str | os.PathLike[str] | None
    trust_remote_code: bool
    revision: str | None
    local_files_only: bool
    token: str | bool | None
    model_kwargs: dict[str, Any] | None
    processor_kwargs: dict[str, Any] | None
    config_kwargs: dict[str, Any] | None
    backend: str
    modules: None
    dtype: Any


class Loaded(NamedTuple):
    """transformer: tokenizer and model. config: of config_sentence_transformers.json, {} without it.
    places: kind and folder of the modules behind the first.
    """

    transformer: Transformer
    config: dict[str, Any]
    places: list[tuple[str, Path]]


def load(
    name: str | os.PathLike[str], given: Settings, task: str, auto: type[AutoModel], owner: str,
    kinds: tuple[str, ...], family: str,
) -> Loaded:  # fmt: skip
    """The folder or hub id `name`, whose first module, of one of `kinds`, is a Transformer for `task`.

    family: the model_type of its config_sentence_transformers.json. Raises what SentenceEncoder raises.
    """
    arrays.check_device(given.device)
    if given.modules is not None:
        raise UnsupportedError("modules: fastplm's encoders are made from a folder or a hub id alone")
    if given.backend != "torch":
        raise UnsupportedError(
            f'backend: {given.backend!r}; expected "torch": fastplm computes everything itself'
        )
    hub = {
        "revision": given.revision,
        "cache_dir": given.cache_folder or os.environ.get("SENTENCE_TRANSFORMERS_HOME"),
        "local_files_only": given.local_files_only,
    }
    call = {**hub, "token": given.token, "trust_remote_code": given.trust_remote_code}
    kwargs = {
        name: without_places(name, getattr(given, name), call)
        for name in ("model_kwargs", "processor_kwargs", "config_kwargs")
    }
    folder, source = find(name, hub, given.token, owner)
    path = folder / "config_sentence_transformers.json"
    config = read_object(path) if path.exists() else {}
    if config.get("model_type", family) != family:
        raise UnsupportedError(f"{path}: model_type is {config['model_type']!r}; expected {family}")
    first, places = "", []
    path = folder / "modules.json"
    if path.exists():
        modules = read_modules(path)
        if modules[0].kind not in kinds:
            raise UnsupportedError(
                f"{path}: module 0 is {modules[0].kind}; expected one of {', '.join(kinds)}"
            )
        first, places = modules[0].place, [(module.kind, folder / module.place) for module in modules[1:]]
    place = folder / first
    settings = read_transformer_settings(place, task)
    tokenizer = load_tokenizer(place, settings, kwargs["processor_kwargs"])
    model = load_model(
        place, settings, given.dtype, kwargs["model_kwargs"], kwargs["config_kwargs"],
        given.trust_remote_code, auto,
    )  # fmt: skip
    model._source = source._replace(hub={**source.hub, "subfolder": first or None})
    return Loaded(Transformer(tokenizer, model, settings), config, places)


class Headed:
    """A Transformer whose model has a head."""

    transformer: Transformer

    @property
    def model(self) -> PreTrainedModel:
        """The model, a fastplm.PreTrainedModel."""
        return self.transformer.model

    transformers_model = model

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, of fastplm.AutoTokenizer."""
        return self.transformer.tokenizer

    @property
    def config(self) -> Any:
        """The model's settings."""
        return self.model.config

    @property
    def device(self) -> Any:
        """Where the model computes."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """What the model computes in. Results are float32 always."""
        return self.model.dtype

    @property
    def max_seq_length(self) -> int:
        """Tokens of an input that are read."""
        return self.transformer.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int | None) -> None:
        self.transformer.max_seq_length = length

    def logits(
        self, inputs: Inputs, call: Call, keep: Callable[[Any], Any], most_tokens: int, show: bool | None
    ) -> list[Any]:
        """keep(logits) of each input, in order: [classes], or [tokens, vocabulary] of its own tokens."""
        found: list[Any] = []
        per_token = self.model.task != "ForSequenceClassification"
        with progress(len(inputs.texts), "text", show) as advance:
            for first in range(0, len(inputs.texts), _BLOCK):
                block = inputs.part(first, first + _BLOCK)
                found += run(
                    self.model,
                    self._rows(block, call),
                    lambda output, place, row: keep(
                        output["logits"][place, : len(row)] if per_token else output["logits"][place]
                    ),
                    most_tokens=most_tokens,
                )
                advance(len(block.texts))
        return found

    def _rows(self, inputs: Inputs, call: Call) -> list[Row]:
        ids, cu, types = self.transformer.pack(inputs, call)
        rows = []
        for begin, end in zip(cu[:-1].tolist(), cu[1:].tolist(), strict=True):
            named = {"input_ids": ids[begin:end]}
            if types is not None:
                named["token_type_ids"] = types[begin:end]
            rows.append(Row(named))  # type: ignore[arg-type]
        return rows


def check_pool(pool: Any, device: Any, chunk_size: Any) -> None:
    """Raises UnsupportedError for pools of processes."""
    if pool is not None or isinstance(device, list) or chunk_size is not None:
        raise UnsupportedError("pool, a list of devices, chunk_size: this encoder runs in one process")
    arrays.check_device(device)
