"""Settings that are known and change nothing here, and the warning about those that nobody knows.

Every key of a file and every argument of a call is one of four things: honoured (by the module that reads
it), refused with an error that names it (there too), without effect for a reason that stands in the tables
below, or unknown, and then warned of once.
"""

import warnings
from collections.abc import Container, Iterable

_DROPOUT = "only acts in training; engine models are for inference"

# By kind of file or call: setting, and why it changes no result.
WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "config.json": {
        "attention_probs_dropout_prob": _DROPOUT,
    },
    "tokenizer_config.json": {},
    "sentence_bert_config.json": {},
    "config_sentence_transformers.json": {},
    "modules.json": {},
}

_warned: set[tuple[str, str]] = set()


def warn_of_unknown(where: str, kind: str, given: Iterable[str], honoured: Container[str]) -> None:
    """Warns of each of `given` that is neither honoured nor in WITHOUT_EFFECT[kind]: once for a `where`, the
    file it stands in.
    """
    known = WITHOUT_EFFECT[kind]
    for name in given:
        if name in honoured or name in known or (where, name) in _warned:
            continue
        _warned.add((where, name))
        warnings.warn(f"{where}: fastplm does not know the setting {name!r}; it has no effect", stacklevel=3)
