"""One class per contender that generates, each at its best setting; `CONTENDERS` names them all.

As with bench.peers, each runs in a process of its own and is imported there.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.generators.base import Generates

_DECODERS = ("prefill", "decode")


@dataclass(frozen=True)
class Contender:
    """package: that must be installed. bytes: of a weight in layers and in the head, as they are read."""

    module: str
    cls: str
    package: str
    precision: str  # float32, bfloat16, int8 or int4: only equal precisions are compared
    bytes: tuple[float, float]
    works: tuple[str, ...] = _DECODERS
    models: tuple[str, ...] = ()  # none: all
    format: str = ""  # the peer's name of the precision

    def create(self, model: str, threads: int) -> "Generates":
        cls: type[Generates] = getattr(import_module(f"bench.generators.{self.module}"), self.cls)
        return cls(model, threads, self.format or self.precision)


_ALL = (*_DECODERS, "translate")
_QWEN = ("qwen2-0.5b",)
_F32, _F16, _Q8, _Q4 = (4, 4), (2, 2), (34 / 32, 34 / 32), (18 / 32, 34 / 32)
_PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8", "int4": "int4"}
_OURS = {"fp32": _F32, "bf16": _F16, "int8": (1, 2), "int4": (0.5 + 2 / 32, 2)}


def _ours(p: str, cls: str, *works: str) -> Contender:
    return Contender("ours", cls, "fastplm", _PRECISIONS[p], _OURS[p], works)


def _llama(precision: str, kind: str, size: tuple[float, float]) -> Contender:
    return Contender("llama", "LlamaCpp", "llama_cpp", precision, size, format=kind)


def _openvino(precision: str, kind: str, size: tuple[float, float]) -> Contender:
    return Contender(
        "openvino", "OpenVinoGenAi", "openvino_genai", precision, size, models=_QWEN, format=kind
    )


def _onnx(precision: str, kind: str, size: tuple[float, float]) -> Contender:
    return Contender("onnx", "OnnxGenAi", "onnxruntime_genai", precision, size, models=_QWEN, format=kind)


CONTENDERS = {
    **{f"fastplm-{p}": _ours(p, "Fastplm", *_ALL, "requests") for p in _OURS},
    **{f"one-by-one-{p}": _ours(p, "OneByOne", "requests") for p in _OURS},
    "transformers-fp32": Contender("hf", "Transformers", "transformers", "float32", _F32, _ALL),
    "transformers-bf16": Contender("hf", "Transformers", "transformers", "bfloat16", _F16, _ALL),
    "llama.cpp-f32": _llama("float32", "F32", _F32),
    "llama.cpp-f16": _llama("bfloat16", "F16", _F16),
    "llama.cpp-q8_0": _llama("int8", "Q8_0", _Q8),
    "llama.cpp-q4_0": _llama("int4", "Q4_0", _Q4),
    "ctranslate2-fp32": Contender("ct2", "CTranslate2", "ctranslate2", "float32", _F32, _ALL),
    "ctranslate2-int8": Contender("ct2", "CTranslate2", "ctranslate2", "int8", (1, 1), _ALL),
    "openvino-f16": _openvino("bfloat16", "F16", _F16),
    "openvino-q8_0": _openvino("int8", "Q8_0", _Q8),
    "openvino-q4_0": _openvino("int4", "Q4_0", _Q4),
    "onnxruntime-fp32": _onnx("float32", "fp32", _F32),
    "onnxruntime-int4": _onnx("int4", "int4", (0.5 + 4 / 32, 0.5 + 4 / 32)),
}
