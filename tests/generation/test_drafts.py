"""Guessed tokens: the result is bitwise that of the model alone."""

import numpy as np
import pytest
import torch

import fastplm
from tests.generation.models import BOTH, DECODERS, pair, prompts

LONG = [5, 6, 7, 8, 9, 10, 11, 5, 6, 7, 8, 9, 10, 11, 5, 6, 7]


@pytest.mark.parametrize("name", [*DECODERS, *BOTH])
@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("settings", [{}, {"repetition_penalty": 1.2}, {"no_repeat_ngram_size": 3}])
def test_lookup_changes_nothing(name, count, settings):
    reference, model = pair(name)
    settings = {"max_new_tokens": 25, "min_new_tokens": 10, "return_dict_in_generate": True,
                "output_scores": True, "output_logits": True, **settings}  # fmt: skip
    plain = model.generate([LONG], **settings)
    drafted = model.generate([LONG], prompt_lookup_num_tokens=count, **settings)
    assert np.array_equal(drafted.sequences, plain.sequences)
    assert np.array_equal(drafted.scores, plain.scores) and np.array_equal(drafted.logits, plain.logits)
    assert 0 <= drafted.accepted_tokens <= drafted.drafted_tokens and drafted.drafted_tokens > 0
    assert len(drafted.cache) == len(plain.cache)
    want = reference.generate(torch.tensor([LONG]), prompt_lookup_num_tokens=count, **settings).sequences
    assert np.array_equal(drafted.sequences, want)


def test_lookup_of_padded_prompts_and_embeddings():
    model = pair("LlamaForCausalLM")[1]
    inputs = {key: value.numpy() for key, value in prompts((9, 5)).items()}
    inputs = {key: value[1:] for key, value in inputs.items()}  # padded on the left
    plain = model.generate(**inputs, max_new_tokens=20)
    assert np.array_equal(model.generate(**inputs, max_new_tokens=20, prompt_lookup_num_tokens=4), plain)


@pytest.mark.parametrize("schedule", ["constant", "heuristic"])
def test_another_model_guesses(schedule):
    model, other = pair("LlamaForCausalLM")[1], pair("GPT2LMHeadModel")[1]
    settings = {"max_new_tokens": 25, "return_dict_in_generate": True, "num_assistant_tokens": 4,
                "num_assistant_tokens_schedule": schedule, "eos_token_id": -1}  # fmt: skip
    plain = model.generate([LONG], **settings)
    drafted = model.generate([LONG], assistant_model=other, **settings)
    assert np.array_equal(drafted.sequences, plain.sequences) and drafted.drafted_tokens > 0
    itself = model.generate([LONG], assistant_model=model, **settings)
    assert np.array_equal(itself.sequences, plain.sequences)
    assert itself.accepted_tokens == itself.drafted_tokens >= 18


def test_streamed_and_stopped():
    model = pair("LlamaForCausalLM")[1]
    seen = []

    class Streamer:
        def put(self, value):
            seen.append(np.asarray(value).reshape(-1).tolist())

        def end(self):
            seen.append("end")

    got = model.generate([LONG], max_new_tokens=9, streamer=Streamer(), prompt_lookup_num_tokens=5)[
        0
    ].tolist()
    assert seen[0] == LONG and seen[-1] == "end"
    assert [i for part in seen[1:-1] for i in part] == got[len(LONG) :]
    cut = model.generate(
        [LONG], max_new_tokens=9, prompt_lookup_num_tokens=5,
        stopping_criteria=[lambda ids, scores: ids.shape[1] >= len(LONG) + 4],
    )  # fmt: skip
    assert cut[0].tolist() == got[: len(LONG) + 4]


def test_a_real_checkpoint(data):
    folder = data / "stories260k" / "hf"
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    story = "Once upon a time, there was a little girl named Lily. She loved to play outside. "
    ids = tokenizer(story * 2)["input_ids"]
    plain = model.generate([ids], max_new_tokens=80)
    drafted = model.generate(
        [ids], max_new_tokens=80, prompt_lookup_num_tokens=8, return_dict_in_generate=True
    )
    assert np.array_equal(drafted.sequences, plain) and drafted.accepted_tokens > 20


REFUSED = [
    ({"num_beams": 2}, fastplm.UnsupportedError, "beams or sampling"),
    ({"do_sample": True}, fastplm.UnsupportedError, "beams or sampling"),
    (
        {"output_hidden_states": True, "return_dict_in_generate": True},
        fastplm.UnsupportedError,
        "with drafts",
    ),
    ({"prompt_lookup_num_tokens": 0}, ValueError, "prompt_lookup_num_tokens: 0"),
    ({"max_matching_ngram_size": -1}, ValueError, "max_matching_ngram_size: -1"),
    ({"num_assistant_tokens_schedule": "other"}, ValueError, "schedule: 'other'"),
    ({"assistant_tokenizer": object()}, fastplm.UnsupportedError, "assistant_tokenizer"),
]


@pytest.mark.parametrize(("settings", "error", "match"), REFUSED)
def test_refused(settings, error, match):
    model = pair("LlamaForCausalLM")[1]
    with pytest.raises(error, match=match):
        model.generate([LONG], **{"max_new_tokens": 3, "prompt_lookup_num_tokens": 3, **settings})


def test_models_that_cannot_draft(tmp_path):
    from tests.models.tiny import Tiny, save_class

    model = pair("LlamaForCausalLM")[1]
    with pytest.raises(ValueError, match="2 prompts"):
        model.generate([LONG, LONG], max_new_tokens=3, prompt_lookup_num_tokens=3)
    with pytest.raises(TypeError, match="assistant_model: a str"):
        model.generate([LONG], max_new_tokens=3, assistant_model="gpt2")
    with pytest.raises(fastplm.UnsupportedError, match="expected a decoder"):
        model.generate([LONG], max_new_tokens=3, assistant_model=pair(BOTH[0])[1])
    save_class("GPT2LMHeadModel", tmp_path, Tiny(vocab=70))
    other = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="vocabulary has 70 tokens; expected 61"):
        model.generate([LONG], max_new_tokens=3, assistant_model=other)
