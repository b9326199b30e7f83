"""A LoRA adapter in the model's folder: the model that transformers makes of it with peft, or a refusal."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.quantization.formats import WeightFormat
from fastplm.quantization.writing import quantize
from fastplm.settings import WITHOUT_EFFECT
from tests.models.tiny import FAMILIES, random_batch, save_tiny
from tests.tolerance import assert_layers

peft = pytest.importorskip("peft")


def save_adapter(folder, family, head=None, **lora):
    """Puts a random adapter beside the model in `folder`, trained for it or for a `head` on it."""
    name = head or FAMILIES[family][0]
    model = getattr(transformers, name).from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(1)
    trained = peft.get_peft_model(model, peft.LoraConfig(**lora))
    for parameter in trained.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, 0.3)
    trained.save_pretrained(folder / "adapter")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.move(folder / "adapter" / file, folder / file)


def check(folder, family):
    """The folder in both libraries; the adapter must change something."""
    ids, mask = random_batch(61, (9, 5))
    name = FAMILIES[family][0]
    reference = getattr(transformers, name).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        want = reference.eval()(
            torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
        ).last_hidden_state
    got = fastplm.AutoModel.from_pretrained(folder)(ids, attention_mask=mask).last_hidden_state
    assert_layers([got], [want], mask.astype(bool))
    (folder / "adapter_config.json").rename(folder / "away.json")
    base = fastplm.AutoModel.from_pretrained(folder)(ids, attention_mask=mask).last_hidden_state
    (folder / "away.json").rename(folder / "adapter_config.json")
    assert not np.allclose(base, got, atol=0.05)


TARGETS = {"bert": ["query", "value"], "roberta": ["query", "dense"], "mpnet": ["q", "o", "dense"],
           "modernbert": ["Wqkv", "Wo", "Wi"], "t5": ["q", "v", "wi", "wo"],
           "distilbert": ["q_lin", "lin2"], "xlm": ["q_lin", "out_lin", "lin1"], "albert": ["query", "ffn"],
           "deberta": ["in_proj", "dense"], "deberta-v2": ["query_proj", "value_proj", "dense"],
           **{f: ["query", "dense"] for f in ("xlm-roberta", "camembert", "xlm-roberta-xl", "electra")},
           **{f: ["q_proj", "o_proj", "down_proj"] for f in ("nomic_bert", "gte", "eurobert")},
           "jina_embeddings_v3": ["q_proj", "o_proj", "fc1"]}  # fmt: skip

CASES = {
    "alpha": dict(target_modules=["query"], r=2, lora_alpha=32),
    "rslora": dict(target_modules=["query", "key"], r=4, lora_alpha=16, use_rslora=True),
    "patterns": dict(
        target_modules="all-linear", r=4, rank_pattern={"query": 2, "layer.1.output.dense": 6},
        alpha_pattern={"encoder.layer.0.intermediate.dense": 32, "^encoder.layer.1.attention.self.key": 1},
    ),
    "all biases": dict(target_modules=["query"], r=4, bias="all"),
    "biases": dict(target_modules=["query"], r=4, bias="lora_only"),
    "whole modules": dict(target_modules=["query"], r=4, modules_to_save=["pooler", "value"]),
    "tables": dict(target_modules=["word_embeddings", "position_embeddings", "key"], r=4),
    "some layers": dict(target_modules=["query"], r=4, layers_to_transform=[1], layers_pattern="layer"),
    "but one": dict(target_modules=["query", "key"], r=4, exclude_modules=r".*layer\.0.*key"),
    "fan in": dict(target_modules=["query"], r=4, fan_in_fan_out=True),
    "gaussian": dict(target_modules=["query"], r=4, init_lora_weights="gaussian"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    save_tiny("bert", tmp_path)
    return tmp_path


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "xlnet"])  # refused by name
def test_families(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    if family in ("nomic_bert", "jina_embeddings_v3", "gte"):  # saved under names that adapters do not know
        weights = {name: weight.clone() for name, weight in reference.state_dict().items()}
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    save_adapter(tmp_path, family, target_modules=TARGETS[family], r=4)
    check(tmp_path, family)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
@pytest.mark.parametrize("name", CASES)
def test_cases(name, folder):
    save_adapter(folder, "bert", **CASES[name])
    check(folder, "bert")


def test_of_a_model_with_a_head(folder):
    """The adapter's names carry the head's prefix, and what it has for the head acts on nothing here."""
    save_adapter(
        folder, "bert", "BertForSequenceClassification", target_modules=["query"], r=4, task_type="SEQ_CLS"
    )
    with pytest.warns(UserWarning, match=r"the model has no classifier\.bias, classifier\.weight"):
        check(folder, "bert")


def test_on_a_checkpoint_with_a_head(tmp_path):
    """The base's names carry a prefix, and old names of norms."""
    save_tiny("bert", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_adapter(tmp_path, "bert", target_modules=["query"], r=4, bias="all")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias",
    "LayerNorm.beta"): tensor
           for name, tensor in tensors.items()}  # fmt: skip
    want = fastplm.AutoModel.from_pretrained(tmp_path)([[5, 6]])[0]
    save_file({f"bert.{name}": tensor for name, tensor in old.items()}, tmp_path / "model.safetensors")
    assert np.array_equal(fastplm.AutoModel.from_pretrained(tmp_path)([[5, 6]])[0], want)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_types_of_numbers(stored, tmp_path):
    """Of the base and of the adapter."""
    save_tiny("bert", tmp_path).to(stored).save_pretrained(tmp_path)
    save_adapter(tmp_path, "bert", target_modules=["query", "word_embeddings"], r=4)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    save_file(
        {name: tensor.to(stored) for name, tensor in tensors.items()}, tmp_path / "adapter_model.safetensors"
    )
    check(tmp_path, "bert")


