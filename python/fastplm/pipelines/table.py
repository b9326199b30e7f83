"""The tasks: what each is made of, and its other names."""

import importlib
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fastplm.pipelines.base import Pipeline


class Task(NamedTuple):
    """A row of TASKS.

    home: the module of this folder and the class in it. auto: the class of fastplm that loads its models.
    heads: the ends of the names of classes that it runs; none: every class. default: the model that
    transformers takes where none is named, and its revision.
    """

    home: tuple[str, str]
    auto: str
    heads: tuple[str, ...]
    default: tuple[str, str]

    def pipeline_class(self) -> type["Pipeline"]:
        """The class, imported."""
        module, name = self.home
        found: type[Pipeline] = getattr(importlib.import_module(f"fastplm.pipelines.{module}"), name)
        return found


_SEQ2SEQ = ("AutoModelForSeq2SeqLM", ("ForConditionalGeneration",))
_T5 = ("google-t5/t5-base", "a9723ea")
_CLASSIFIES = ("AutoModelForSequenceClassification", ("ForSequenceClassification",))

TASKS = {
    "feature-extraction": Task(
        ("feature_extraction", "FeatureExtractionPipeline"), "AutoModel", (),
        ("distilbert/distilbert-base-cased", "6ea8117"),
    ),
    "fill-mask": Task(
        ("fill_mask", "FillMaskPipeline"), "AutoModelForMaskedLM",
        ("ForMaskedLM", "ForPreTraining", "LMHeadModel", "ForConditionalGeneration"),
        ("distilbert/distilroberta-base", "fb53ab8"),
    ),
    "question-answering": Task(
        ("question_answering", "QuestionAnsweringPipeline"), "AutoModelForQuestionAnswering",
        ("ForQuestionAnswering",),
        ("distilbert/distilbert-base-cased-distilled-squad", "564e9b5"),
    ),
    "summarization": Task(
        ("text2text_generation", "SummarizationPipeline"), *_SEQ2SEQ,
        ("sshleifer/distilbart-cnn-12-6", "a4f8f3e"),
    ),
    "text-classification": Task(
        ("text_classification", "TextClassificationPipeline"), *_CLASSIFIES,
        ("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "714eb0f"),
    ),
    "text-generation": Task(
        ("text_generation", "TextGenerationPipeline"), "AutoModelForCausalLM",
        ("ForCausalLM", "LMHeadModel"), ("openai-community/gpt2", "607a30d"),
    ),
    "text2text-generation": Task(
        ("text2text_generation", "Text2TextGenerationPipeline"), *_SEQ2SEQ, _T5,
    ),
    "token-classification": Task(
        ("token_classification", "TokenClassificationPipeline"), "AutoModelForTokenClassification",
        ("ForTokenClassification",), ("dbmdz/bert-large-cased-finetuned-conll03-english", "4c53496"),
    ),
    "translation": Task(("text2text_generation", "TranslationPipeline"), *_SEQ2SEQ, _T5),
    "zero-shot-classification": Task(
        ("zero_shot_classification", "ZeroShotClassificationPipeline"), *_CLASSIFIES,
        ("facebook/bart-large-mnli", "d7645e1"),
    ),
}  # fmt: skip

ALIASES = {"ner": "token-classification", "sentiment-analysis": "text-classification"}

# The task of a class of models, by the end of its name, where none is asked for.
_OBVIOUS = {
    "Model": "feature-extraction",
    "EncoderModel": "feature-extraction",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForMaskedLM": "fill-mask",
    "ForQuestionAnswering": "question-answering",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "LMHeadModel": "text-generation",
}

# What the default model of translation can do.
TRANSLATIONS = ("translation_en_to_fr", "translation_en_to_de", "translation_en_to_ro")
_TRANSLATION = re.compile("translation_[^_]+_to_[^_]+")


def find_task(name: str) -> Task:
    """The row of a task, also by its other name. Raises KeyError with the names there are."""
    name = "translation" if _TRANSLATION.fullmatch(name) else ALIASES.get(name, name)
    if name not in TASKS:
        names = sorted((*TASKS, *ALIASES, "translation_XX_to_YY"))
        raise KeyError(f"task: {name!r}; expected one of {', '.join(names)}")
    return TASKS[name]


def task_of_head(head: str) -> str | None:
    """The name of the task that models with this head are for, or None if that is not obvious."""
    return _OBVIOUS.get(head)
