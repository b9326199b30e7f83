"""The tokenizer object, and a type for each tokenizer class of transformers.

Those types are names for recipes (`classes.CLASSES`): a type adds no method, only the name, the constructor's
recipe and what transformers writes on the class (vocab_files_names, model_input_names, padding_side).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from fastplm import _engine
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import parse_json
from fastplm.tokenizers.base.added_token import NAMED_TOKENS
from fastplm.tokenizers.classes import CLASSES
from fastplm.tokenizers.classes.names import PLAIN_NAME, base_name, own_name, recipe
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.construct import construct
from fastplm.tokenizers.files.assemble import OPTIONS, Assembled
from fastplm.tokenizers.files.folder import gguf_of, read_class_file, read_folder, read_one_file
from fastplm.tokenizers.files.known_settings import check_arguments, check_folder_arguments
from fastplm.tokenizers.files.tokenizer_json import source_of
from fastplm.tokenizers.interface import Interface
from fastplm.tokenizers.methods.state import make

_WHERE = ("revision", "cache_dir", "token", "local_files_only", "force_download", "subfolder")


class Tokenizer(Interface):
    """Text to token ids and back. Made by AutoTokenizer.from_pretrained, or from_str; may be shared between
    threads.

    Attributes as in transformers: model_max_length, padding_side, truncation_side, model_input_names,
    {bos,eos,unk,sep,pad,cls,mask}_token and ..._token_id (None if there is none), name_or_path.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {"tokenizer_file": "tokenizer.json"}
    pretrained_vocab_files_map: ClassVar[dict[str, dict[str, str]]] = {}
    slow_tokenizer_class = None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *init_inputs: Any, **kwargs: Any) -> Any:
        """AutoTokenizer.from_pretrained."""
        return load(pretrained_model_name_or_path, init_inputs, None, kwargs)

    @classmethod
    def from_str(cls, json: str, **options: Any) -> Self:
        """The tokenizer that a tokenizer.json with this text describes. Its model may be untrained: with an
        empty vocabulary, and no merges.

        options: model_max_length, padding_side, ... Raises CheckpointError, UnsupportedError.
        """
        root = parse_json(json.encode(), "tokenizer.json", unique_keys=False)
        return make(cls, source_of("tokenizer.json", root), options)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={self.model_max_length}, padding_side={self.padding_side!r}, "
            f"truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map})"
        )


class TokenizersBackend(Tokenizer):
    """The tokenizer of any tokenizer.json, as it is; transformers' PreTrainedTokenizerFast, and the base of
    its other tokenizer classes.

    TokenizersBackend(tokenizer_object=..., tokenizer_file=..., vocab=..., merges=..., **settings): a
    tokenizers.Tokenizer or a fastplm one, or a tokenizer.json, or a vocabulary (dict) with merges (pairs), or
    pieces with scores. Settings are those of tokenizer_config.json: special tokens, model_max_length, ...

    The other classes, as BertTokenizer(vocab, do_lower_case=True, ...), take the same settings and their own,
    at the positions at which transformers takes them, and build their pipeline around the vocabulary. `vocab`
    (and `merges`) may be the name of a file: vocab.txt, vocab.json and merges.txt, a SentencePiece .model.
    vocab_file and merges_file name it too.

    Raises TypeError for arguments that do not fit together, CheckpointError for a value or a file that is
    damaged, UnsupportedError for a class that is not built here.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {
        "tokenizer_file": "tokenizer.json",
        "vocab_file": "tokenizer.model",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        made = _checked(construct(self.class_name, args, kwargs))
        super().__init__(made.source, **made.options)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *init_inputs: Any, **kwargs: Any
    ) -> Self:
        """A folder, a hub id or a file by the rules of this class, whatever class its files name.

        Arguments and errors as AutoTokenizer.from_pretrained. A file is a tokenizer.json or, for a class
        whose vocabulary is one file, that.
        """
        if cls.__init__ is not TokenizersBackend.__init__:
            raise UnsupportedError(
                f"{cls.__name__}.from_pretrained: the class has an __init__ of its own, which would not be "
                f"called; expected {cls.class_name}.from_pretrained"
            )
        return cast("Self", load(pretrained_model_name_or_path, init_inputs, cls, kwargs))


def class_type(name: str) -> type[TokenizersBackend] | None:
    """The type of a class of transformers, by one of its names; None if there is no such class."""
    own = own_name(name)
    return None if own is None else _type(own)


@cache
def _type(name: str) -> type[TokenizersBackend]:
    if name == PLAIN_NAME:
        return TokenizersBackend
    made = recipe(name)
    members: dict[str, Any] = {
        "__module__": "fastplm", "__qualname__": name, "__doc__": f"transformers' {name}.",
        "class_name": name,
    }  # fmt: skip
    if name in CLASSES:
        members |= {
            "vocab_files_names": _vocab_files(made),
            "model_input_names": list(made.inputs),
            "padding_side": made.padding_side,
        }
    return type(name, (_type(base_name(name)),), members)


def _vocab_files(made: TokenizerClass) -> dict[str, str]:
    names = dict(zip(("vocab_file", "merges_file"), made.files, strict=False))
    return {**names, "tokenizer_file": "tokenizer.json"}


def _checked(made: Assembled) -> Assembled:
    """Raises CheckpointError for a special token whose name an attribute has."""
    for name in made.options["named_tokens"]:
        others = (*OPTIONS, "chat_template", "model_max_length")
        if name not in NAMED_TOKENS and (hasattr(Tokenizer, name) or name in others):
            raise CheckpointError(f"{made.where}: {name} names a special token; expected another name for it")
    return made


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
    gguf_file = kwargs.pop("gguf_file", None)
    config, trusted = kwargs.pop("config", None), kwargs.pop("trust_remote_code", None)
    kwargs.pop("tokenizer_class", None)  # the files, or the class it is called on, say it
    check_arguments(where, kwargs)
    check_folder_arguments(where, kwargs)
    path = Path(name).expanduser()
    tokenizer: Tokenizer
    gguf = gguf_of(name, gguf_file, hub)
    if gguf is not None:
        from fastplm.tokenizers.files.gguf import read_gguf  # imports numpy

        made = read_gguf(
            gguf, name=os.fspath(name), class_name=None if kind is None else kind.class_name, **kwargs
        )
        tokenizer = _made(made, kind)
    elif not path.is_file():
        from fastplm.hub import resolve

        made = read_folder(
            resolve(name, weights=False, **hub), name=os.fspath(name),
            class_name=None if kind is None else kind.class_name, model_config=config,
            trust_remote_code=trusted, **kwargs,
        )  # fmt: skip
        tokenizer = _made(made, kind)
    elif kind is not None:
        tokenizer = _made(read_class_file(path, kind.class_name, **kwargs), kind)
    else:
        made, special_tokens = read_one_file(path, **kwargs)
        tokenizer = Tokenizer(made.source, **made.options)
        tokenizer.add_special_tokens(special_tokens)
    _engine.trim_memory()  # reading a large vocabulary takes several times what it leaves
    return tokenizer


def _made(made: Assembled, kind: type[TokenizersBackend] | None) -> TokenizersBackend:
    _checked(made)
    return make(_type(made.class_name) if kind is None else kind, made.source, made.options)
