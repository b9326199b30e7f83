"""AutoModelFor<Task>: the class with that task's head of whatever family config.json names."""

from typing import Any, ClassVar

from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.families import family_of
from fastplm.models import AutoModel, model_class
from fastplm.naming import task_of

_CAUSAL, _BOTH = ("ForCausalLM", "LMHeadModel"), ("ForConditionalGeneration",)


class _AutoModelFor(AutoModel):
    tasks: ClassVar[tuple[str, ...]] = ()  # the first that the family has

    @classmethod
    def _for(cls, config: PretrainedConfig) -> type[Any]:
        classes = {n: kind for n, kind in family_of(config.model_type).classes.items() if not kind.refused}
        known = {task_of(n): n for n in classes}
        known |= {kind.also: n for n, kind in classes.items() if kind.also}
        for task in cls.tasks:
            if task in known:
                return model_class(known[task])._for(config)
        raise UnsupportedError(
            f"{config.name_or_path}: fastplm.{cls.__name__} has no class for model_type "
            f"{config.model_type!r}; there are {', '.join(classes)}"
        )


class AutoModelForCausalLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = _CAUSAL


class AutoModelForMaskedLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForMaskedLM",)


class AutoModelForMultipleChoice(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForMultipleChoice",)


class AutoModelForNextSentencePrediction(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForNextSentencePrediction",)


class AutoModelForPreTraining(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForPreTraining", "LMHeadModel", *_BOTH, "ForMaskedLM")


class AutoModelForQuestionAnswering(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForQuestionAnswering",)


class AutoModelForSeq2SeqLM(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = _BOTH


class AutoModelForSequenceClassification(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForSequenceClassification",)


class AutoModelForTokenClassification(_AutoModelFor):
    """Makes the model of `from_pretrained`'s folder or id with the head of its name."""

    tasks = ("ForTokenClassification",)
