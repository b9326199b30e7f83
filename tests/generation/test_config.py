"""GenerationConfig: every key of transformers' acts, is refused by name, or has no effect for a reason."""

import copy
import inspect
import json
import pickle
import re
import warnings

import pytest
import torch
import transformers

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.generation import config as ours
from fastplm.settings import WITHOUT_EFFECT
from tests.generation.models import pair, prompts

# Every setting that acts: a value with which a call gives something else; what is set beside it.
SAMPLED = {"do_sample": True, "seed": 5, "top_k": 0}
ACT = {
    "max_length": (12, {"max_new_tokens": None}),
    "max_new_tokens": (3, {}),
    "min_length": (16, {}),
    "min_new_tokens": (9, {}),
    "early_stopping": (True, {"num_beams": 4, "length_penalty": 3.0}),
    "max_time": (1e-9, {}),
    "do_sample": (True, {"seed": 3}),
    "num_beams": (4, {}),
    "num_return_sequences": (2, {"num_beams": 2}),
    "use_cache": (False, {"return_dict_in_generate": True}),
    "temperature": (0.1, SAMPLED),
    "top_k": (1, {**SAMPLED, "top_k": None}),
    "top_p": (0.1, SAMPLED),
    "min_p": (0.9, SAMPLED),
    "top_h": (0.1, SAMPLED),
    "typical_p": (0.1, SAMPLED),
    "epsilon_cutoff": (0.3, SAMPLED),
    "eta_cutoff": (0.3, SAMPLED),
    "repetition_penalty": (2.5, {}),
    "encoder_repetition_penalty": (4.0, {}),
    "presence_penalty": (6.0, {}),
    "frequency_penalty": (6.0, {}),
    "length_penalty": (-3.0, {"num_beams": 4}),
    "no_repeat_ngram_size": (1, {}),
    "encoder_no_repeat_ngram_size": (1, {"sequence_bias": {(39,): 50.0}}),
    "bad_words_ids": ([[t] for t in range(8, 40)], {}),
    "sequence_bias": ({(9,): 50.0}, {}),
    "renormalize_logits": (True, {"return_dict_in_generate": True, "output_scores": True}),
    "remove_invalid_values": (
        True, {"bad_words_ids": [[5]], "return_dict_in_generate": True, "output_scores": True},
    ),
    "forced_eos_token_id": (9, {}),
    "exponential_decay_length_penalty": ((1, 9.0), {}),
    "suppress_tokens": (list(range(8, 40)), {}),
    "begin_suppress_tokens": (list(range(8, 60)), {}),
    "output_scores": (True, {"return_dict_in_generate": True}),
    "output_logits": (True, {"return_dict_in_generate": True}),
    "output_attentions": (True, {"return_dict_in_generate": True}),
    "output_hidden_states": (True, {"return_dict_in_generate": True}),
    "return_dict_in_generate": (True, {}),
    "pad_token_id": (33, {}),
    "eos_token_id": (list(range(30)), {}),
    "seed": (6, {"do_sample": True}),
}  # fmt: skip
ELSEWHERE = {
    "stop_strings",
    "forced_bos_token_id",
    "bos_token_id",
    "decoder_start_token_id",
}  # tests of their own
REFUSED = {
    "assistant_early_exit": 1, "cache_config": {"nbits": 4}, "constraints": [1],
    "continuous_batching_config": {"a": 1}, "diversity_penalty": 0.5, "dola_layers": "low",
    "force_words_ids": [[1]], "guidance_scale": 1.5, "is_assistant": True, "low_memory": True,
    "num_beam_groups": 2, "penalty_alpha": 0.6, "speculation_type": "dflash",
    "token_healing": True, "use_mtp": True, "watermarking_config": {"bias": 2.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return pair("LlamaForCausalLM")[1]


def call(model, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.generate(**prompts((9, 5)), **{"max_new_tokens": 12, **given})


def same(a, b):
    if torch.is_tensor(a) and torch.is_tensor(b):
        return a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[n], b[n]) for n in a if n != "cache")
    return type(a) is type(b)


def test_every_key_is_dealt_with():
    """The names come from transformers, so one that is new there fails here."""
    source = inspect.getsource(transformers.GenerationConfig.__init__)
    theirs = set(re.findall(r'kwargs\.pop\("(\w+)"', source)) | set(vars(transformers.GenerationConfig()))
    theirs |= set(transformers.GenerationConfig._get_default_generation_params())
    drafts = {"prompt_lookup_num_tokens", "max_matching_ngram_size", "num_assistant_tokens",
              "num_assistant_tokens_schedule"}  # fmt: skip
    acting = {*ACT, *ELSEWHERE, *drafts}
    dealt = {*acting, *REFUSED, *WITHOUT_EFFECT["generation_config.json"], "cache_implementation"}
    assert theirs - dealt - set(ours._METADATA) == set()
    assert dealt == set(ours.FIELDS)
    defaults = transformers.GenerationConfig._get_default_generation_params()
    assert {n: v for n, v in ours.DEFAULTS.items() if n in defaults} == {
        n: v for n, v in defaults.items() if n in acting
    }


@pytest.mark.parametrize("name", ACT)
def test_it_acts(model, name):
    value, beside = ACT[name]
    assert not same(call(model, **beside), call(model, **{**beside, name: value}))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(model, name):
    with pytest.raises(UnsupportedError, match=f"^{name}: "):
        call(model, **{name: REFUSED[name]})
    for allowed in ours.REFUSED[name][0]:
        call(model, **{name: allowed}, max_new_tokens=1)


@pytest.mark.parametrize("name", WITHOUT_EFFECT["generation_config.json"])
def test_it_has_no_effect(model, name):
    assert same(call(model), call(model, **{name: 3}))


def test_caches(model):
    plain = call(model)
    for name in (None, "dynamic", "static", "offloaded", "offloaded_static"):
        assert same(call(model, cache_implementation=name), plain)
    for name in ("quantized", "paged"):
        with pytest.raises(UnsupportedError, match=f"cache_implementation: '{name}'"):
            call(model, cache_implementation=name)
    with pytest.raises(ValueError, match="cache_implementation: 'mine'"):
        call(model, cache_implementation="mine")


def test_tokens_to_begin_with():
    reference, model = pair("T5ForConditionalGeneration")
    inputs = prompts((6, 4))
    begun = {"decoder_start_token_id": torch.tensor([3, 4]), "forced_bos_token_id": 8}
    then = reference.generate(**inputs, **begun, max_new_tokens=5)[:, 2].tolist()
    for given in (
        {"decoder_start_token_id": 5},
        {"decoder_start_token_id": [5, 6]},
        {"forced_bos_token_id": 9},
        {**begun, "begin_suppress_tokens": then},  # behind the token that is forced
    ):
        want = reference.generate(**inputs, **given, max_new_tokens=5)
        assert torch.equal(model.generate(**inputs, **given, max_new_tokens=5), want)
    reference, model = pair("LlamaForCausalLM")
    for given in ({"bos_token_id": 7, "max_new_tokens": 4}, {"max_new_tokens": 3}):
        want = reference.generate(**given)
        assert model.generate(**given).tolist() == want.tolist()
    kept, model.generation_config.bos_token_id = model.generation_config.bos_token_id, None
    with pytest.raises(ValueError, match="no bos_token_id to begin with"):
        model.generate(max_new_tokens=2)
    model.generation_config.bos_token_id = kept


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"early_stopping": 3}, "early_stopping: 3"),
        ({"max_new_tokens": 0}, "max_new_tokens: 0"),
        ({"max_new_tokens": 2.5}, "max_new_tokens: 2.5"),
        ({"num_return_sequences": 2}, "num_return_sequences: 2 with greedy search"),
        ({"num_return_sequences": 3, "num_beams": 2}, "3; expected at most num_beams, 2"),
        ({"suppress_tokens": [9], "forced_eos_token_id": 9}, "all of which suppress_tokens forbids"),
        ({"do_sample": True, "temperature": 0}, "temperature: 0; .*do_sample=False"),
        ({"do_sample": True, "temperature": -1.0}, "temperature: -1.0; expected more than 0"),
        ({"do_sample": True, "top_k": -1}, "top_k: -1"),
        ({"do_sample": True, "top_p": -0.1}, "top_p: -0.1"),
        ({"do_sample": True, "min_p": 1.5}, "min_p: 1.5"),
        ({"do_sample": True, "typical_p": 0.0}, "typical_p: 0.0"),
        ({"do_sample": True, "top_h": 2.0}, "top_h: 2.0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty: 0.0"),
        ({"repetition_penalty": "a"}, "repetition_penalty: 'a'"),
        ({"no_repeat_ngram_size": -2}, "no_repeat_ngram_size: -2"),
        ({"bad_words_ids": []}, "bad_words_ids: "),
        ({"bad_words_ids": [[]]}, "bad_words_ids: "),
        ({"bad_words_ids": [[2]], "eos_token_id": 2}, "expected others than eos_token_id"),
        ({"bad_words_ids": [[61]]}, "holds 61; expected ids from 0 to 60"),
        ({"sequence_bias": {(1,): 2}}, "a bias of 2; expected a float"),
        ({"sequence_bias": {5: 2.0}}, "expected tuples as keys"),
        ({"exponential_decay_length_penalty": 3}, "exponential_decay_length_penalty: 3"),
        ({"min_length": -4}, "min_length: -4"),
        ({"num_beams": 0}, "num_beams: 0"),
        ({"num_beams": 40, "eos_token_id": list(range(61))}, "num_beams is 40"),
        ({"max_length": 4, "max_new_tokens": None}, "the prompt has 9 tokens, and max_length is 4"),
        ({"eos_token_id": []}, "eos_token_id: empty"),
    ],
)  # fmt: skip
def test_contradictions(model, given, message):
    with pytest.raises(ValueError, match=message):
        call(model, **given)


