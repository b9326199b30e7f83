"""OpenVINO: static shapes where they are known, dynamic ones for ragged text, both ways of using the cores.

`OpenVino` runs one request on all cores (the latency hint); `OpenVinoStreams` splits the batch over one stream per
core (the throughput hint). The better of the two is what fastplm is compared with.
"""

from typing import Any

import numpy as np
import openvino

from bench.models import Exports
from bench.peers.base import Array, Peer


class OpenVino(Peer):
    hints = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}

    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        self.core = openvino.Core()
        self.path = Exports(model).openvino()
        self.settings = self.hints | {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": str(threads),
        }
        self.shape: tuple[int, int] | None = None
        self.requests: list[Any] = []

    def prepare(self, batch: int, length: int) -> None:
        self._compile((batch, length))

    def _compile(self, shape: tuple[int, int] | None, requests: int = 1) -> None:
        model = self.core.read_model(self.path)
        if shape is not None:
            model.reshape({port: list(shape) for port in model.inputs})
        compiled = self.core.compile_model(model, "CPU", self.settings)
        self.shape = shape
        self.requests = [compiled.create_infer_request() for _ in range(requests)]

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        if not self.requests or self.shape not in (None, ids.shape):
            self._compile(None)
        result: Array = self.requests[0].infer([ids, mask], share_inputs=True)[0]
        return result


class OpenVinoStreams(OpenVino):
    hints = {"PERFORMANCE_HINT": "THROUGHPUT"}

    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        self.settings["NUM_STREAMS"] = str(threads)

    def prepare(self, batch: int, length: int) -> None:
        parts = min(self.threads, batch)
        self._compile((batch // parts, length) if batch % parts == 0 else None, parts)

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        parts = min(self.threads, len(ids))
        if len(self.requests) < parts or self.shape not in (None, (len(ids) // parts, ids.shape[1])):
            self._compile(None, parts)
        pieces = list(zip(np.array_split(ids, parts), np.array_split(mask, parts), strict=True))
        for request, piece in zip(self.requests, pieces, strict=False):
            request.start_async(list(piece), share_inputs=True)
        outputs = []
        for request, _ in zip(self.requests, pieces, strict=False):
            request.wait()
            outputs.append(request.get_output_tensor().data)
        return np.concatenate(outputs)
