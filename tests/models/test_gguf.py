"""Models of GGUF files: the same, bit for bit, as of safetensors with the same numbers."""

import json
import pickle
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.cli import main
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.blocks import values_of
from fastplm.gguf.reader import BLOCKS
from tests.models.gguf_files import decoded, encoded, metadata_of, tensors_of, write
from tests.models.tiny import Tiny, random_batch, save_class

IDS, MASK = random_batch(64, (20, 7, 33))
_PLAIN = {"use_sliding_window": False, "sliding_window": None}
# What llama.cpp's files can say; and of each class the settings that they cannot are as llama.cpp has them.
CLASSES = {
    "LlamaForCausalLM": {"tie_word_embeddings": False},
    "MistralForCausalLM": {"sliding_window": None},
    "Qwen2ForCausalLM": _PLAIN,
    "Qwen3ForCausalLM": {**_PLAIN, "tie_word_embeddings": True},
    "Gemma2ForCausalLM": {"query_pre_attn_scalar": 16},
    "Gemma3ForCausalLM": {"query_pre_attn_scalar": 16, "layer_types": None, "num_hidden_layers": 7},
    "Phi3ForCausalLM": {"sliding_window": 9, "original_max_position_embeddings": 1100},
    "GPT2LMHeadModel": {},
    "GPTNeoXForCausalLM": {},
    "Olmo2ForCausalLM": {},
    "GraniteForCausalLM": {},
    "SmolLM3ForCausalLM": {**_PLAIN, "no_rope_layer_interval": 4, "num_hidden_layers": 5},
}
OWN = {"MistralForCausalLM": "LlamaForCausalLM"}  # the class that it is here