def test_warnings(model):
    inputs = prompts((9, 5))
    for given, message in (
        ({"temperature": 0.5}, "temperature=0.5 only acts with do_sample=True"),
        ({"length_penalty": 2.0}, "length_penalty=2.0 only acts with num_beams > 1"),
        ({"output_scores": True}, "output_scores=True only acts with return_dict_in_generate=True"),
        ({"max_length": 30}, "max_new_tokens and max_length are both set"),
        ({"min_length": 200}, "min_length is 200, more than max_length"),
        ({"max_new_tokens": None}, "neither max_new_tokens nor max_length is set; it ends at 29 tokens"),
    ):
        with pytest.warns(UserWarning, match=message) as caught:
            model.generate(**inputs, **{"max_new_tokens": 2, **given})
        assert {warning.filename for warning in caught} == {__file__}  # they name the caller's line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.generate(**inputs, max_new_tokens=2)
    right = prompts((9, 5), "right")
    with pytest.warns(UserWarning, match="pad them on the left"):
        model.generate(**right, max_new_tokens=2)
    with pytest.warns(UserWarning, match="padding cannot be told from text"):
        model.generate(inputs["input_ids"], max_new_tokens=2, pad_token_id=2)


def test_lengths_are_counted_as_transformers_counts_them():
    for name in ("GPT2LMHeadModel", "BartForConditionalGeneration"):
        models, inputs = pair(name), prompts((6, 6))
        for given in ({}, {"max_length": 15}, {"max_new_tokens": 4}, {"max_length": 15, "max_new_tokens": 4},
                      {"min_length": 14, "max_length": 15},
                      {"max_length": 12, "min_new_tokens": 3}):  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want, got = (model.generate(**inputs, **given) for model in models)
            assert torch.equal(got, want)


