"""CTranslate2's Generator and Translator; words stand for ids, as its interface wants them."""

import ctranslate2
import numpy as np

from bench.decoders import SHAPES, ctranslate2_folder
from bench.generators.base import Array, Generates


class CTranslate2(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        self.translates = SHAPES[model].source > 0
        cls = ctranslate2.Translator if self.translates else ctranslate2.Generator
        self.engine = cls(
            str(ctranslate2_folder(model)), compute_type=precision, inter_threads=1, intra_threads=threads
        )

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        words = [[f"w{i}" for i in row] for row in ids]
        if self.translates:
            made = self.engine.translate_batch(
                words, beam_size=beams, max_decoding_length=new, min_decoding_length=new
            )
            rows = [result.hypotheses[0] for result in made]
            return np.array([[int(word.removeprefix("w")) for word in row] for row in rows])
        made = self.engine.generate_batch(
            words, beam_size=beams, max_length=new, min_length=new, include_prompt_in_result=False
        )
        return np.array([result.sequences_ids[0] for result in made])
