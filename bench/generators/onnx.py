"""onnxruntime-genai on the files of its own builder."""

import numpy as np
import onnxruntime_genai as genai

from bench.decoders import onnx_folder
from bench.generators.base import Array, Generates


class OnnxGenAi(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        self.model = genai.Model(str(onnx_folder(model, precision, threads)))

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        rows, length = ids.shape
        params = genai.GeneratorParams(self.model)
        params.set_search_options(
            batch_size=rows,
            do_sample=False,
            num_beams=beams,
            max_length=length + new,
            min_length=length + new,
        )
        generator = genai.Generator(self.model, params)
        generator.append_tokens(ids)
        for _ in range(new):
            generator.generate_next_token()
        return np.stack([generator.get_sequence(row)[-new:] for row in range(rows)])
