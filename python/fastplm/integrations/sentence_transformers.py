"""Encoders of sentence-transformers whose Transformer is computed by the engine."""

from pathlib import Path
from typing import Any

from fastplm import arrays
from fastplm.checkpoint import Checkpoint
from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.loading import Source
from fastplm.models import PreTrainedModel, model_class
from fastplm.safetensors import MemoryFile


def accelerate(model: Any, dtype: Any = "float32") -> Any:
    """Puts the engine in place of the torch model of every Transformer in `model`, and returns `model`.

    model: a SentenceTransformer, CrossEncoder or SparseEncoder. Its weights are taken as they are in memory,
    trained or not, and torch's copy is let go. Everything else stays sentence-transformers' own: tokenizing,
    pooling, prompts, pools. It is then for inference only, and cannot be pickled or saved.
    dtype: "float32" or "bfloat16".

    Raises TypeError for another object, UnsupportedError for a model that fastplm does not run and for
    adapters that are not merged; `model` is unchanged then.
    """
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedModel as TorchModel

    if not hasattr(model, "modules"):
        raise TypeError(f"accelerate: a {type(model).__name__}; expected an encoder of sentence-transformers")
    found = [module for module in model.modules() if isinstance(module, Transformer)]
    if not found or not all(isinstance(module.model, TorchModel) for module in found):
        raise TypeError(
            f"accelerate: a {type(model).__name__} without a Transformer of torch; expected an encoder of "
            "sentence-transformers"
        )
    made = [_engine_model(module.model, arrays.dtype_name(dtype)) for module in found]
    for module, ours in zip(found, made, strict=True):
        del module._modules["model"]  # torch refuses other objects in the place of a module
        module.model = ours
    return model


def _engine_model(theirs: Any, dtype: str) -> PreTrainedModel:
    """The model of transformers `theirs` in the engine."""
    name = type(theirs).__name__
    try:
        ours = model_class(name)
    except AttributeError as error:
        raise UnsupportedError(f"accelerate: {error}") from None
    state = theirs.state_dict()
    if adapted := next((key for key in state if ".lora_" in key), None):
        raise UnsupportedError(f"accelerate: {adapted!r} is an adapter's; expected it merged into the model")
    where = f"the {name} in memory"
    config = PretrainedConfig.of(
        {**theirs.config.to_dict(), "model_type": theirs.config.model_type}, where, str(theirs.name_or_path)
    )
    with MemoryFile() as memory:
        tensors = [memory.add(key, value.float().numpy(force=True)) for key, value in state.items()]
        checkpoint = Checkpoint(config, Path(where), tensors, None)
        return ours._built(checkpoint, Source(where, {}, None), dtype, pooled=True, strict=True)
