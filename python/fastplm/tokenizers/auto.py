"""AutoTokenizer: the tokenizer of a folder, a tokenizer.json file or a hub id."""

import os
from typing import Any

from fastplm.tokenizers.classes.choice import class_of_model_type
from fastplm.tokenizers.tokenizer import class_type, load


class AutoTokenizer:
    """Makes tokenizers; has no instances."""

    def __init__(self) -> None:
        raise TypeError("AutoTokenizer has no instances: call AutoTokenizer.from_pretrained(path_or_id)")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *inputs: Any, **kwargs: Any
    ) -> Any:
        """The tokenizer of a folder, of a model on the hub, or of one file: tokenizer.json, tekken.json, a
        SentencePiece .model, a .tiktoken or a .gguf file. gguf_file: the GGUF file of the folder to read it
        from, which is also read where nothing else is there.

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