def test_objects(model):
    """A GenerationConfig of fastplm, one of transformers, a dict; settings by name count before them."""
    settings = {"max_new_tokens": 5, "repetition_penalty": 1.5, "num_beams": 2, "eos_token_id": 9}
    want = call(model, **settings)
    theirs = transformers.GenerationConfig(**settings)
    for config in (fastplm.GenerationConfig(**settings), theirs, settings):
        before = copy.deepcopy(config)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = model.generate(**prompts((9, 5)), generation_config=config)
        assert torch.equal(got, want) and config == before
    got = call(model, generation_config=theirs, max_new_tokens=3)
    assert got.shape[1] == 12
    with pytest.raises(TypeError, match="generation_config: a int"):
        call(model, generation_config=3)
    watermark = transformers.GenerationConfig(watermarking_config=transformers.WatermarkingConfig())
    with pytest.raises(UnsupportedError, match="watermarking_config"):
        call(model, generation_config=watermark)


def test_files(tmp_path):
    config = fastplm.GenerationConfig(
        max_new_tokens=7, sequence_bias={(1, 2): -1.5}, do_sample=True, top_p=0.5
    )
    config.save_pretrained(tmp_path)
    again = fastplm.GenerationConfig.from_pretrained(tmp_path)
    assert again.max_new_tokens == 7 and again.sequence_bias == [[[1, 2], -1.5]]
    theirs = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert theirs.max_new_tokens == 7 and theirs.top_p == 0.5
    theirs.save_pretrained(tmp_path / "theirs")
    assert fastplm.GenerationConfig.from_pretrained(tmp_path / "theirs", top_k=3).top_k == 3
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config) and config != again
    assert config.update(max_new_tokens=9, foo=1) == {"foo": 1} and config.max_new_tokens == 9
    assert config.update(max_new_tokens=3, top_k=4, defaults_only=True) == {"max_new_tokens": 3}
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        fastplm.GenerationConfig.from_pretrained(tmp_path, "none.json")
    for text, message in (
        ("[1]", "holds a list"),
        ('{"max_new_tokens": "a"}', "'>' not supported"),
        ('{"early_stopping": 7}', "early_stopping: 7"),
        ("{", "not valid JSON"),
        ('{"streamer": 1}', "streamer is an argument of generate"),
    ):
        (tmp_path / ours.FILE).write_text(text)
        with pytest.raises(CheckpointError, match=message):
            fastplm.GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / ours.FILE).write_text('{"new_in_2030": 1}')
    with pytest.warns(UserWarning, match="does not know the setting 'new_in_2030'"):
        assert fastplm.GenerationConfig.from_pretrained(tmp_path).new_in_2030 == 1


