"""Every argument of from_pretrained and of a model's call, as transformers 5 names them.

The names come from transformers itself, so one that is new in a later release fails here until it is dealt
with.
"""

import inspect
import json
import re
import shutil
import warnings

import numpy as np
import pytest
import torch
import transformers
from transformers.models.auto.auto_factory import _BaseAutoModelClass
from transformers.utils.generic import TransformersKwargs

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.settings import WITHOUT_EFFECT
from tests.models.tiny import FAMILIES, Tiny, random_batch, save_tiny
from tests.tolerance import assert_layers


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def pair(family, tmp_path_factory):
    """transformers' model and ours, of the same weights."""
    folder = tmp_path_factory.mktemp(family)
    return save_tiny(family, folder), fastplm.AutoModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    save_tiny("bert", path)
    return path


@pytest.fixture(scope="module")
def plain(folder):
    return fastplm.AutoModel.from_pretrained(folder)([[5, 6, 7]])[0]


# --- from_pretrained ---

# Refused: argument, and a value that asks for something.
REFUSED = {
    "adapter_kwargs": {"subfolder": "x"}, "allow_all_kernels": True,
    "attn_implementation": "somebody/kernels",
    "device_map": "cuda", "device_mesh": object(), "distributed_config": object(),
    "fusion_config": {"a": True},
    "ignore_mismatched_sizes": True, "kernel_config": object(),
    "key_mapping": {"a": "b"},
    "max_memory": {"cpu": "1GB"}, "output_loading_info": True, "proxies": {"http": "x"},
    "quantization_config": {"load_in_4bit": True}, "state_dict": {"a": 1}, "tp_plan": "auto", "tp_size": 2,
    "use_kernels": True, "use_safetensors": False,
}  # fmt: skip
# Accepted: values that ask for nothing else than what is done.
ACCEPTED = {
    "adapter_kwargs": {}, "attn_implementation": "flash_attention_2", "device_map": "auto", "proxies": {},
    "use_safetensors": True, "trust_remote_code": False, "low_cpu_mem_usage": True, "weights_only": False,
    "offload_folder": "x", "generation_config": object(), "code_revision": "x", "tqdm_class": object,
    "add_pooling_layer": True, "token": False, "subfolder": "", "revision": "main", "variant": None,
    "cache_dir": "x", "local_files_only": True, "force_download": True, "config": None, "dtype": None,
    "torch_dtype": None, "disable_mmap": True, "gguf_file": None,
}  # fmt: skip
# Of transformers' own inner calls.
INTERNAL = {"_adapter_model_path", "_configuration_file", "commit_message", "repo_id",
            "return_unused_kwargs"}  # fmt: skip
SETTINGS = {"model_type", "name_or_path", "num_labels"}  # of the config, by keyword


