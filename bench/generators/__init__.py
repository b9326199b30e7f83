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
_SIZE = {"fp32": ("float32", (4, 4)), "bf16": ("bfloat16", (2, 2)), "int8": ("int8", (1, 2)),
         "int4": ("int4", (0.5 + 2 / 128, 2))}  # fmt: skip

CONTENDERS = {
    **{f"fastplm-{p}": Contender("ours", "Fastplm", "fastplm", *size, (*_ALL, "requests")) for p, size in _SIZE.items()},
    **{f"one-by-one-{p}": Contender("ours", "OneByOne", "fastplm", *size, ("requests",)) for p, size in _SIZE.items()},
    **{f"transformers-{p}": Contender("hf", "Transformers", "transformers", *_SIZE[p], _ALL) for p in ("fp32", "bf16")},
    "llama.cpp-fp32": Contender("llama", "LlamaCpp", "llama_cpp", "float32", (4, 4), format="F32"),
    "llama.cpp-f16": Contender("llama", "LlamaCpp", "llama_cpp", "bfloat16", (2, 2), format="F16"),
    "llama.cpp-q8_0": Contender("llama", "LlamaCpp", "llama_cpp", "int8", (34 / 32, 34 / 32), format="Q8_0"),
    "llama.cpp-q4_0": Contender("llama", "LlamaCpp", "llama_cpp", "int4", (18 / 32, 34 / 32), format="Q4_0"),
    "ctranslate2-fp32": Contender("ct2", "CTranslate2", "ctranslate2", "float32", (4, 4), _ALL),
    "ctranslate2-int8": Contender("ct2", "CTranslate2", "ctranslate2", "int8", (1, 1), _ALL),
    "openvino-f16": Contender("openvino", "OpenVinoGenAi", "openvino_genai", "bfloat16", (2, 2), models=_QWEN, format="F16"),
    "openvino-q8_0": Contender("openvino", "OpenVinoGenAi", "openvino_genai", "int8", (34 / 32, 34 / 32), models=_QWEN,
                               format="Q8_0"),
    "openvino-q4_0": Contender("openvino", "OpenVinoGenAi", "openvino_genai", "int4", (18 / 32, 34 / 32), models=_QWEN,
                               format="Q4_0"),
    "onnxruntime-fp32": Contender("onnx", "OnnxGenAi", "onnxruntime_genai", "float32", (4, 4), models=_QWEN, format="fp32"),
    "onnxruntime-int4": Contender("onnx", "OnnxGenAi", "onnxruntime_genai", "int4", (0.5 + 4 / 32, 0.5 + 4 / 32), models=_QWEN,
                                  format="int4"),
}  # fmt: skip
