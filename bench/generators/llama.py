"""llama.cpp by its C interface, as llama-batched-bench uses it: one context, a sequence for each row."""

import ctypes

import llama_cpp as lib
import numpy as np

from bench.decoders import gguf_file
from bench.generators.base import Array, Generates


@lib.llama_log_callback
def _silent(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    pass


class LlamaCpp(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        self.threads = threads
        lib.llama_log_set(_silent, ctypes.c_void_p(0))
        lib.llama_backend_init()
        path = str(gguf_file(model, precision)).encode()
        self.model = lib.llama_model_load_from_file(path, lib.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp did not load {path.decode()}")
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.context = None

    def prepare(self, batch: int, length: int, new: int) -> None:
        if self.context:
            lib.llama_free(self.context)
        params = lib.llama_context_default_params()
        params.n_ctx = (
            batch * -(-(length + new) // 256) * 256
        )  # a share for each sequence, in its steps of 256
        params.n_batch = max(512, batch * length)
        params.n_seq_max = batch
        params.n_threads = params.n_threads_batch = self.threads
        self.context = lib.llama_init_from_model(self.model, params)
        self.batch = lib.llama_batch_init(params.n_batch, 0, 1)

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        length = ids.shape[1]
        made = [self._step(ids, 0)]
        for at in range(new - 1):
            made.append(self._step(made[-1][:, None], length + at))
        return np.stack(made, 1)

    def _step(self, ids: Array, past: int) -> Array:
        """The best tokens behind each row [B]."""
        batch, (rows, length) = self.batch, ids.shape
        batch.n_tokens = rows * length
        for i, token in enumerate(ids.ravel().tolist()):
            batch.token[i] = token
            batch.pos[i] = past + i % length
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = i // length
            batch.logits[i] = i % length == length - 1
        if code := lib.llama_decode(self.context, batch):
            raise RuntimeError(f"llama_decode gave {code}")
        best = []
        for row in range(rows):
            logits = lib.llama_get_logits_ith(self.context, row * length + length - 1)
            best.append(int(np.ctypeslib.as_array(logits, (self.vocab,)).argmax()))
        return np.array(best)