def loader_arguments():
    """The names that from_pretrained of transformers takes, in its signature or out of its keywords."""
    loaders = (
        transformers.PreTrainedModel.from_pretrained,
        _BaseAutoModelClass.from_pretrained,
        transformers.AutoConfig.from_pretrained,
        transformers.PreTrainedConfig.from_pretrained,
        transformers.PreTrainedConfig._get_config_dict,
    )
    names = set()
    for loader in loaders:
        kinds = inspect.signature(loader).parameters.values()
        names |= {p.name for p in kinds if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        source = inspect.getsource(loader)
        names |= set(re.findall(r'kwargs\.(?:pop|get)\(\s*"(\w+)"', source))
        names |= set(re.findall(r'kwargs\["(\w+)"\]', source))
        for some in re.findall(r"for name in \[(.*?)\]", source, re.DOTALL):
            names |= set(re.findall(r'"(\w+)"', some))
    return names - {"pretrained_model_name_or_path"} - INTERNAL - SETTINGS


def test_every_argument_of_the_loaders_is_in_a_table():
    names = loader_arguments()
    assert {"key_mapping", "low_cpu_mem_usage", "_from_auto", "weights_only", "code_revision"} <= names
    assert names <= set(REFUSED) | set(ACCEPTED) | set(WITHOUT_EFFECT["from_pretrained"])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_arguments(name, folder):
    with pytest.raises(UnsupportedError, match=name):
        fastplm.AutoModel.from_pretrained(folder, **{name: REFUSED[name]})


def test_accepted_arguments(folder, plain):
    nothing = dict.fromkeys(n for n in REFUSED if n not in ACCEPTED)
    others = dict.fromkeys(WITHOUT_EFFECT["from_pretrained"], "anything")
    for arguments in (ACCEPTED, nothing, others):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = fastplm.AutoModel.from_pretrained(folder, **arguments)
        assert np.array_equal(model([[5, 6, 7]])[0], plain)


@pytest.mark.parametrize(
    "name", ["foo", "resume_download", "use_auth_token", "torchscript", "local_attention"]
)
def test_unknown_keywords(name, folder):
    """As in transformers, whose newest release no longer has the older ones."""
    for library in (transformers, fastplm):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            library.AutoModel.from_pretrained(folder, **{name: None})


@pytest.mark.parametrize("value", [None, "cpu", "auto", "sequential", {"": "cpu"}, torch.device("cpu")])
def test_device_maps(value, folder, plain):
    assert np.array_equal(fastplm.AutoModel.from_pretrained(folder, device_map=value)([[5, 6, 7]])[0], plain)


@pytest.mark.parametrize("value", [0, "cuda:1", {"": 0}, {"encoder": "cuda", "": "cpu"}, {"": "disk"}, "mps"])
def test_device_maps_elsewhere(value, folder):
    with pytest.raises(UnsupportedError, match="device_map="):
        fastplm.AutoModel.from_pretrained(folder, device_map=value)


@pytest.mark.parametrize("value", [None, "eager", "sdpa", "flex_attention", {"": "eager"}])
def test_attention_implementations(value, folder, plain):
    model = fastplm.AutoModel.from_pretrained(folder, attn_implementation=value)
    assert np.array_equal(model([[5, 6, 7]])[0], plain)


def test_settings_by_keyword(folder):
    """They take the place of config.json's, as in transformers."""
    settings = {
        "output_hidden_states": True,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.5,
        "num_labels": 7,
    }
    reference = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, **settings).eval()
    model = fastplm.AutoModel.from_pretrained(folder, **settings)
    with torch.no_grad():
        want = reference(torch.tensor([[5, 6]]))
    got = model([[5, 6]])
    assert_layers(got.hidden_states, want.hidden_states)
    assert model.config.hidden_act == reference.config.hidden_act == "relu"
    assert isinstance(fastplm.AutoModel.from_pretrained(folder, return_dict=False)([[5]]), tuple)
    assert len(fastplm.AutoModel.from_pretrained(folder, output_attentions=True)([[5]]).attentions) == 2
    with pytest.raises(UnsupportedError, match="add_cross_attention"):
        fastplm.AutoModel.from_pretrained(folder, add_cross_attention=True)
    with pytest.raises(CheckpointError, match="hidden_size is 'x'"):
        fastplm.AutoModel.from_pretrained(folder, hidden_size="x")


def test_config_of_the_caller(folder, tmp_path, plain):
    shutil.copy(folder / "model.safetensors", tmp_path)
    values = json.loads((folder / "config.json").read_text())
    (tmp_path / "relu.json").write_text(json.dumps({**values, "hidden_act": "relu"}))
    theirs = transformers.BertConfig.from_pretrained(tmp_path / "relu.json")
    ours = fastplm.PretrainedConfig.from_pretrained(tmp_path / "relu.json")
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "relu.json", tmp_path / "other" / "config.json")
    reference = transformers.AutoModel.from_pretrained(tmp_path, config=theirs, dtype=torch.float32).eval()
    with torch.no_grad():
        want = reference(torch.tensor([[5, 6, 7]]))[0]
    assert not np.allclose(want, plain, atol=1e-3)
    for config in (theirs, ours, ours.to_dict(), tmp_path / "relu.json", str(tmp_path / "other")):
        for loader in (fastplm.AutoModel, fastplm.BertModel):
            assert_layers([loader.from_pretrained(tmp_path, config=config)([[5, 6, 7]])[0]], [want])
    given = fastplm.AutoModel.from_pretrained(tmp_path, config=tmp_path / "relu.json", hidden_act="gelu")
    assert np.array_equal(given([[5, 6, 7]])[0], plain)
    with pytest.raises(TypeError, match="'hidden_act' beside config"):
        fastplm.AutoModel.from_pretrained(tmp_path, config=ours, hidden_act="gelu")
    with pytest.raises(TypeError, match="config: 5; expected a config"):
        fastplm.AutoModel.from_pretrained(tmp_path, config=5)
    del values["hidden_size"]
    with pytest.raises(CheckpointError, match="config: has no hidden_size"):
        fastplm.AutoModel.from_pretrained(tmp_path, config=values)