def test_what_a_checkpoint_says(tmp_path):
    """generation_config.json, or the settings of old config.json files, as transformers reads them."""
    from tests.models.tiny import save_class

    reference = save_class("BartForConditionalGeneration", tmp_path)
    path = tmp_path / "config.json"
    kind = type(reference)
    values = json.loads(path.read_text())
    (tmp_path / ours.FILE).unlink()
    for change in (
        {},
        {"num_beams": 4, "max_length": 33, "no_repeat_ngram_size": 3},
        {"output_attentions": True},
    ):
        path.write_text(json.dumps({**values, **change}))
        theirs = kind.from_pretrained(tmp_path).generation_config.to_dict()
        mine = fastplm.BartForConditionalGeneration.from_pretrained(tmp_path).generation_config.to_dict()
        assert mine == {name: theirs.get(name) for name in mine}
    model = fastplm.BartForConditionalGeneration.from_pretrained(
        tmp_path, generation_config=fastplm.GenerationConfig(max_new_tokens=2)
    )
    assert model.generation_config.max_new_tokens == 2
    model.generation_config.num_beams = 3
    assert pickle.loads(pickle.dumps(model)).generation_config == model.generation_config
    assert model.can_generate() and not fastplm.BartModel.can_generate()


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "GPT2DoubleHeadsModel", "GPT2Model", "LlamaForCausalLM",
                                  "LlamaForSequenceClassification", "T5ForConditionalGeneration", "T5Model",
                                  "T5EncoderModel", "BartForConditionalGeneration",
                                  "BertForMaskedLM"])  # fmt: skip
def test_who_generates(name):
    assert getattr(fastplm, name).can_generate() == getattr(transformers, name).can_generate()
    assert hasattr(getattr(fastplm, name), "generate") == getattr(transformers, name).can_generate()
