"""One class per contender, each at its best setting; `CONTENDERS` names them all.

A contender runs in a process of its own (bench/worker.py), so that no two OpenMP runtimes meet, and is
imported there: naming one here costs nothing.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers.base import Peer


@dataclass(frozen=True)
class Contender:
    module: str
    cls: str
    precision: str  # float32, bfloat16 or int8: only equal precisions are compared
    modes: tuple[str, ...] = ("grid", "ids", "texts")
    splits_batch: bool = False  # one piece per thread: no use for a single sequence
    any_family: bool = False  # otherwise BERT, which every contender has in its own format

    def create(self, model: str, threads: int) -> "Peer":
        cls: type[Peer] = getattr(import_module(f"bench.peers.{self.module}"), self.cls)
        return cls(model, threads, self.precision)


_TEXTS = ("texts",)

CONTENDERS = {
    "fastplm-fp32": Contender("ours", "Fastplm", "float32", any_family=True),
    "torch-fp32": Contender("pytorch", "Torch", "float32", any_family=True),
    "onnxruntime-fp32": Contender("onnx_runtime", "OnnxRuntime", "float32"),
    "openvino-fp32": Contender("openvino_peer", "OpenVino", "float32"),
    "openvino-streams-fp32": Contender("openvino_peer", "OpenVinoStreams", "float32", splits_batch=True),
    "ctranslate2-fp32": Contender("ct2", "CTranslate2", "float32"),
    "sentence-transformers-fp32": Contender("sentence", "SentenceTransformers", "float32", _TEXTS),
    "fastplm-bf16": Contender("ours", "Fastplm", "bfloat16", any_family=True),
    "torch-bf16": Contender("pytorch", "Torch", "bfloat16", any_family=True),
    "openvino-bf16": Contender("openvino_peer", "OpenVino", "bfloat16"),
    "openvino-streams-bf16": Contender("openvino_peer", "OpenVinoStreams", "bfloat16", splits_batch=True),
    "sentence-transformers-bf16": Contender("sentence", "SentenceTransformers", "bfloat16", _TEXTS),
    "onnxruntime-int8": Contender("onnx_runtime", "OnnxRuntime", "int8", ("grid",)),
    "ctranslate2-int8": Contender("ct2", "CTranslate2", "int8", ("grid",)),
}
