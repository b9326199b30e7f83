"""fastplm: generate() for equal lengths, a Generator for requests of different ones."""

import numpy as np

import fastplm
from bench.decoders import SHAPES, decoder_folder
from bench.generators.base import Array, Generates


class Fastplm(Generates):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        fastplm.set_num_threads(threads)
        self.model = getattr(fastplm, SHAPES[model].cls).from_pretrained(
            decoder_folder(model), dtype=precision
        )

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        made: Array = self.model.generate(
            ids, attention_mask=np.ones_like(ids), max_new_tokens=new, min_new_tokens=new, num_beams=beams
        )
        return made[:, -new:]

    def requests(self, prompts: list[Array], new: int) -> Array:
        with fastplm.Generator(self.model, share_prefixes=False) as generator:
            made = generator.generate(
                prompts, max_new_tokens=new, min_new_tokens=new, show_progress_bar=False
            )
        return np.stack([completion.token_ids for completion in made])


class OneByOne(Fastplm):
    """The same requests, each after the other."""

    def requests(self, prompts: list[Array], new: int) -> Array:
        return np.stack([self.generate(prompt[None], new, 1)[0] for prompt in prompts])
