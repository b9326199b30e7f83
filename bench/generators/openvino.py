"""OpenVINO GenAI, which reads GGUF files."""

import numpy as np
import openvino
import openvino_genai as genai

from bench.decoders import gguf_file
from bench.generators.base import Array, Generates


class OpenVinoGenAi(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        self.pipeline = genai.LLMPipeline(
            str(gguf_file(model, precision)), "CPU", INFERENCE_NUM_THREADS=threads, PERFORMANCE_HINT="LATENCY"
        )

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        config = genai.GenerationConfig(
            max_new_tokens=new,
            min_new_tokens=new,
            num_beams=beams,
            do_sample=False,
            apply_chat_template=False,
        )
        given = ids.astype(np.int64)
        inputs = genai.TokenizedInputs(openvino.Tensor(given), openvino.Tensor(np.ones_like(given)))
        return np.array(self.pipeline.generate(inputs, config).tokens)[:, -new:]
