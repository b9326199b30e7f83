"""AutoModelFor<Task>: the class with that task's head of whatever family config.json names."""

from typing import Any, ClassVar

from fastplm import _engine
from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.models import AutoModel, model_class
from fastplm.naming import CLASS_NAME

_CAUSAL, _BOTH = ("ForCausalLM", "LMHeadModel", "WithLMHeadModel"), ("ForConditionalGeneration",)


class _AutoModelFor(AutoModel):
    tasks: ClassVar[tuple[str, ...]] = ()  # the first that the family has

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Any]:
        known = {CLASS_NAME.fullmatch(n)[2]: n for n in _engine.classes(config.model_type)}  # type: ignore[index]
        for task in cls._tasks_of(config.model_type):
            if task in known:
                return model_class(known[task])._for(config)
        raise UnsupportedError(
            f"{config.name_or_path}: fastplm.{cls.__name__} has no class for model_type "
            f"{config.model_type!r}; there are {', '.join(known.values())}"
        )

    @classmethod
    def _tasks_of(cls, family: str) -> tuple[str, ...]:
        return cls.tasks


class AutoModelForCausalLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = _CAUSAL


class AutoModelForMaskedLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForMaskedLM", "WithLMHeadModel")

    @classmethod
    def _tasks_of(cls, family: str) -> tuple[str, ...]:
        return _BOTH if family == "bart" else cls.tasks  # it was trained so


class AutoModelForMultipleChoice(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForMultipleChoice",)


class AutoModelForNextSentencePrediction(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForNextSentencePrediction",)


class AutoModelForPreTraining(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForPreTraining", "LMHeadModel", *_BOTH, "ForMaskedLM", "WithLMHeadModel")


class AutoModelForQuestionAnswering(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForQuestionAnswering", "ForQuestionAnsweringSimple")


class AutoModelForSeq2SeqLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = _BOTH


class AutoModelForSequenceClassification(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForSequenceClassification",)


class AutoModelForTokenClassification(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForTokenClassification",)
