"""OpenVINO: static shapes where they are known, dynamic ones for ragged text, both ways of using the cores.

`OpenVino` runs one request on all cores (the latency hint); `OpenVinoStreams` runs one request per core (the
throughput hint): halves of an equal-length batch, whole batches of ragged text. The better of the two is what fastplm
is compared with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino

from bench.models import Exports
from bench.peers.base import Array, Peer, in_order


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
        self.request: Any = None

    def compile(self, shape: tuple[int, ...] | None) -> Any:
        """The model for one shape, or for all of them."""
        model = self.core.read_model(self.path)
        if shape is not None:
            model.reshape({port: list(shape) for port in model.inputs})
        return self.core.compile_model(model, "CPU", self.settings)

    def prepare(self, batch: int, length: int) -> None:
        self.request = self.compile((batch, length)).create_infer_request()

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        result: Array = self.request.infer([ids, mask], share_inputs=True)[0]
        return result

    def embed_ragged(self, texts: Sequence[Sequence[int]]) -> Array:
        if self.request is None or not self.request.model_inputs[0].partial_shape.is_dynamic:
            self.request = self.compile(None).create_infer_request()
        return super().embed_ragged(texts)


class OpenVinoStreams(OpenVino):
    hints = {"PERFORMANCE_HINT": "THROUGHPUT"}

    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        self.settings["NUM_STREAMS"] = str(threads)
        self.queue: Any = None
        self.parts: dict[int, Array] = {}
        self.shape: tuple[int, ...] | None = None

    def prepare(self, batch: int, length: int) -> None:
        self._start((batch // self.threads, length))

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        return np.concatenate(
            self._run(list(zip(np.split(ids, self.threads), np.split(mask, self.threads), strict=True)))
        )

    def embed_ragged(self, texts: Sequence[Sequence[int]]) -> Array:
        if self.queue is None or self.shape is not None:
            self._start(None)
        batches = self.padded_batches(texts)
        return in_order([rows for rows, _, _ in batches], self._run([(ids, mask) for _, ids, mask in batches]))

    def _start(self, shape: tuple[int, ...] | None) -> None:
        self.shape = shape
        self.queue = openvino.AsyncInferQueue(self.compile(shape), self.threads)
        self.queue.set_callback(self._keep)

    def _keep(self, request: Any, index: int) -> None:
        self.parts[index] = request.get_output_tensor().data.copy()

    def _run(self, inputs: list[tuple[Array, Array]]) -> list[Array]:
        for index, (ids, mask) in enumerate(inputs):
            self.queue.start_async([ids, mask], index, share_inputs=True)
        self.queue.wait_all()
        return [self.parts.pop(index) for index in range(len(inputs))]