def save(name, folder, **extra):
    """A tiny model whose numbers every kind of floats can hold, with one added to them too."""
    tiny = Tiny(heads=4, head_dim=16, mlp=128, vocab=64, extra={**CLASSES[name], **extra})
    model = save_class(name, folder, tiny)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight * 64).round() / 64)
            weight.copy_(weight.bfloat16())
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module", params=CLASSES)
def pair(request, tmp_path_factory):
    """A folder of transformers', and its model."""
    folder = tmp_path_factory.mktemp(request.param)
    return folder, save(request.param, folder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    return folder, save("LlamaForCausalLM", folder)


def gguf(path, model, kind="F32", **more):
    return write(path, {**metadata_of(model.config), **more}, tensors_of(model, kind))


def logits(path, **how):
    model = fastplm.AutoModelForCausalLM.from_pretrained(path, **how)
    return model(IDS, attention_mask=MASK).logits


def with_values(folder, out, change):
    """The folder's model with other matrices in its layers and embeddings."""
    out.mkdir()
    (out / "config.json").write_text((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    save_file({k: v if v.ndim == 1 else change(k, v) for k, v in tensors.items()}, out / "model.safetensors")
    return out


# --- Numbers ---


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_floats(pair, kind, tmp_path):
    folder, model = pair
    path = gguf(tmp_path / "model.gguf", model, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = fastplm.AutoModelForCausalLM.from_pretrained(path)
    assert type(ours).__name__ == OWN.get(type(model).__name__, type(model).__name__)
    got = ours(IDS, attention_mask=MASK).logits
    assert np.array_equal(got, logits(folder))
    with torch.no_grad():
        want = model(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
    assert np.abs(got - want.numpy())[MASK == 1].max() < 1e-4
    assert ours.engine.dtype == "float32"
    stored = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[kind]
    assert ours.config.dtype == stored
    auto = fastplm.AutoModelForCausalLM.from_pretrained(path, dtype="auto")
    assert auto.engine.dtype == ("bfloat16" if kind == "BF16" else "float32")


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_blocks(pair, kind, tmp_path):
    """Floats are the blocks' values, in whatever dtype; int8 and int4 round these."""
    folder, model = pair

    def rounded(key, values):
        turned = "h." in key and "GPT2" in type(model).__name__  # a matrix that lies transposed
        array = values.float().numpy().T if turned else values.float().numpy()
        array = decoded(kind, encoded(array, kind)[2]).reshape(array.shape)
        return torch.from_numpy(np.ascontiguousarray(array.T if turned else array))

    same = with_values(folder, tmp_path / "same", rounded)
    path = gguf(tmp_path / "model.gguf", model, kind)
    for dtype in ("float32", "bfloat16", "int8") + (("int4",) if kind == "Q8_0" else ()):
        assert np.array_equal(logits(path, dtype=dtype), logits(same, dtype=dtype)), dtype


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q6_K"])
def test_values(kind):
    """Random bytes, scales that are infinite or no numbers among them."""
    raw = np.random.default_rng(0).integers(0, 256, (20, BLOCKS[kind][1]), np.uint8)
    with np.errstate(all="ignore"):
        assert np.array_equal(values_of(kind, raw).reshape(-1), decoded(kind, raw.tobytes()), equal_nan=True)


def test_codes(pair, tmp_path):
    """int4 has the codes and scales of q4_0 themselves."""
    folder, model = pair
    path = gguf(tmp_path / "model.gguf", model, "Q4_0")
    coded = tmp_path / "coded"
    coded.mkdir()
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fastplm", "bits": 4, "group_size": 32, "sym": True}
    (coded / "config.json").write_text(json.dumps(config))
    tensors = {}
    for key, values in load_file(folder / "model.safetensors").items():
        array = values.float().numpy()
        if array.ndim == 1:
            tensors[key] = values
        elif "layers." not in key and ".h." not in key:
            tensors[key] = torch.from_numpy(decoded("Q4_0", encoded(array, "Q4_0")[2]).reshape(array.shape))
        else:
            array = array.T if ".h." in key else array
            blocks = np.frombuffer(encoded(array, "Q4_0")[2], np.uint8).reshape(-1, 18)
            halves = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), 1).reshape(len(array), -1)
            stem = key.removesuffix(".weight")
            tensors[f"{stem}.qweight"] = torch.from_numpy(halves[:, ::2] | halves[:, 1::2] << 4)
            scales = blocks[:, :2].copy().view(np.float16).reshape(len(array), -1)
            tensors[f"{stem}.scales"] = torch.from_numpy(scales)
    save_file(tensors, coded / "model.safetensors")
    ours = fastplm.AutoModelForCausalLM.from_pretrained(path, dtype="int4")
    assert ours.engine.dtype == "int4"
    assert np.array_equal(ours(IDS, attention_mask=MASK).logits, logits(coded))


def test_mixed_kinds(llama, tmp_path):
    """One matrix of a layer in another kind: int4 rounds them all from their values."""
    model = llama[1]
    tensors = tensors_of(model, "Q4_0") | {
        k: v for k, v in tensors_of(model, "Q8_0").items() if k == "blk.0.ffn_down.weight"
    }
    path = write(tmp_path / "model.gguf", metadata_of(model.config), tensors)
    assert np.isfinite(logits(path, dtype="int4")).all()
    assert np.isfinite(logits(path)).all()


# --- Settings ---

ROPE = {
    "linear": (
        {"factor": 4.0},
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
    ),
    "yarn": (
        {"factor": 4.0, "original_max_position_embeddings": 275, "beta_fast": 16.0},
        {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
         "rope.scaling.original_context_length": 275, "rope.scaling.yarn_beta_fast": 16.0},
    ),
    "llama3": (
        {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 16},
        {},
    ),
    "longrope": (
        {"short_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5], "long_factor": [2.0 + i for i in range(8)],
         "original_max_position_embeddings": 16, "attention_factor": 1.25},
        {"rope.scaling.type": "longrope", "rope.scaling.original_context_length": 16,
         "rope.scaling.attn_factor": 1.25},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ROPE)
def test_scaled_positions(kind, tmp_path):
    rope, metadata = ROPE[kind]
    model = save(
        "LlamaForCausalLM", tmp_path, rope_parameters={"rope_type": kind, "rope_theta": 500.0, **rope}
    )
    tensors = tensors_of(model, "F32")
    if kind == "llama3":  # as factors of each frequency
        plain = 500.0 ** -(torch.arange(0, 16, 2) / 16)
        tensors["rope_freqs.weight"] = encoded((plain / model.model.rotary_emb.inv_freq).numpy(), "F32")
    for name in ("long", "short") if kind == "longrope" else ():
        tensors[f"rope_factors_{name}.weight"] = encoded(np.array(rope[f"{name}_factor"]), "F32")
    (tmp_path / "gguf").mkdir()
    own = {**metadata_of(model.config), **{f"llama.{key}": value for key, value in metadata.items()}}
    path = write(tmp_path / "gguf" / "model.gguf", own, tensors)
    assert np.allclose(logits(path), logits(tmp_path), rtol=0, atol=2e-5)
    plain = write(tmp_path / "gguf" / "plain.gguf", metadata_of(model.config), tensors_of(model, "F32"))
    assert not np.allclose(logits(plain), logits(tmp_path), rtol=0, atol=1e-2)


def test_biases(tmp_path):
    model = save("LlamaForCausalLM", tmp_path, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)
    (tmp_path / "gguf").mkdir()
    assert np.array_equal(logits(gguf(tmp_path / "gguf" / "m.gguf", model)), logits(tmp_path))


def test_ends_of_texts(llama, tmp_path):
    """The end of a turn ends a text too, as in llama.cpp."""
    path = gguf(tmp_path / "model.gguf", llama[1], **{"tokenizer.ggml.eot_token_id": 9})
    model = fastplm.AutoModelForCausalLM.from_pretrained(path)
    assert model.generation_config.eos_token_id == [2, 9]
    assert model.generation_config.bos_token_id == 1


def test_unknown_keys_are_warned_of_once(llama, tmp_path):
    path = gguf(tmp_path / "model.gguf", llama[1], **{"llama.news": 3, "mine.key": "x", "general.url": "u"})
    with pytest.warns(UserWarning) as caught:
        logits(path)
    assert [str(w.message) for w in caught] == [
        f"{path}: fastplm does not know the setting {key!r}; it has no effect"
        for key in ("llama.news", "mine.key")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits(path)


# --- Ways to name a file ---


def test_places(llama, tmp_path):
    folder, model = llama
    want = logits(folder)
    gguf(tmp_path / "one.gguf", model)
    for path, how in (
        (tmp_path, {}),
        (tmp_path / "one.gguf", {}),
        (str(tmp_path), {"gguf_file": "one.gguf"}),
    ):
        assert np.array_equal(logits(path, **how), want)
    for path, how in ((tmp_path / "one.gguf", {}), (tmp_path, {"gguf_file": "one.gguf"})):
        assert fastplm.PretrainedConfig.from_pretrained(path, **how).hidden_size == 64
    gguf(tmp_path / "two.gguf", model, "F16")
    with pytest.raises(ValueError, match=r"has 2 GGUF files .*expected gguf_file= to name one"):
        logits(tmp_path)
    assert np.array_equal(logits(tmp_path, gguf_file="two.gguf"), want)
    with pytest.raises(FileNotFoundError, match=r"no file three\.gguf in it"):
        logits(tmp_path, gguf_file="three.gguf")
    with pytest.raises(ValueError, match=r"gguf_file: 'one'; expected the name of a \.gguf file"):
        logits(tmp_path, gguf_file="one")
    (tmp_path / "one.gguf").rename(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match=r"is a GGUF file: give it a name that ends in \.gguf"):
        logits(tmp_path)


def test_settings_in_place_of_the_files(llama, tmp_path):
    path = gguf(tmp_path / "model.gguf", llama[1])
    model = fastplm.AutoModelForCausalLM.from_pretrained(path, output_hidden_states=True)
    assert len(model(IDS, attention_mask=MASK).hidden_states) == model.config.num_hidden_layers + 1
    base = fastplm.AutoModel.from_pretrained(path)
    assert type(base).__name__ == "LlamaModel"


@pytest.mark.parametrize("kind", ["F16", "Q8_0"])
def test_copies(llama, kind, tmp_path):
    """What is saved is of transformers' kind, and a pickle reads the file again."""
    path = gguf(tmp_path / "model.gguf", llama[1], kind)
    model = fastplm.AutoModelForCausalLM.from_pretrained(path)
    want = model(IDS, attention_mask=MASK).logits
    model.save_pretrained(tmp_path / "saved")
    assert np.array_equal(logits(tmp_path / "saved"), want)
    assert np.array_equal(pickle.loads(pickle.dumps(model))(IDS, attention_mask=MASK).logits, want)


# --- Refusals ---


def kinds(number):
    return {"token_embd.weight": (number, (64, 64), bytes(64 * 64))}


def matrix(name, rows):
    return {name: encoded(np.ones((rows, 64)), "F32")}


@pytest.mark.parametrize(
    ("metadata", "tensors", "complaint"),
    [
        ({"general.architecture": "mamba"}, {}, "architecture is 'mamba'; this version reads llama, qwen2"),
        ({"general.architecture": 3}, {}, "general.architecture is 3; expected a string"),
        ({"general.type": "adapter"}, {}, "general.type is 'adapter'; expected 'model'"),
        ({"general.quantization_version": 1}, {}, "quantization_version is 1; expected 2"),
        ({"split.count": 2}, {}, "split.count is 2; expected one file"),
        ({"llama.expert_count": 8}, {}, "llama.expert_count is 8; expected 0"),
        ({"llama.attention.sliding_window": 9}, {}, "llama.attention.sliding_window is 9; expected 0"),
        ({"llama.rope.dimension_count": 8}, {}, "llama.rope.dimension_count is 8; expected 16"),
        ({"llama.rope.scaling.type": "ntk"}, {}, "llama.rope.scaling.type is 'ntk'; expected none, linear"),
        ({"llama.embedding_length": "x"}, {}, "llama.embedding_length is 'x'; expected an integer"),
        ({"llama.block_count": 3}, {}, r'no tensor "layers\.2\.|no tensor "model\.layers\.2\.'),
        ({"llama.vocab_size": 63}, {}, "llama.vocab_size is 63; token_embd.weight has 64 rows"),
        ({"general.alignment": 12}, {}, "general.alignment is 12; expected a multiple of 8"),
        ({}, matrix("blk.0.ffn_gate_inp.weight", 2), "tensor 'blk.0.ffn_gate_inp.weight': this version runs"),
        ({}, {"blk.1.attn_q.bias": encoded(np.ones(64), "F32")}, r"has what .*layers\.1\.self_attn\.q_proj"),
        ({}, matrix("blk.7.ffn_up.weight", 2), r"has what .*layers\.7\.mlp\.up_proj\.weight'; this version"),
        ({}, matrix("blk.0.attn_q.weight", 62), "has 62 rows; expected a multiple of 8"),
        ({}, {"output_norm.weight": ("Q8_0", (64,), bytes(68))}, "is Q8_0 of shape .*expected a matrix"),
        ({}, matrix("rope_freqs.weight", 2), "rope_freqs.weight is F32 of shape"),
        ({}, kinds(12), "'token_embd.weight' is Q4_K; expected one of F32, F16, BF16, Q4_0, Q8_0, Q6_K"),
        ({}, kinds(77), "'token_embd.weight' is of the unknown kind 77"),
        ({}, kinds("Q8_0"), "overlaps the tensor before it|expected a range inside"),
    ],
)  # fmt: skip
def test_refusals(llama, metadata, tensors, complaint, tmp_path):
    model = llama[1]
    sound = metadata_of(model.config), tensors_of(model, "F32")
    path = write(tmp_path / "model.gguf", {**sound[0], **metadata}, {**sound[1], **tensors})
    with pytest.raises((CheckpointError, UnsupportedError), match=complaint) as caught:
        logits(path)
    assert str(path) in str(caught.value)


DAMAGE = """
    import json, random, resource, struct, sys
    import fastplm
    from fastplm.errors import CheckpointError, UnsupportedError

    path, sound, header = sys.argv[1], open(sys.argv[2], "rb").read(), int(sys.argv[3])
    numbers = [struct.pack("<Q", n) for n in (0, 1, 1 << 20, 1 << 31, 1 << 32, 1 << 62, (1 << 64) - 1)]
    outcomes = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(300):
        pick = random.Random(seed)
        raw = bytearray(sound)
        for _ in range(pick.choice((1, 1, 1, 5))):
            at = pick.randrange(header)
            how = pick.choice(("bit", "byte", "number", "cut", "twice"))
            if how == "bit":
                raw[at] ^= 1 << pick.randrange(8)
            elif how == "byte":
                raw[at] = pick.randrange(256)
            elif how == "number":
                raw[at : at + 8] = pick.choice(numbers)
            elif how == "cut":
                del raw[pick.randrange(len(raw)) :]
                raw += b"" if len(raw) > header else bytes(header - len(raw)) * pick.randrange(2)
            else:
                raw[at:at] = raw[at : at + pick.randrange(100)]
            if len(raw) < header:
                break
        open(path, "wb").write(raw)
        for load in (fastplm.AutoModelForCausalLM, fastplm.AutoTokenizer):
            try:
                load.from_pretrained(path)
                outcome = "loads"
            except (CheckpointError, UnsupportedError) as error:
                assert path in str(error), (seed, error)
                outcome = "refused"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 << 10, grown  # KiB
    print(json.dumps(outcomes))
"""


def test_damaged_files(llama, tmp_path):
    """300 of them: an error that names the file or a model, no crash, and less than 200 MB."""
    model = llama[1]
    tokens = [
        "<unk>",
        "<s>",
        "</s>",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"{c}{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    tokens += [f"[PAD{i}]" for i in range(64 - len(tokens))]
    tokenizer = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": -np.arange(64, dtype=np.float32),
        "tokenizer.ggml.token_type": np.array([2, 3, 3] + [1] * 61, np.int32),
        "tokenizer.chat_template": "{{ messages }}",
    }
    sound = gguf(tmp_path / "sound.gguf", model, "Q4_0", **tokenizer)
    header = sound.read_bytes().index(b"token_embd.weight") + 2000
    script = textwrap.dedent(DAMAGE)
    command = [sys.executable, "-W", "ignore", "-c", script, tmp_path / "bad.gguf", sound, str(header)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout)
    assert outcomes["refused"] > 300
    assert outcomes["loads"] > 20


def test_commands(llama, tmp_path, capsys):
    """`fastplm generate` takes the path of a file."""
    model = llama[1]
    tokens = [chr(ord("A") + i) for i in range(58)] + ["Ġ", "<s>", "</s>", "0", "1", "2"]
    more = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": np.array([1] * 59 + [3, 3] + [1] * 3, np.int32),
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": 59,
        "tokenizer.ggml.eos_token_id": 60,
    }
    path = gguf(tmp_path / "model.gguf", model, "F16", **more)
    assert main(["generate", str(path), "Hello", "--max-new-tokens", "5"]) == 0
    made = capsys.readouterr().out.strip()
    pipe = fastplm.pipeline("text-generation", str(path))
    answer = pipe("Hello", max_new_tokens=5, do_sample=False, return_full_text=False)
    assert answer[0]["generated_text"].strip() == made
