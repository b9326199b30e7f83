"""From what the caller names (a folder or a hub id) to a folder on this machine."""

import os
import re
from pathlib import Path
from typing import Any

# What a model folder may hold that fastplm reads, but weights; those in other formats are never downloaded.
FILES = ["*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
_WEIGHTS = ["*.safetensors"]
_OTHER_BACKENDS = ["onnx/*", "openvino/*"]
GGUF = ".gguf"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)


def resolve(
    path_or_id: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    subfolder: str | None = None,
    weights: bool | str = True,
) -> Path:
    """The folder that `path_or_id` names: an existing folder as it is, else a hub id's snapshot.

    subfolder: the one in it to take. A download fetches configuration and tokenizer files, and safetensors
    files if `weights`, or the file that it names; nothing else. HF_HUB_OFFLINE, HF_HOME and the other
    settings of huggingface_hub apply.
    Raises FileNotFoundError, ModuleNotFoundError (huggingface_hub is needed and not installed), ValueError (a
    file where a folder is expected).
    """
    path = Path(path_or_id).expanduser()
    if not path.is_dir():
        prefix = f"{subfolder}/" if subfolder else ""
        patterns = [weights] if isinstance(weights, str) else _WEIGHTS if weights else []
        cache = None if cache_dir is None else os.fspath(cache_dir)
        path = _snapshot(
            path_or_id, revision=revision, cache_dir=cache, token=token, local_files_only=local_files_only,
            force_download=force_download, ignore_patterns=_OTHER_BACKENDS,
            allow_patterns=[prefix + pattern for pattern in (*FILES, *patterns)],
        )  # fmt: skip
    if subfolder and not (path / subfolder).is_dir():
        raise FileNotFoundError(f"{os.fspath(path_or_id)}: no folder {subfolder} in it")
    return path / (subfolder or "")


def resolve_model(
    path_or_id: str | os.PathLike[str], *, gguf_file: str | os.PathLike[str] | None = None, **hub: Any
) -> Path:
    """As resolve, or a GGUF file: `gguf_file` of that folder, `path_or_id` itself, or the one in a folder
    without safetensors. Raises ValueError if there are several, and as resolve.
    """
    path = Path(path_or_id).expanduser()
    if gguf_file is None:
        if path.suffix == GGUF and path.is_file():
            return path
        folder = resolve(path_or_id, **hub)
        return find_gguf(folder) or folder
    if not isinstance(gguf_file, str | os.PathLike) or not os.fspath(gguf_file).endswith(GGUF):
        raise ValueError(f"gguf_file: {gguf_file!r}; expected the name of a {GGUF} file")
    name = os.fspath(gguf_file)
    found = resolve(path_or_id, **{**hub, "weights": name}) / name
    if not found.is_file():
        raise FileNotFoundError(f"{os.fspath(path_or_id)}: no file {name} in it")
    return found


def find_gguf(folder: Path) -> Path | None:
    """The GGUF file that is the folder's only weights. Raises ValueError if it has several."""
    if any(folder.glob("*.safetensors")) or any(folder.glob("*.safetensors.index*.json")):
        return None
    found = sorted(folder.glob(f"*{GGUF}"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:3])
        raise ValueError(f"{folder}: has {len(found)} GGUF files ({names}); expected gguf_file= to name one")
    return found[0] if found else None


def _snapshot(path_or_id: str | os.PathLike[str], **download: Any) -> Path:
    """What is no folder here: the folder that the hub gives."""
    name = os.fspath(path_or_id)
    if Path(path_or_id).expanduser().exists():
        raise ValueError(f"{name} is a file; expected a folder with config.json and model.safetensors")
    if isinstance(path_or_id, os.PathLike) or not _HUB_ID.fullmatch(name) or ".." in name or "--" in name:
        raise FileNotFoundError(f"{name}: no such folder, and not a hub id (name or owner/name)")
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{name}: no such folder here, so it is taken for a hub id; downloading it needs "
            "huggingface_hub: pip install huggingface_hub"
        ) from None
    try:
        folder = snapshot_download(name, **download)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{name}: no such folder here, and the hub did not give it: {error}"
        ) from error
    return Path(folder)
