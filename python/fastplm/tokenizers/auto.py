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
        """The tokenizer of a folder, of a model on the hub, or of one file: tokenizer.json, tekken.json, a
        SentencePiece .model or a .tiktoken file.

        A tokenizer.json gives what tokenizers' Tokenizer.from_file gives; a folder or hub id gives what
        transformers' AutoTokenizer gives. subfolder names the one of its folders to take. revision, token,
        cache_dir, local_files_only and force_download choose the hub's snapshot; no weights are fetched.
        config: the model's configuration, which says before config.json which class of tokenizers it uses.
        tokenizer_type: the model type whose class it is, as "bert". Other keyword arguments
        (model_max_length, padding_side, do_lower_case, pad_token, ...) come before tokenizer_config.json.

        Raises FileNotFoundError, CheckpointError (a damaged file, named), UnsupportedError (a component that
        this version does not know).
        """
        for name in ("use_fast", "trust_remote_code"):
            kwargs.pop(name, None)  # there is one kind of tokenizer, and it runs no code of the checkpoint
        hub = {name: kwargs.pop(name) for name in _WHERE if name in kwargs}
        path = Path(pretrained_model_name_or_path).expanduser()
        if path.is_file():
            tokenizer = load_file(path, **kwargs)
        else:
            from fastplm.hub import resolve

            tokenizer = load_folder(
                resolve(pretrained_model_name_or_path, weights=False, **hub),
                name=os.fspath(pretrained_model_name_or_path), model_config=config,
                tokenizer_type=tokenizer_type, **kwargs,
            )  # fmt: skip
        _engine.trim_memory()  # reading a large vocabulary takes several times what it leaves
        return tokenizer