def test_variant(folder, tmp_path, plain):
    """Another file of weights beside the usual one, whole or in shards."""
    save_tiny("bert", tmp_path, seed=1)
    shutil.copy(folder / "model.safetensors", tmp_path / "model.fp16.safetensors")
    save_tiny("bert", tmp_path / "shards", variant="b", max_shard_size="4KB")
    for path, variant in ((tmp_path, "fp16"), (tmp_path / "shards", "b")):
        got = fastplm.AutoModel.from_pretrained(path, variant=variant)([[5, 6, 7]])[0]
        assert np.array_equal(got, plain)
    assert not np.allclose(fastplm.AutoModel.from_pretrained(tmp_path)([[5, 6, 7]])[0], plain)
    with pytest.raises(FileNotFoundError, match=r"model\.fp32\.safetensors"):
        fastplm.AutoModel.from_pretrained(tmp_path, variant="fp32")
    with pytest.raises(ValueError, match=r"variant: '\.\./x'"):
        fastplm.AutoModel.from_pretrained(tmp_path, variant="../x")


def test_both_names_of_dtype(folder):
    model = fastplm.AutoModel.from_pretrained(folder, dtype="bfloat16", torch_dtype="float32")
    reference = transformers.AutoModel.from_pretrained(folder, dtype="bfloat16", torch_dtype="float32")
    assert model.dtype == reference.dtype == torch.bfloat16


def test_files_beside_the_weights(folder, tmp_path, plain):
    """What transformers does not act on either, and what it would load in place of the weights."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for name in ("generation_config.json", "preprocessor_config.json", "quantize_config.json",
                 "hf_quant_config.json", "model.safetensors.index.json", "params.json"):  # fmt: skip
        (tmp_path / name).write_text('{"bits": 4, "weight_map": {}}')
    (tmp_path / "custom_generate").mkdir()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    (tmp_path / "consolidated.safetensors").write_bytes(b"nothing")
    reference = transformers.AutoModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        assert_layers([plain], [reference(torch.tensor([[5, 6, 7]]))[0]])
    assert np.array_equal(fastplm.AutoModel.from_pretrained(tmp_path)([[5, 6, 7]])[0], plain)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "shard-00001-model-00001-of-00002.safetensors").write_bytes(b"nothing")
    with pytest.raises(UnsupportedError, match=r"shard-00001.*: part of a distributed checkpoint"):
        fastplm.AutoModel.from_pretrained(tmp_path)


# --- the call ---

# Refused unless None or False: argument, and a value.
NOT_AT_A_CALL = {
    "cache": 1, "cache_position": [0], "cu_seq_lens_k": [0, 1], "cu_seq_lens_q": [0, 1],
    "encoder_attention_mask": [[1]], "encoder_hidden_states": np.zeros((1, 1, 16)), "head_mask": [[1]],
    "is_causal": True, "logits_to_keep": 2, "max_length_k": 1, "max_length_q": 1, "past_key_values": [1],
    "seq_idx": [[0]], "use_cache": True,
}  # fmt: skip
HONOURED = {"input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds",
            "output_hidden_states", "output_attentions", "return_dict", "langs", "lengths",
            "mems", "perm_mask", "target_mapping", "input_mask", "use_mems"}  # fmt: skip


def order_of(model):
    """The names of a call's arguments that may be given by position."""
    parameters = inspect.signature(model.forward).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def test_every_argument_of_a_call_is_in_a_table(pair):
    names = {*order_of(pair[0]), *TransformersKwargs.__annotations__}
    assert names <= HONOURED | set(NOT_AT_A_CALL) | set(WITHOUT_EFFECT["forward"])


def test_order_of_arguments(family, pair):
    """By position, each argument is what transformers takes it for."""
    reference, model = pair
    order = order_of(reference)
    assert order_of(model) == order
    ids, mask = random_batch(61, (9, 5))
    random = np.random.default_rng(0)
    values = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": random.integers(0, 3 if family == "bert" else 1, ids.shape),
        "position_ids": random.integers(0, 40, ids.shape),
    }
    given = []
    for name in order:
        if name not in values:
            break
        given.append(values[name])
        with torch.no_grad():
            want = reference(*map(torch.from_numpy, given)).last_hidden_state
        assert_layers(
            [model(*given).last_hidden_state], [want], mask.astype(bool) if len(given) > 1 else None
        )
    assert len(given) >= 2
    with pytest.raises(TypeError, match=f"expected at most {len(order)}"):
        model(*[None] * (len(order) + 1))
    with pytest.raises(TypeError, match="'input_ids' twice"):
        model(ids, input_ids=ids)