def test_in_shards_and_in_bfloat16(tmp_path):
    save_tiny("bert", tmp_path, max_shard_size="4KB")
    save_adapter(tmp_path, "bert", target_modules=["query"], r=4)
    check(tmp_path, "bert")
    exact = fastplm.AutoModel.from_pretrained(tmp_path)([[5, 6, 7]])[0]
    rounded = fastplm.AutoModel.from_pretrained(tmp_path, dtype="bfloat16")([[5, 6, 7]])[0]
    assert np.allclose(exact, rounded, atol=0.2) and not np.array_equal(exact, rounded)


def test_every_key_is_dealt_with(folder):
    """Of peft's own config: merged, refused, or known to do nothing."""
    save_adapter(folder, "bert", target_modules=["query"], r=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastplm.AutoModel.from_pretrained(folder)
    written = set(json.loads((folder / "adapter_config.json").read_text()))
    merged = {
        "peft_type",
        "r",
        "lora_alpha",
        "use_rslora",
        "rank_pattern",
        "alpha_pattern",
        "init_lora_weights",
    }
    assert written <= merged | set(REFUSED) | set(WITHOUT_EFFECT["adapter_config.json"])
    edit(folder, nobody_knows=1)
    with pytest.warns(UserWarning, match=r"adapter_config\.json: .* 'nobody_knows'"):
        fastplm.AutoModel.from_pretrained(folder)


def edit(folder, **settings):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **settings}))


REFUSED = {
    "peft_type": "IA3", "init_lora_weights": "pissa", "alora_invocation_tokens": [1],
    "arrow_config": {"top_k": 3},
    "kasa_config": {"a": 1}, "layer_replication": [[0, 2]], "lora_bias": True, "megatron_config": {"a": 1},
    "monteclora_config": {"a": 1}, "target_parameters": ["a"], "trainable_token_indices": [5],
    "use_bdlora": {"a": 1}, "use_dora": True, "use_qalora": True, "velora_config": {"a": 1},
    "rank_pattern": {"(a+)+b": 2}, "alpha_pattern": {"(": 2},
}  # fmt: skip
DAMAGED = {"r": 10**400, "lora_alpha": float("nan"), "rank_pattern": [1], "alpha_pattern": {"query": None}}


def test_refused(folder):
    save_adapter(folder, "bert", target_modules=["query"], r=4)
    sound = json.loads((folder / "adapter_config.json").read_text())
    for table, error in ((REFUSED, UnsupportedError), (DAMAGED, CheckpointError)):
        for name, value in table.items():
            edit(folder, **{**sound, name: value})
            with pytest.raises(error, match=rf"adapter_config\.json: {name}"):
                fastplm.AutoModel.from_pretrained(folder)


def test_tensors_that_contradict(folder):
    save_adapter(folder, "bert", target_modules=["query"], r=4, bias="lora_only")
    sound = load_file(folder / "adapter_model.safetensors")
    name = "base_model.model.encoder.layer.0.attention.self.query"
    half = f"{name}.lora_A.weight"
    wrong = [
        (
            {**sound, half: sound[half][:3]},
            CheckpointError,
            r"query\.lora_A\.weight': shape \[3, 16\]; rank and",
        ),
        ({**sound, half: sound[half][0]}, CheckpointError, r"shape \[16\]; expected a matrix"),
        ({k: v for k, v in sound.items() if k != half}, CheckpointError, "has lora_B alone"),
        (
            {**sound, half: sound[half].to(torch.int8)},
            UnsupportedError,
            "is I8; expected F64, F32, F16, BF16",
        ),
        ({**sound, f"{name}.bias": torch.zeros(3)}, CheckpointError, r"shape \[3\]; the model's is \[16\]"),
        ({**sound, f"{name}.lora_magnitude_vector": torch.ones(16)}, UnsupportedError, "plain LoRA only"),
    ]
    for tensors, error, complaint in wrong:
        save_file(tensors, folder / "adapter_model.safetensors")
        with pytest.raises(error, match=complaint) as caught:
            fastplm.AutoModel.from_pretrained(folder)
        assert "adapter_model.safetensors" in str(caught.value)
    save_file(sound, folder / "adapter_model.safetensors")
    edit(folder, r=8)
    with pytest.raises(CheckpointError, match="rank and model call for"):
        fastplm.AutoModel.from_pretrained(folder)


def test_folders_that_are_refused(folder):
    save_adapter(folder, "bert", target_modules=["query"], r=4)
    (folder / "config.json").rename(folder / "away.json")
    with pytest.raises(UnsupportedError, match=r"base_model_name_or_path is .*copy the adapter's two files"):
        fastplm.AutoModel.from_pretrained(folder)
    (folder / "away.json").rename(folder / "config.json")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"adapter_model\.safetensors: missing"):
        fastplm.AutoModel.from_pretrained(folder)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(UnsupportedError, match=r"adapter_model\.bin: fastplm reads safetensors only"):
        fastplm.AutoModel.from_pretrained(folder)
    (folder / "adapter_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"adapter_config\.json: holds a list"):
        fastplm.AutoModel.from_pretrained(folder)


def test_quantize_wants_it_merged(tmp_path):
    save_tiny("bert", tmp_path / "model")
    save_adapter(tmp_path / "model", "bert", target_modules=["query"])
    with pytest.raises(UnsupportedError, match="has an adapter; expected none: merge it first"):
        quantize(tmp_path / "model", tmp_path / "out", WeightFormat(8))
