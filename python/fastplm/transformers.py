"""Any name of transformers, with its models accelerated: a script that trains needs one changed import.

    from fastplm.transformers import AutoModelForMaskedLM, Trainer, TrainingArguments

Models are those of transformers, whether made from a config or loaded; `fastplm.accelerate` says what
changes in them. With this import transformers' own classes know attn_implementation="fastplm" too.
"""

from functools import cache
from typing import Any

import transformers
from transformers import PreTrainedModel
from transformers.models.auto.auto_factory import _BaseAutoModelClass

from fastplm.training import attention
from fastplm.training.accelerate import accelerate

attention.register()


@cache
def _model_class(cls: Any) -> type:
    """A subclass whose models are accelerated once they exist."""

    def init(self: Any, *args: Any, **options: Any) -> None:
        cls.__init__(self, *args, **options)
        made: Any = type(self)
        if made is ours:
            accelerate(self)

    ours: type = type(
        cls.__name__, (cls,), {"__init__": init, "__module__": cls.__module__, "__doc__": cls.__doc__}
    )
    return ours


@cache
def _auto_class(cls: Any) -> type:
    def from_pretrained(_: type, *args: Any, **options: Any) -> Any:
        model = cls.from_pretrained(*args, **options)
        return (accelerate(model[0]), *model[1:]) if isinstance(model, tuple) else accelerate(model)

    def from_config(_: type, *args: Any, **options: Any) -> Any:
        return accelerate(cls.from_config(*args, **options))

    members: dict[str, Any] = {
        "from_pretrained": classmethod(from_pretrained),
        "from_config": classmethod(from_config),
    }
    return type(cls.__name__, (cls,), {**members, "__module__": cls.__module__, "__doc__": cls.__doc__})


def __getattr__(name: str) -> Any:
    value: Any = getattr(transformers, name)
    if not isinstance(value, type):
        return value
    cls: Any = value
    if issubclass(value, PreTrainedModel) and value is not PreTrainedModel:
        return _model_class(cls)
    return _auto_class(cls) if issubclass(value, _BaseAutoModelClass) else cls


def __dir__() -> list[str]:
    return dir(transformers)
