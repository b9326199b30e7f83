"""pipeline(): a task's pipeline from a folder, a hub id, or a model and its tokenizer."""

import os
import warnings
from typing import Any

import fastplm
from fastplm import arrays
from fastplm.errors import UnsupportedError
from fastplm.models import PreTrainedModel
from fastplm.pipelines.base import Pipeline
from fastplm.pipelines.table import TRANSLATIONS, Task, find_task, task_of_head
from fastplm.quantization.formats import base
from fastplm.settings import WITHOUT_EFFECT
from fastplm.tokenizers.tokenizer import Tokenizer

# Refused unless None or False: argument, and why.
REFUSED = {
    "args_parser": "a pipeline reads its own arguments",
    "binary_output": "no task here has any",
    "feature_extractor": "no task here takes sound",
    "image_processor": "no task here takes images",
    "processor": "no task here takes images or sound",
    "video_processor": "no task here takes videos",
}
_OF_FILES = (
    "cache_dir",
    "force_download",
    "gguf_file",
    "local_files_only",
    "subfolder",
)  # of model_kwargs: the tokenizer's too


def pipeline(
    task: str | None = None,
    model: str | os.PathLike[str] | PreTrainedModel | None = None,
    config: Any = None,
    tokenizer: Any = None,
    feature_extractor: Any = None,
    image_processor: Any = None,
    processor: Any = None,
    framework: str | None = None,
    revision: str | None = None,
    use_fast: bool = True,
    token: str | bool | None = None,
    device: Any = None,
    device_map: Any = None,
    dtype: Any = "auto",
    trust_remote_code: bool | None = None,
    model_kwargs: dict[str, Any] | None = None,
    pipeline_class: type[Pipeline] | None = None,
    **kwargs: Any,
) -> Pipeline:
    """Makes the pipeline of a task.

    task: one of fastplm.pipelines.TASKS, "ner", "sentiment-analysis" or "translation_XX_to_YY"; default: what
    the model's head is for. model: a folder, a hub id or a model of fastplm; default: transformers' model for
    the task, from the hub. tokenizer: a folder, a hub id, (one of these, {argument: value}) or a tokenizer of
    fastplm; default: the model's, if that is a folder or a hub id. config, revision, token, device,
    device_map, dtype ("auto": as the checkpoint was saved; torch_dtype is its older name), trust_remote_code,
    model_kwargs: as in AutoModel.from_pretrained. framework: "pt" or None. pipeline_class: a subclass of
    fastplm's for the task.
    kwargs: batch_size, and options of the task: see the classes in fastplm.pipelines.

    Raises KeyError (an unknown task), FileNotFoundError, TypeError (an unknown argument, a model of another
    library), ValueError, UnsupportedError (what fastplm does not do), and what from_pretrained raises.
    """
    refused = {
        "feature_extractor": feature_extractor, "image_processor": image_processor, "processor": processor,
    }  # fmt: skip
    for name in REFUSED:
        value = refused.get(name, kwargs.pop(name, None))
        if value is not None and value is not False:
            raise UnsupportedError(f"pipeline: {name} given; expected None: {REFUSED[name]}")
    if framework not in (None, "pt"):
        raise UnsupportedError(f'pipeline: framework={framework!r}; expected "pt" or None')
    for name in WITHOUT_EFFECT["pipeline"]:
        kwargs.pop(name, None)
    if "use_auth_token" in kwargs:
        token = kwargs.pop("use_auth_token") if token is None else token
    model_kwargs = dict(model_kwargs or {})
    dtype = _dtype(dtype, kwargs.pop("torch_dtype", None), model_kwargs)
    device = "cpu" if device == -1 else f"cuda:{device}" if type(device) is int else device
    hub = {"revision": revision, "token": token, "trust_remote_code": trust_remote_code}
    if model is None:
        if task is None:
            raise RuntimeError("pipeline: neither task nor model; expected at least one of them")
        model = _default_model(task, hub)
    if not isinstance(model, PreTrainedModel):
        arguments = {**hub, "config": config, "dtype": dtype, "device": device, "device_map": device_map}
        loaded, task = _load_model(task, model, {**arguments, **model_kwargs})
        if tokenizer is None:
            tokenizer = model
    else:
        arrays.check_device(device)
        loaded, task = model, task or _task_of(model)
        if dtype not in (None, "auto") and arrays.dtype_name(dtype) != base(model.engine.dtype):
            raise UnsupportedError(
                f"pipeline: dtype={dtype}; the model given computes in {model.engine.dtype}"
            )
    row = find_task(task)
    _check_head(task, row, loaded)
    files = {name: model_kwargs[name] for name in _OF_FILES if name in model_kwargs}
    made = pipeline_class or row.pipeline_class()
    if not issubclass(made, Pipeline):
        raise TypeError(f"pipeline: pipeline_class is {made!r}; expected a subclass of {row.home[1]}")
    return made(loaded, _load_tokenizer(tokenizer, use_fast, {**hub, **files}), task=task, **kwargs)


