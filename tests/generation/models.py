"""Tiny models of transformers and ours, and how their results are compared."""

import copy
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch

import fastplm
from tests.models.tiny import Tiny, class_of, random_batch, save_class

NATIVE = ("GPT2LMHeadModel", "LlamaForCausalLM")  # others are encoders that may run as decoders
DECODERS = (*NATIVE, "BertLMHeadModel", "RobertaForCausalLM")
MORE = (
    "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Phi3ForCausalLM", "SmolLM3ForCausalLM",
    "Olmo2ForCausalLM", "GraniteForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM",
    "GPTNeoXForCausalLM", "GPTNeoForCausalLM", "OPTForCausalLM", "OPTForCausalLM, narrow",
    "BartForCausalLM", "MBartForCausalLM", "MarianForCausalLM", "PegasusForCausalLM",
    "MBartForConditionalGeneration",
    "MarianMTModel", "M2M100ForConditionalGeneration", "PegasusForConditionalGeneration",
    "MT5ForConditionalGeneration", "UMT5ForConditionalGeneration",
)  # fmt: skip
BOTH = ("T5ForConditionalGeneration", "BartForConditionalGeneration")
# transformers makes a cache for as many layers as the encoder has
_LAYERS = {
    name: {"num_decoder_layers" if "T5" in name else "decoder_layers": 2}
    for name in (*BOTH, *MORE)
    if not class_of(name).endswith("CausalLM")
}
CLOSE = 1e-4  # where the reference's own two best lie nearer, either may be chosen


@cache
def pair(name: str) -> tuple[Any, Any]:
    """The model of transformers and ours, of the same weights; both have eos tokens that come up."""
    folder = Path(mkdtemp())
    reference = save_class(name, folder, Tiny(extra=_LAYERS.get(name, {})))
    ours = getattr(fastplm, class_of(name)).from_pretrained(folder)
    for model in (reference, ours):
        model.generation_config.eos_token_id = [2, 7]
        model.generation_config.pad_token_id = 0
    return reference, ours


# Rotary positions that turn otherwise in sequences longer than ORIGINAL.
ORIGINAL = 16
ROPES = {
    "dynamic": {"factor": 2.0},
    "longrope": {
        "short_factor": [1.0, 1.1, 1.3, 1.2],
        "long_factor": [1.0, 2.0, 5.0, 7.0],
        "original_max_position_embeddings": ORIGINAL,
    },
}


@cache
def roped(kind: str) -> tuple[Any, Any]:
    """As pair(), of one of ROPES."""
    folder = Path(mkdtemp())
    rope = {"rope_type": kind, "rope_theta": 500.0, **ROPES[kind]}
    extra = {"rope_parameters": rope, "max_position_embeddings": ORIGINAL if kind == "dynamic" else 64}
    reference = save_class("LlamaForCausalLM", folder, Tiny(extra=extra))
    return reference, fastplm.LlamaForCausalLM.from_pretrained(folder)


def prompts(
    lengths: tuple[int, ...] = (9, 5, 7), side: str = "left", seed: int = 0
) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask of random rows."""
    ids, mask = random_batch(61, lengths, side, seed)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def assert_same_rows(reference: Any, got: Any, want: Any, inputs: dict[str, torch.Tensor]) -> None:
    """Fails where greedy rows differ, unless the reference's two best logits in float64 are nearly equal."""
    if got.shape == want.shape and torch.equal(got, want):
        return
    exact, excused = copy.deepcopy(reference).double(), False
    for row in range(len(want)):
        length = min(got.shape[1], want.shape[1])
        differs = (got[row, :length] != want[row, :length]).nonzero()
        if not len(differs):  # a row that was excused may have made the others longer
            rest = torch.cat((got[row, length:], want[row, length:]))
            pad = reference.generation_config.pad_token_id
            assert (rest == pad).all(), f"row {row}: {rest} beyond the other"
            continue
        at = int(differs[0])
        ids = want[row : row + 1, :at]
        mask = inputs["attention_mask"][row : row + 1]
        with torch.no_grad():
            if reference.config.is_encoder_decoder:
                out = exact(inputs["input_ids"][row : row + 1], attention_mask=mask, decoder_input_ids=ids)
            else:
                mask = torch.cat((mask, mask.new_ones(1, at - mask.shape[1])), 1)
                places = (mask.cumsum(1) - 1).clamp(min=0)
                out = exact(ids, attention_mask=mask, position_ids=places)
        best = out.logits[0, -1].topk(2).values
        assert best[0] - best[1] < CLOSE, f"row {row} differs at {at}: {got[row]} instead of {want[row]}"
        excused = True
    assert excused, f"{list(got.shape)} instead of {list(want.shape)}"


def assert_same_output(got: Any, want: Any) -> None:
    """All that a call with return_dict_in_generate=True gives; sequences must be equal."""
    assert {n for n in got if n != "cache"} == {n for n, v in want.items() if v is not None and n != "cache"}
    assert torch.equal(got.sequences, want.sequences)
    for name in got:
        if name != "cache":
            _assert_close(got[name], want[name], name)


def _assert_close(got: Any, want: Any, name: str) -> None:
    if isinstance(want, tuple):
        assert len(got) == len(want), f"{name}: {len(got)}; expected {len(want)}"
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            _assert_close(a, b, f"{name}[{i}]")
        return
    assert got.dtype == want.dtype and got.shape == want.shape, (
        f"{name}: {got.shape}, {got.dtype}; not {want.shape}"
    )
    assert np.allclose(got, want, rtol=1e-4, atol=2e-5), f"{name}: {abs(got - want).max()}"
