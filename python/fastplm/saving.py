"""save_pretrained of models: the checkpoint that a model came from, written as the model is now."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastplm import adapter
from fastplm.checkpoint import INDEX, SINGLE, read_checkpoint
from fastplm.errors import UnsupportedError
from fastplm.files import replacing
from fastplm.hub import resolve_model

if TYPE_CHECKING:
    from fastplm.models import PreTrainedModel

# Refused unless None or False: argument, and why.
_REFUSED = {
    "push_to_hub": "fastplm uploads nothing; huggingface_hub.upload_folder does",
    "state_dict": "the model's own weights are written",
    "token": "nothing is fetched or sent",
    "variant": "model.safetensors is written",
}
_WITHOUT_EFFECT = ("save_original_format", "save_peft_format")  # there is one format here
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


def save_model(
    model: "PreTrainedModel",
    folder: str | os.PathLike[str],
    is_main_process: bool,
    max_shard_size: int | str,
    kwargs: dict[str, Any],
) -> None:
    """See PreTrainedModel.save_pretrained."""
    from fastplm.safetensors_writer import part_of, write_weights

    for name, value in kwargs.items():
        if name in _REFUSED and value:
            raise UnsupportedError(f"save_pretrained: {name} given; expected None: {_REFUSED[name]}")
        if name not in _REFUSED and name not in _WITHOUT_EFFECT:
            raise TypeError(f"save_pretrained: unexpected argument {name!r}")
    most = _bytes(max_shard_size)
    if model.engine.missing:
        raise UnsupportedError(
            f"save_pretrained: {', '.join(model.engine.missing)} were drawn at random, and the engine gives "
            "no weights back; save the model that trains them"
        )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"save_pretrained: {folder} is a file; expected a folder")
    if (folder / adapter.CONFIG).exists():
        raise UnsupportedError(
            f"{folder / adapter.CONFIG}: an adapter, which would change the model again; "
            "expected another folder"
        )
    if not is_main_process:
        return
    source = model._source
    checkpoint = read_checkpoint(resolve_model(source.path_or_id, **source.hub), model.config, source.variant)
    folder.mkdir(parents=True, exist_ok=True)
    with checkpoint.opened() as tensors:
        written = write_weights(folder, [part_of(tensor) for tensor in tensors], most)
    for name in (SINGLE, INDEX):  # of an earlier model: the single file would be read before the index
        if name not in written:
            (folder / name).unlink(missing_ok=True)
    config = model.config.to_dict()
    config.setdefault("architectures", [type(model).__name__])
    with replacing(folder / "config.json", "w") as file:
        json.dump(config, file, ensure_ascii=False, indent=2, sort_keys=True)
        file.write("\n")
    if model.can_generate():
        model.generation_config.save_pretrained(folder)


def _bytes(size: int | str) -> int:
    """A number of bytes, or of kB, MB, ... as transformers writes them."""
    match = re.fullmatch(r"(\d{1,12}) ?([KMG]I?B)", size.upper(), re.ASCII) if isinstance(size, str) else None
    count = size if type(size) is int else int(match[1]) * _UNITS[match[2]] if match else 0
    if count < 1:
        raise ValueError(f"save_pretrained: max_shard_size={size!r}; expected bytes, or a str such as '5GB'")
    return count
