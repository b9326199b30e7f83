"""ONNX Runtime on the graph its own BERT optimiser fused; int8 is its dynamic quantisation."""

import onnxruntime

from bench.models import Exports
from bench.peers.base import Array, Peer


class OnnxRuntime(Peer):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Its workers spin while it runs, which is fastest, and stop when it returns, which disturbs nobody.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        exports = Exports(model)
        path = exports.onnx_int8() if precision == "int8" else exports.onnx()
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        result: Array = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return result
