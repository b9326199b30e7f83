"""transformers' generate() on torch."""

import torch
import transformers

from bench.decoders import SHAPES, decoder_folder
from bench.generators.base import Array, Generates


class Transformers(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        cls = getattr(transformers, SHAPES[model].cls)
        self.model = cls.from_pretrained(decoder_folder(model), dtype=getattr(torch, precision)).eval()

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        given = torch.from_numpy(ids).long()
        made = self.model.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=new, min_new_tokens=new,
            num_beams=beams, do_sample=False,
        )  # fmt: skip
        result: Array = made[:, -new:].numpy()
        return result
