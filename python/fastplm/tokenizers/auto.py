"""AutoTokenizer: the tokenizer of a folder, a tokenizer.json file or a hub id."""

import os
from pathlib import Path
from typing import Any

from fastplm import _engine
from fastplm.tokenizers.folder import load_file, load_folder
from fastplm.tokenizers.tokenizer import Tokenizer

_WHERE = ("revision", "cache_dir", "token", "local_files_only", "force_download", "subfolder")


class AutoTokenizer:
    """Makes tokenizers; has no instances."""

    def __init__(self) -> None:
        raise TypeError("AutoTokenizer has no instances: call AutoTokenizer.from_pretrained(path_or_id)")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: Any = None,
        tokenizer_type: str | None = None,
        **kwargs: Any,
    ) -> Tokenizer:
        """The tokenizer of a folder, a tokenizer.json file, or a model on the hub.

        A file gives what tokenizers' Tokenizer.from_file gives, a folder or hub id what transformers'
        AutoTokenizer gives. subfolder names the one of its folders to take; revision, cache_dir, token,
        local_files_only and force_download choose the hub's snapshot, of which no weights are downloaded;
        other keyword arguments (model_max_length, padding_side, do_lower_case, pad_token, ...) come before
        the folder's tokenizer_config.json. config: the model's configuration, which says before config.json
        which class of tokenizers it uses. tokenizer_type: the model type whose class it is, as "bert".

        Raises FileNotFoundError, CheckpointError (a damaged file, named), UnsupportedError (a component that
        this version does not know).
        """
        for name in ("use_fast", "trust_remote_code"):
            kwargs.pop(name, None)  # there is one kind of tokenizer, and it runs no code of the checkpoint
        chosen = {"model_config": config, "tokenizer_type": tokenizer_type}
        tokenizer = _load(pretrained_model_name_or_path, chosen, kwargs)
        _engine.trim_memory()  # reading a large vocabulary takes several times what it leaves
        return tokenizer


def _load(path_or_id: str | os.PathLike[str], chosen: dict[str, Any], kwargs: dict[str, Any]) -> Tokenizer:
    hub = {name: kwargs.pop(name) for name in _WHERE if name in kwargs}
    path = Path(path_or_id).expanduser()
    if path.is_file():
        return load_file(path, **kwargs)
    from fastplm.hub import resolve

    folder = resolve(path_or_id, weights=False, **hub)
    return load_folder(folder, name=os.fspath(path_or_id), **chosen, **kwargs)