def test_refused_at_a_call(pair):
    _, model = pair
    for name, value in NOT_AT_A_CALL.items():
        with pytest.raises(UnsupportedError, match=f"^{name}: .* given; expected None"):
            model([[5]], **{name: value})
        for nothing in (None, False):
            assert model([[5]], **{name: nothing})[0].shape[:2] == (1, 1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'attention_msk'"):
        model([[5]], attention_msk=[[1]])


def test_without_effect_at_a_call(family, pair):
    """As in transformers, also what a family has no use for: MPNet's and T5's token types, T5's positions."""
    reference, model = pair
    ids, _ = random_batch(61, (7, 7))
    extra = dict.fromkeys(WITHOUT_EFFECT["forward"], 3)
    if family in ("mpnet", "modernbert", "t5", "distilbert", "eurobert"):
        extra["token_type_ids"] = np.ones_like(ids)
    if family == "t5":
        extra["position_ids"] = ids
    tensors = {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in extra.items()}
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), **tensors).last_hidden_state
        assert torch.equal(want, reference(torch.from_numpy(ids)).last_hidden_state)
    assert_layers([model(ids, **extra).last_hidden_state], [want])


@pytest.mark.parametrize("wanted", [True, False, None, 1, 0, -1, [0, -1], (1,), [7, -8], []])
def test_selected_hidden_states(wanted, pair):
    reference, model = pair
    with torch.no_grad():
        want = reference(torch.tensor([[5, 6]]), output_hidden_states=wanted).hidden_states
    got = model([[5, 6]], output_hidden_states=wanted).hidden_states
    assert (got is None) == (not want)
    if want:
        assert [state is None for state in got] == [state is None for state in want]
        assert_layers([s for s in got if s is not None], [s for s in want if s is not None])


def test_one_mask_for_all_rows(pair):
    _, model = pair
    ids, _ = random_batch(61, (6, 6, 6))
    mask = np.array([[1, 1, 0, 1, 1, 0]])
    assert np.array_equal(model(ids, attention_mask=mask)[0], model(ids, attention_mask=mask.repeat(3, 0))[0])


@pytest.mark.parametrize("hidden", [-np.inf, np.finfo(np.float32).min, np.finfo(np.float16).min, -10000.0])
def test_masks_added_to_scores(hidden, family, pair):
    if family in ("xlm", "xlnet", "deberta", "deberta-v2"):
        pytest.skip("transformers' takes none")
    reference, model = pair
    ids, _ = random_batch(61, (4, 4))  # within the window of ModernBERT's local layers
    sees = np.random.default_rng(1).integers(0, 2, (2, 1, 4, 4)) | np.eye(4, dtype=np.int64)
    for shown in (sees, sees[:1], sees[:, :, :1] | np.array([1, 0, 0, 0])):
        mask = np.where(shown, 0, hidden).astype(np.float32)
        with torch.no_grad():
            want = reference(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
        assert_layers([model(ids, attention_mask=mask).last_hidden_state], [want])
        boolean = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(shown.astype(bool)))
        assert np.array_equal(boolean[0].numpy(), model(ids, attention_mask=mask)[0])


def test_boolean_masks_are_torchs(tmp_path):
    save_tiny("bert", tmp_path)
    reference = transformers.BertModel.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation="sdpa"
    )
    ids = torch.tensor([[5, 6, 7, 8]])
    mask = torch.ones(4, 4, dtype=torch.bool).tril()[None, None]
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        want = reference.eval()(ids, attention_mask=mask).last_hidden_state
    assert_layers([model(ids, attention_mask=mask).last_hidden_state.numpy()], [want])


def test_a_token_that_sees_none(pair):
    """A mean of all tokens, zeros, or NaN: what transformers makes of it depends on its way of attention."""
    _, model = pair
    sees = np.ones((2, 3, 3), bool)
    sees[1, 2] = False
    for mask in (sees, sees[:, None]):
        with pytest.raises(ValueError, match="attention_mask: token 2 of row 1 may attend to no token"):
            model([[5, 6, 7], [5, 6, 7]], attention_mask=mask)


def test_a_mask_beyond_the_windows(tmp_path):
    """ModernBERT's windows hold whatever the mask says; in transformers such a mask takes their place."""
    reference = save_tiny("modernbert", tmp_path, Tiny(layers=3))
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (9,))
    with pytest.raises(UnsupportedError, match="windows of this family"):
        model(ids, attention_mask=np.zeros((1, 1, 9, 9), np.float32))
    near = abs(np.arange(9)[:, None] - np.arange(9)) <= 3
    mask = np.where(near, 0, -np.inf).astype(np.float32)[None, None]
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
    assert_layers([model(ids, attention_mask=mask).last_hidden_state], [want])
