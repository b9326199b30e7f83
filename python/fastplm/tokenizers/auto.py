"""AutoTokenizer: the tokenizer of a folder, a tokenizer.json file or a hub id."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastplm import _engine
from fastplm.tokenizers.class_types import TokenizersBackend, class_type
from fastplm.tokenizers.classes.choice import class_of_model_type
from fastplm.tokenizers.folder import load_class_file, load_file, load_folder
from fastplm.tokenizers.known_settings import check_arguments, check_folder_arguments
from fastplm.tokenizers.tokenizer import Tokenizer

_WHERE = ("revision", "cache_dir", "token", "local_files_only", "force_download", "subfolder")


class AutoTokenizer:
    """Makes tokenizers; has no instances."""

    def __init__(self) -> None:
        raise TypeError("AutoTokenizer has no instances: call AutoTokenizer.from_pretrained(path_or_id)")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *inputs: Any, **kwargs: Any
    ) -> Any:
        """The tokenizer of a folder, of a model on the hub, or of one file: tokenizer.json, tekken.json, a
        SentencePiece .model or a .tiktoken file.

        A tokenizer.json gives what tokenizers' Tokenizer.from_file gives; a folder or hub id gives what
        transformers' AutoTokenizer gives, of the type of the class it names (fastplm.BertTokenizer, ...).
        subfolder names the one of its folders to take. revision, token, cache_dir, local_files_only and
        force_download choose the hub's snapshot; no weights are fetched. config: the model's configuration,
        which says before config.json which class of tokenizers it uses. tokenizer_type: the model type whose
        class it is, as "bert". Other keyword arguments (model_max_length, padding_side, do_lower_case,
        pad_token, ...) come before tokenizer_config.json; one that nobody knows gives a warning.

        No code of a folder is run: trust_remote_code=True is an error for one that brings a tokenizer's.

        Raises FileNotFoundError, TypeError, ValueError, CheckpointError (a damaged file, named),
        UnsupportedError (a component that this version does not know, an argument that it cannot follow).
        """
        kind = None
        tokenizer_type = kwargs.pop("tokenizer_type", None)
        if tokenizer_type is not None:
            class_name = class_of_model_type(tokenizer_type)
            kind = None if class_name is None else class_type(class_name)
            if kind is None:
                raise ValueError(
                    f"tokenizer_type={tokenizer_type!r}; expected a model type such as 'bert' or 't5'"
                )
        return load(pretrained_model_name_or_path, inputs, kind, kwargs)


def load(
    name: str | os.PathLike[str],
    inputs: Sequence[Any],
    kind: type[TokenizersBackend] | None,
    kwargs: dict[str, Any],
) -> Tokenizer:
    """from_pretrained of a class, or (kind is None) of the class that the files name."""
    where = f"{'AutoTokenizer' if kind is None else kind.__name__}.from_pretrained"
    if inputs:
        raise TypeError(f"{where}: {len(inputs) + 1} arguments without a name; expected 1, others by name")
    hub = {key: kwargs.pop(key) for key in _WHERE if key in kwargs}
    config, trusted = kwargs.pop("config", None), kwargs.pop("trust_remote_code", None)
    kwargs.pop("tokenizer_class", None)  # the files, or the class it is called on, say it
    check_arguments(where, kwargs)
    check_folder_arguments(where, kwargs)
    path = Path(name).expanduser()
    tokenizer: Tokenizer
    if path.is_file():
        tokenizer = load_file(path, **kwargs) if kind is None else load_class_file(path, kind, **kwargs)
    else:
        from fastplm.hub import resolve

        tokenizer = load_folder(
            resolve(name, weights=False, **hub), name=os.fspath(name), kind=kind, model_config=config,
            trust_remote_code=trusted, **kwargs,
        )  # fmt: skip
    _engine.trim_memory()  # reading a large vocabulary takes several times what it leaves
    return tokenizer