def _dtype(dtype: Any, older: Any, model_kwargs: dict[str, Any]) -> Any:
    """The dtype that is asked for, under whichever name."""
    if older is not None and dtype == "auto":
        dtype = older
    for name in ("dtype", "torch_dtype"):
        if name in model_kwargs:
            if dtype != "auto":
                raise ValueError(f"pipeline: {name} is in model_kwargs too; expected it once")
            return model_kwargs.pop(name)
    return dtype


def _default_model(task: str, hub: dict[str, Any]) -> str:
    """The hub id of the model that transformers takes for the task, which is on this machine then."""
    from fastplm.hub import resolve

    name, revision = find_task(task).default
    if task.startswith("translation") and task not in TRANSLATIONS:
        raise ValueError(
            f"pipeline: no model given, and transformers has none for {task}; expected model=, or one of "
            f"{', '.join(TRANSLATIONS)}"
        )
    hub["revision"] = hub["revision"] or revision
    try:
        resolve(name, revision=hub["revision"], token=hub["token"])
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise type(error)(
            f"pipeline: no model given, and transformers' model for {task}, {name}, is not here ({error}); "
            "expected model=, a folder with config.json, model.safetensors and a tokenizer, or a hub id"
        ) from None
    warnings.warn(f"no model given: {name} at revision {hub['revision']} is taken", stacklevel=3)
    return name


def _load_model(task: str | None, model: Any, arguments: dict[str, Any]) -> tuple[PreTrainedModel, str]:
    if not isinstance(model, str | os.PathLike):
        raise TypeError(
            f"pipeline: model is a {type(model).__name__}; expected a folder, a hub id or a model of fastplm"
        )
    if task is None:
        task = _task_of_folder(model, arguments)
    loaded: PreTrainedModel = getattr(fastplm, find_task(task).auto).from_pretrained(model, **arguments)
    return loaded, task


def _task_of_folder(model: str | os.PathLike[str], arguments: dict[str, Any]) -> str:
    """The task of a checkpoint, by the class that wrote it."""
    from fastplm.hub import resolve_model
    from fastplm.naming import CLASS_NAME, task_of

    names = ("revision", "token", *_OF_FILES)
    folder = resolve_model(model, **{name: arguments[name] for name in names if name in arguments})
    classes = fastplm.PretrainedConfig.from_pretrained(folder).architectures or []
    named = classes and CLASS_NAME.fullmatch(classes[0])
    task = task_of_head(task_of(classes[0])) if named else None
    if task is None:
        raise RuntimeError(
            f"pipeline: no task given, and {os.fspath(model)} was written by {classes or 'no named class'}; "
            "expected task="
        )
    return task


def _task_of(model: PreTrainedModel) -> str:
    task = task_of_head(model.task)
    if task is None:
        raise RuntimeError(f"pipeline: a {type(model).__name__} and no task; expected task=")
    return task


def _check_head(task: str, row: Task, model: PreTrainedModel) -> None:
    if row.heads and model.task not in row.heads:
        raise ValueError(
            f"pipeline: the model is a {type(model).__name__}; {task} expects one of fastplm.{row.auto}"
        )


def _load_tokenizer(given: Any, use_fast: bool, arguments: dict[str, Any]) -> Tokenizer:
    if isinstance(given, Tokenizer):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        given, own = given
        arguments = {**arguments, **own}
    if given is None:
        raise ValueError("pipeline: a model without tokenizer=; expected a tokenizer or its folder")
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            f"pipeline: tokenizer is a {type(given).__name__}; expected a folder, a hub id, or one of "
            "fastplm.AutoTokenizer"
        )
    loaded: Tokenizer = fastplm.AutoTokenizer.from_pretrained(given, **arguments)
    return loaded
