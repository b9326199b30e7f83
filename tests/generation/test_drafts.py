"""Guessed tokens: the result is bitwise that of the model alone."""

import numpy as np
import pytest
import torch

import fastplm
from tests.generation.models import BOTH, DECODERS, ORIGINAL, ROPES, pair, prompts, roped
from tests.models.tiny import Tiny, save_class

LONG = [5, 6, 7, 8, 9, 10, 11, 5, 6, 7, 8, 9, 10, 11, 5, 6, 7]


# More families, whose tokens see a window of those before them.
WINDOWS = ("MistralForCausalLM", "Gemma3ForCausalLM", "GPTNeoForCausalLM")
ALL = {"return_dict_in_generate": True, "output_scores": True, "output_logits": True}


@pytest.mark.parametrize("name", [*DECODERS, *BOTH, *WINDOWS])
@pytest.mark.parametrize("settings", [{}, {"repetition_penalty": 1.2}, {"no_repeat_ngram_size": 3}])
def test_lookup_changes_nothing(name, settings):
    model = pair(name)[1]
    settings = {"max_new_tokens": 25, "min_new_tokens": 10, **ALL, **settings}
    plain = model.generate([LONG], **settings)
    for count in (1, 3, 12):
        drafted = model.generate([LONG], prompt_lookup_num_tokens=count, **settings)
        for what in ("sequences", "scores", "logits"):
            assert np.array_equal(drafted[what], plain[what]), (count, what)
        assert 0 <= drafted.accepted_tokens <= drafted.drafted_tokens and drafted.drafted_tokens > 0
        assert len(drafted.cache) == len(plain.cache)


@pytest.mark.parametrize("kind", ROPES)
def test_lookup_across_the_original_length(kind):
    """A pass whose last tokens are beyond it would rotate all of its keys otherwise."""
    model = roped(kind)[1]
    settings = {"max_new_tokens": 25, "eos_token_id": -1, **ALL}
    plain = model.generate([LONG[:9]], **settings)
    for count in (1, 3, 12):
        drafted = model.generate([LONG[:9]], prompt_lookup_num_tokens=count, **settings)
        for what in ("sequences", "scores", "logits"):
            assert np.array_equal(drafted[what], plain[what]), (count, what)
        assert drafted.sequences.shape[1] > ORIGINAL
        assert drafted.drafted_tokens > 0 or kind == "dynamic"  # which has none beyond


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "T5ForConditionalGeneration"])
def test_lookup_as_transformers(name):
    reference, model = pair(name)
    settings = {"max_new_tokens": 25, "min_new_tokens": 10, "prompt_lookup_num_tokens": 3}
    want = reference.generate(torch.tensor([LONG]), **settings)
    assert np.array_equal(model.generate([LONG], **settings), want)


def test_lookup_of_padded_prompts_and_embeddings():
    model = pair("LlamaForCausalLM")[1]
    inputs = {key: value.numpy() for key, value in prompts((9, 5)).items()}
    inputs = {key: value[1:] for key, value in inputs.items()}  # padded on the left
    plain = model.generate(**inputs, max_new_tokens=20)
    assert np.array_equal(model.generate(**inputs, max_new_tokens=20, prompt_lookup_num_tokens=4), plain)


def test_another_model_guesses():
    model, other = pair("LlamaForCausalLM")[1], pair("GPT2LMHeadModel")[1]
    settings = {"max_new_tokens": 25, "return_dict_in_generate": True, "num_assistant_tokens": 4,
                "eos_token_id": -1}  # fmt: skip
    plain = model.generate([LONG], **settings)
    guesses = {}
    for schedule in ("constant", "heuristic"):
        settings["num_assistant_tokens_schedule"] = schedule
        drafted = model.generate([LONG], assistant_model=other, **settings)
        assert np.array_equal(drafted.sequences, plain.sequences)
        guesses[schedule] = drafted.drafted_tokens
        itself = model.generate([LONG], assistant_model=model, **settings)
        assert np.array_equal(itself.sequences, plain.sequences)
        assert itself.accepted_tokens == itself.drafted_tokens >= 18
    assert 0 < guesses["heuristic"] < guesses["constant"]  # which are wrong


def test_where_the_models_end(tmp_path):
    save_class("GPT2LMHeadModel", tmp_path, Tiny(extra={"n_positions": 32}))
    short = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path)
    stop = [lambda ids, scores: ids.shape[1] == 33]  # the model has read 32
    settings = {"max_new_tokens": 1000, "stopping_criteria": stop, "eos_token_id": -1}
    plain = short.generate([LONG], **settings)
    assert plain.shape == (1, 33)
    for drafts in ({"prompt_lookup_num_tokens": 10**6}, {"assistant_model": short}):
        assert np.array_equal(short.generate([LONG], **drafts, **settings), plain)
    model = pair("LlamaForCausalLM")[1]
    settings = {"max_new_tokens": 40, "eos_token_id": -1, "return_dict_in_generate": True}
    plain = model.generate([LONG], **settings)
    drafted = model.generate([LONG], assistant_model=short, num_assistant_tokens=3, **settings)
    assert np.array_equal(drafted.sequences, plain.sequences)
    assert 0 < drafted.drafted_tokens <= 3 * (33 - len(LONG))  # later passes go without


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
    ids = tokenizer("Once upon a time")["input_ids"]
    settings = {"max_new_tokens": 200, "return_dict_in_generate": True}
    plain = model.generate([ids], **settings)
    drafted = model.generate([ids], prompt_lookup_num_tokens=8, **settings)
    assert np.array_equal(drafted.sequences, plain.sequences) and drafted.accepted_tokens > 0


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
