"""sentence_bert_config.json: how the Transformer of a sentence-transformers folder is loaded and called."""

from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.sentence.call import Processing, read_processing
from fastplm.settings import warn_of_unknown

KIND = "sentence_bert_config.json"
# Older versions name the file after the family. The first that is there and says something counts.
NAMES = (
    KIND,
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)
# Keyword arguments of the loaders, by their older name.
_OLD_NAMES = {
    "model_args": "model_kwargs",
    "tokenizer_args": "processor_kwargs",
    "config_args": "config_kwargs",
}
# What to load is settled before this file is read, and by the caller alone.
PLACES = frozenset({
    "subfolder", "token", "cache_dir", "revision", "local_files_only", "trust_remote_code", "force_download",
    "code_revision", "proxies",
})  # fmt: skip
_HONOURED = (
    "max_seq_length", "do_lower_case", "query_length", "document_length", "query_expansion",
    "processing_kwargs", "transformer_task", "modality_config", "module_output_name",
    "tokenizer_name_or_path", *_OLD_NAMES, *_OLD_NAMES.values(),
)  # fmt: skip


class TransformerSettings(NamedTuple):
    """path: the file, for errors. max_seq_length, query_length, document_length: tokens, or None. The kwargs:
    of AutoModel.from_pretrained, AutoTokenizer.from_pretrained and the model's config.
    """

    path: str
    max_seq_length: int | None
    do_lower_case: bool
    query_length: int | None
    document_length: int | None
    processing: Processing
    model_kwargs: dict[str, Any]
    processor_kwargs: dict[str, Any]
    config_kwargs: dict[str, Any]


# Task of the model: its output that is used, and what sentence-transformers calls that.
_OUTPUTS = {
    "feature-extraction": ("last_hidden_state", "token_embeddings"),
    "fill-mask": ("logits", "token_embeddings"),
    "sequence-classification": ("logits", "scores"),
}
PLAIN = TransformerSettings("", None, False, None, None, {}, {}, {}, {})


def read_transformer_settings(folder: Path, task: str = "feature-extraction") -> TransformerSettings:
    """What the folder's sentence_bert_config.json, or the older file in its place, says of a `task`.

    Raises CheckpointError, and UnsupportedError naming a setting that this version cannot follow.
    """
    for name in NAMES:
        path = folder / name
        if not path.exists():
            continue
        config = read_json(path)
        if not isinstance(config, dict):
            raise CheckpointError(f"{path}: holds a {type(config).__name__}; expected an object of settings")
        if config:
            return _read(path, config, task)
    return PLAIN


def _read(path: Path, config: dict[str, Any], task: str) -> TransformerSettings:
    for old, new in _OLD_NAMES.items():
        if old in config:
            config[new] = config.pop(old)
    _check_task(path, config, task)
    lower = config.get("do_lower_case", False)
    if not isinstance(lower, bool):
        raise CheckpointError(f"{path}: do_lower_case is {lower!r}; expected true or false")
    settings = TransformerSettings(
        path=str(path),
        max_seq_length=_length(path, config, "max_seq_length"),
        do_lower_case=lower,
        query_length=_length(path, config, "query_length"),
        document_length=_length(path, config, "document_length"),
        processing=read_processing(config.get("processing_kwargs"), str(path)),
        model_kwargs=_kwargs(path, config, "model_kwargs"),
        processor_kwargs=_kwargs(path, config, "processor_kwargs"),
        config_kwargs=_kwargs(path, config, "config_kwargs"),
    )
    for name in settings.processor_kwargs:
        if name.endswith("_file") or name in ("config", "tokenizer_type", "tokenizer_object"):
            raise UnsupportedError(f"{path}: processor_kwargs sets {name}; a folder chooses no other file")
    warn_of_unknown(str(path), KIND, config, _HONOURED)
    return settings


def _check_task(path: Path, config: dict[str, Any], task: str) -> None:
    """Raises UnsupportedError for anything but texts in, the output of `task` out."""
    named = config.get("transformer_task", task)
    if named != task:
        raise UnsupportedError(f"{path}: transformer_task is {named!r}; expected {task}")
    output, name = _OUTPUTS[task]
    if config.get("query_expansion") is not None:
        raise UnsupportedError(f"{path}: query_expansion is set; this version embeds queries as they are")
    other = config.get("tokenizer_name_or_path")
    if other is not None:
        raise UnsupportedError(
            f"{path}: tokenizer_name_or_path is {other!r}; expected the tokenizer in the folder itself"
        )
    modalities = config.get("modality_config")
    if modalities is None:
        return  # module_output_name means nothing without it
    if not isinstance(modalities, dict) or "text" not in modalities:
        raise UnsupportedError(f"{path}: modality_config is {modalities!r}; expected an entry for text")
    for modality, entry in modalities.items():
        if modality != "text":
            raise UnsupportedError(f"{path}: modality_config names {modality!r}; expected text alone")
        if not isinstance(entry, dict) or entry.get("method") != "forward":
            raise UnsupportedError(f'{path}: modality_config.text is {entry!r}; expected method "forward"')
        if entry.get("method_output_name") not in (output, [output]):
            raise UnsupportedError(
                f"{path}: modality_config.text has method_output_name {entry.get('method_output_name')!r}; "
                f"expected {output}"
            )
    if config.get("module_output_name") != name:
        raise UnsupportedError(
            f"{path}: module_output_name is {config.get('module_output_name')!r}; expected {name}"
        )


def _length(path: Path, config: dict[str, Any], name: str) -> int | None:
    length = config.get(name)
    if length is not None and (type(length) is not int or length < 1):
        raise CheckpointError(f"{path}: {name} is {length!r}; expected a positive integer or null")
    return length


def _kwargs(path: Path, config: dict[str, Any], name: str) -> dict[str, Any]:
    kwargs = config.get(name) or {}
    if not isinstance(kwargs, dict):
        raise CheckpointError(f"{path}: {name} is {kwargs!r}; expected an object of arguments")
    return {key: value for key, value in kwargs.items() if key not in PLACES}
