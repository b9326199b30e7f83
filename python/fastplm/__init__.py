"""Pretrained language models, fast, behind the transformers API.

Every name is imported when it is first used: `import fastplm` loads the native engine and no other
library. Besides the names below, `fastplm.<TransformersClass>` (BertModel, T5EncoderModel, BertTokenizer)
gives the engine's class of that name.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastplm import errors as errors
from fastplm._engine import __version__ as __version__

if TYPE_CHECKING:
    from fastplm.auto import (
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        AutoModelForMultipleChoice,
        AutoModelForNextSentencePrediction,
        AutoModelForPreTraining,
        AutoModelForQuestionAnswering,
        AutoModelForSeq2SeqLM,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
    )
    from fastplm.cache import Cache
    from fastplm.config import PretrainedConfig
    from fastplm.cross_encoder import CrossEncoder
    from fastplm.errors import CheckpointError, UnsupportedError
    from fastplm.generation.config import GenerationConfig
    from fastplm.generation.constraints import Constraint
    from fastplm.generation.generator import Generator
    from fastplm.generation.streamers import AsyncTextIteratorStreamer, TextIteratorStreamer, TextStreamer
    from fastplm.models import AutoModel, PreTrainedModel
    from fastplm.outputs import ModelOutput
    from fastplm.pipelines import pipeline
    from fastplm.runtime import architectures, cpu_info, cuda_status, num_threads, set_num_threads
    from fastplm.sentence_encoder import SentenceEncoder, SentenceTransformer
    from fastplm.sparse_encoder import SparseEncoder
    from fastplm.tokenizer import AutoTokenizer
    from fastplm.training.accelerate import accelerate, restore

_HOMES = {
    "AddedToken": "tokenizer",
    "AsyncTextIteratorStreamer": "generation.streamers",
    "AutoModel": "models",
    "AutoModelForCausalLM": "auto",
    "AutoModelForMaskedLM": "auto",
    "AutoModelForMultipleChoice": "auto",
    "AutoModelForNextSentencePrediction": "auto",
    "AutoModelForPreTraining": "auto",
    "AutoModelForQuestionAnswering": "auto",
    "AutoModelForSeq2SeqLM": "auto",
    "AutoModelForSequenceClassification": "auto",
    "AutoModelForTokenClassification": "auto",
    "AutoTokenizer": "tokenizer",
    "BatchEncoding": "tokenizer",
    "Cache": "cache",
    "CheckpointError": "errors",
    "Constraint": "generation.constraints",
    "CrossEncoder": "cross_encoder",
    "GenerationConfig": "generation.config",
    "Generator": "generation.generator",
    "ModelOutput": "outputs",
    "PreTrainedModel": "models",
    "PreTrainedTokenizerBase": "tokenizer",
    "PretrainedConfig": "config",
    "SentenceEncoder": "sentence_encoder",
    "SentenceTransformer": "sentence_encoder",
    "SparseEncoder": "sparse_encoder",
    "TextIteratorStreamer": "generation.streamers",
    "TextStreamer": "generation.streamers",
    "TokenizersBackend": "tokenizer",
    "UnsupportedError": "errors",
    "accelerate": "training.accelerate",
    "architectures": "runtime",
    "cpu_info": "runtime",
    "cuda_status": "runtime",
    "num_threads": "runtime",
    "pipeline": "pipelines",
    "restore": "training.accelerate",
    "set_num_threads": "runtime",
}

__all__ = [
    "AsyncTextIteratorStreamer",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForNextSentencePrediction",
    "AutoModelForPreTraining",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
    "Cache",
    "CheckpointError",
    "Constraint",
    "CrossEncoder",
    "GenerationConfig",
    "Generator",
    "ModelOutput",
    "PreTrainedModel",
    "PretrainedConfig",
    "SentenceEncoder",
    "SentenceTransformer",
    "SparseEncoder",
    "TextIteratorStreamer",
    "TextStreamer",
    "UnsupportedError",
    "__version__",
    "accelerate",
    "architectures",
    "cpu_info",
    "cuda_status",
    "num_threads",
    "pipeline",
    "restore",
    "set_num_threads",
]


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        value = getattr(importlib.import_module(f"fastplm.{home}"), name)
    elif name.endswith(("Tokenizer", "TokenizerFast")):
        value = importlib.import_module("fastplm.tokenizers.tokenizer").class_type(name)
        if value is None:
            raise AttributeError(f"module 'fastplm' has no tokenizer class {name!r}")
    elif name[:1].isupper():
        value = importlib.import_module("fastplm.models").model_class(name)
    else:
        raise AttributeError(f"module 'fastplm' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "errors"])
