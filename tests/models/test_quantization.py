"""Matrices of integers: asked for, balanced, written, and read from checkpoints of GPTQ and AWQ."""

import functools
import itertools
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.cli import main, quality
from fastplm.cli.perplexity import measure
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.quantization.formats import WeightFormat
from fastplm.quantization.writing import quantize
from tests.models.test_heads import batch_of
from tests.models.tiny import FAMILIES, Tiny, random_batch, save_class, save_tiny
from tests.ops.cases import coded_product

SHAPE = Tiny(heads=4, head_dim=16, mlp=128, vocab=64)
IDS, MASK = random_batch(SHAPE.vocab, (20, 7, 33))
FORMATS = [WeightFormat(8), WeightFormat(4), WeightFormat(4, 64, False), WeightFormat(4, 128)]


def edit(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def logits(folder, **how):
    return fastplm.AutoModelForCausalLM.from_pretrained(folder, **how)(IDS, attention_mask=MASK).logits


# --- How they are asked for ---


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    save_class("LlamaForCausalLM", folder, SHAPE)
    return folder


@pytest.mark.parametrize("form", FORMATS)
def test_settings(llama, form):
    """A dict says how weights become integers; bits alone is what the dtype's name says."""
    model = fastplm.AutoModelForCausalLM.from_pretrained(llama, quantization_config=form.settings)
    assert model.engine.dtype == form.name
    short = f"int{form.bits}"
    assert model.to(short) is model
    if form == WeightFormat(form.bits):
        whole_rows = [{"quantization_config": {"bits": 8, "group_size": -1, "sym": None}}] * (form.bits == 8)
        for how in ({"dtype": short}, {"quantization_config": {"bits": form.bits}}, *whole_rows):
            assert np.array_equal(logits(llama, **how), model(IDS, attention_mask=MASK).logits)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"bits": 3}, "bits is 3; expected 4 or 8"),
        ({"bits": 4, "group_size": 16}, "group_size is 16; expected 32, 64 or 128"),
        ({"bits": 4, "group_size": 64.0}, r"group_size is 64\.0; expected 32, 64 or 128"),
        ({"bits": 4, "sym": 1}, "sym is 1; expected True or False"),
        ({"bits": 8, "group_size": 32}, "group_size is 32; expected none"),
        ({"bits": 8, "group_size": 1}, "group_size is 1; expected none"),
        ({"bits": 4, "damp_percent": 0.1}, "unknown key 'damp_percent'"),
        ({"bits": 4, "quant_method": "gptq"}, "quant_method is 'gptq'; expected 'fastplm'"),
        ({"load_in_8bit": True}, "unknown key 'load_in_8bit'"),
    ],
)
def test_settings_that_are_refused(llama, given, complaint):
    with pytest.raises(UnsupportedError, match=f"quantization_config: {complaint}"):
        logits(llama, quantization_config=given)


def test_settings_that_disagree(llama):
    with pytest.raises(UnsupportedError, match="dtype: int8; quantization_config asks for int4_g64"):
        logits(llama, dtype="int8", quantization_config={"bits": 4, "group_size": 64})
    with pytest.raises(TypeError, match="quantization_config: a str; expected a dict"):
        logits(llama, quantization_config="int4")


# --- Balance ---


def with_outliers(reference, factor=50.0, every=7):
    """The same function, with every seventh channel of norms, values and gated MLPs scaled up."""
    with torch.no_grad():
        for block in reference.model.layers:
            attention, mlp = block.self_attn, block.mlp
            for norm, readers in (
                (block.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
                (block.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
            ):
                norm.weight[::every] *= factor
                for reader in readers:
                    reader.weight[:, ::every] /= factor
            mlp.up_proj.weight[::every] *= factor
            mlp.down_proj.weight[:, ::every] /= factor
            kv = attention.v_proj.weight.unflatten(0, (-1, attention.head_dim))
            kv[:, ::every] *= factor
            attention.o_proj.weight.unflatten(1, (-1, attention.head_dim))[..., ::every] /= factor


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_outliers(dtype, tmp_path):
    """Channels that are large where their readers are small cost next to nothing: they are balanced."""
    reference = save_class("LlamaForCausalLM", tmp_path / "plain", SHAPE)
    with_outliers(reference)
    reference.save_pretrained(tmp_path / "outliers")
    exact = logits(tmp_path / "plain")
    plain, outliers = (
        np.sqrt(np.mean((logits(tmp_path / name, dtype=dtype) - exact) ** 2))
        for name in ("plain", "outliers")
    )
    assert outliers < 1.3 * plain


def perplexity(folder, text_ids, **how):
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder, **how)
    return measure(model, text_ids, 256, 256)["perplexity"]


def test_perplexity_of_a_real_model(data, tmp_path):
    """A small trained model in int8 and int4, with and without outlier channels. With 64 channels, a group of
    four bits is half of a row, and the model loses more than larger ones do.
    """
    from transformers import AutoModelForCausalLM

    folder = data / "stories260k" / "hf"
    text = json.loads((data / "stories260k" / "golden_texts.json").read_text())
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    ids = [i for golden in text for i in tokenizer(golden["text"])["input_ids"]]
    reference = AutoModelForCausalLM.from_pretrained(folder)
    with_outliers(reference)
    reference.save_pretrained(tmp_path)
    exact = perplexity(folder, ids)
    assert perplexity(tmp_path, ids) == pytest.approx(exact, rel=1e-4)
    for dtype, plain, outliers in (("int8", 1.005, 1.01), ("int4", 1.1, 1.1)):
        assert perplexity(folder, ids, dtype=dtype) < plain * exact
        assert perplexity(tmp_path, ids, dtype=dtype) < outliers * exact


def test_half_of_what_is_balanced(tmp_path):
    """Floats before integers, which divide by what the floats were to be multiplied by."""
    reference = save_class("LlamaForCausalLM", tmp_path / "float", SHAPE)
    with_outliers(reference)
    reference.save_pretrained(tmp_path / "float")
    quantize(tmp_path / "float", tmp_path / "int8", WeightFormat(8))
    path = tmp_path / "int8" / "model.safetensors"
    tensors, floats = load_file(path), load_file(tmp_path / "float" / "model.safetensors")
    assert "model.layers.0.mlp.down_proj.balance" in tensors
    for name in ("model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj"):
        tensors = {n: t for n, t in tensors.items() if not n.startswith(name)}
        tensors[f"{name}.weight"] = floats[f"{name}.weight"]
    save_file(tensors, path)
    with pytest.raises(
        CheckpointError, match=r"mlp.gate_proj.weight\" is stored as floats, and what it is bal"
    ):
        logits(tmp_path / "int8")


# --- fastplm quantize ---


def outputs(model, given):
    return {key: np.asarray(value) for key, value in model(**given).items() if key != "cache"}


@pytest.mark.parametrize(
    "name", [*FAMILIES, "GPT2LMHeadModel", "Gemma2ForCausalLM", "Phi3ForCausalLM", "GPTNeoXForCausalLM",
             "BartForConditionalGeneration", "T5ForConditionalGeneration"],
)  # fmt: skip
def test_a_written_model_is_the_same(name, tmp_path):
    """It loads as the one that is rounded at load, bit for bit."""
    reference = (save_tiny if name in FAMILIES else save_class)(name, tmp_path / "float", SHAPE)
    kind = type(reference).__name__
    given = batch_of(kind, (20, 7, 33))
    if kind == "T5EncoderModel":
        del given["decoder_input_ids"]
    for form in FORMATS[:3]:
        out = tmp_path / form.name
        done = quantize(tmp_path / "float", out, form)
        assert done.matrices > 0 and done.nbytes[1] < done.nbytes[0]
        load = getattr(fastplm, kind).from_pretrained
        rounded, written = load(tmp_path / "float", quantization_config=form.settings), load(out)
        assert written.engine.dtype == form.name
        want, got = outputs(rounded, given), outputs(written, given)
        assert want.keys() == got.keys()
        for key in want:
            assert np.array_equal(want[key], got[key], equal_nan=True), (form, key)


def test_a_written_model_says_what_it_is(llama, tmp_path):
    out = tmp_path / "out"
    quantize(llama, out, WeightFormat(4, 64))
    with pytest.raises(FileExistsError, match="is there already"):
        quantize(llama, out, WeightFormat(4))
    with pytest.raises(UnsupportedError, match="integers already"):
        quantize(out, tmp_path / "again", WeightFormat(8))
    with pytest.raises(UnsupportedError, match="dtype: float32; this checkpoint's weights are int4_g64"):
        logits(out, dtype="float32")
    with pytest.raises(
        UnsupportedError, match="quantization_config: int8; this checkpoint's weights are int4_g64"
    ):
        logits(out, quantization_config={"bits": 8})
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"empty: has 0 models of config\.json and model\.safetensors"):
        quantize(tmp_path / "empty", tmp_path / "again", WeightFormat(8))
    assert np.array_equal(logits(out, dtype="auto"), logits(out, dtype=torch.bfloat16))
    model = fastplm.AutoModelForCausalLM.from_pretrained(out)
    model.save_pretrained(tmp_path / "saved")
    assert np.array_equal(logits(tmp_path / "saved"), logits(out))
    for bits, group in ((4, 32), (8, None)):
        edit(out, quantization_config={"quant_method": "fastplm", "bits": bits, "group_size": group})
        with pytest.raises((CheckpointError, UnsupportedError)):
            logits(out)


@pytest.fixture
def clock(monkeypatch):
    """Each look at it is a second later."""
    monkeypatch.setattr(quality, "time", SimpleNamespace(perf_counter=itertools.count().__next__))


def test_command(data, tmp_path, capsys, clock):
    text = tmp_path / "text.txt"
    text.write_text("Once upon a time, there was a little girl who had a red ball. " * 20)
    folder = data / "stories260k" / "hf"
    arguments = ["--dtype", "int4", "--group-size", "64", "--text", str(text), "--json"]
    assert main(["quantize", str(folder), str(tmp_path / "out"), *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dtype"] == "int4_g64" and report["matrices"] == 35
    for name in ("megabytes", "megabytes_in_memory"):
        assert report[name]["quantized"] < 0.5 * report[name]["original"]
    assert report["perplexity"]["quantized"] < 1.1 * report["perplexity"]["original"]
    assert report["tokens_per_second"] == {"original": 64, "quantized": 64}
    ids = fastplm.AutoTokenizer.from_pretrained(folder)(text.read_text())["input_ids"]
    models = [fastplm.AutoModelForCausalLM.from_pretrained(place) for place in (folder, tmp_path / "out")]
    same = []
    for begin in range(0, len(ids), 128):
        window = [ids[begin : begin + 128]]
        first, second = (model(window, use_cache=False).logits[0].argmax(-1) for model in models)
        same += (first == second).tolist()
    assert 0.8 < report["same_likeliest_token"] == np.mean(same) < 1
    assert main(["perplexity", str(tmp_path / "out"), str(text)]) == 0
    assert main(["quantize", str(folder), str(tmp_path / "out"), "--dtype", "int8"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "out"), "Once"]) == 2
    assert "its weights are integers" in capsys.readouterr().err
    for option in ("--zeros", "--group-size=64"):
        assert main(["quantize", str(folder), str(tmp_path / "new"), "--dtype", "int8", option]) == 2
        assert "expected with int4 only" in capsys.readouterr().err
    assert main(["quantize", str(folder), str(tmp_path / "new"), "--dtype", "int4", "--zeros", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dtype"] == "int4_zeros"


@pytest.mark.parametrize(
    ("name", "settings", "text", "complaint"),
    [
        ("LlamaForCausalLM", {}, "", "text: 0 tokens; expected at least 2"),
        ("BertModel", {}, "\n \n", "text: no line; expected at least one"),
        ("T5ForConditionalGeneration", {}, "a b", "text: given with an encoder-decoder"),
        ("BertLMHeadModel", {"is_decoder": True}, "b a b a b", None),
    ],
)
def test_texts_are_read_before_anything_is_written(name, settings, text, complaint, tmp_path, capsys):
    shape = Tiny(4, 16, 2, 128, 64, extra=settings)
    save_tiny("bert", tmp_path / "model", shape) if name == "BertModel" else save_class(
        name, tmp_path / "model", shape
    )
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 3, "b": 4, "[UNK]": 1}, "[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "model/tokenizer.json"))
    (tmp_path / "text.txt").write_text(text)
    command = ["quantize", str(tmp_path / "model"), str(tmp_path / "out"), "--dtype", "int8"]
    done = main([*command, "--text", str(tmp_path / "text.txt"), "--json"])
    told = capsys.readouterr()
    if complaint is None:
        assert done == 0 and json.loads(told.out)["perplexity"]["quantized"] > 1
    else:
        assert done == 2 and complaint in told.err and not (tmp_path / "out").exists()


def test_command_of_an_encoder(minilm, tmp_path, capsys, clock):
    text = tmp_path / "text.txt"
    text.write_text("A red ball.\nThe train leaves at six.\nHe wrote down the weather every evening.\n")
    assert (
        main(
            ["quantize", str(minilm), str(tmp_path / "out"), "--dtype", "int8", "--text", str(text), "--json"]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["tokens_per_second"] == {"original": 1024, "quantized": 1024}
    texts = text.read_text().splitlines()
    exact, rounded = (fastplm.SentenceEncoder(minilm, **d).encode(texts) for d in ({}, {"dtype": "int8"}))
    cosines = (exact * rounded).sum(-1)
    assert report["worst_cosine"] == pytest.approx(cosines.min(), abs=1e-5) and cosines.min() > 0.97
    assert report["mean_cosine"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert np.array_equal(fastplm.SentenceEncoder(tmp_path / "out").encode(texts), rounded)


# --- GPTQ and AWQ ---

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def packed(values, order):
    """Eight numbers of four bits along the last axis in an int32, from the lowest."""
    parts = values.unflatten(-1, (-1, 8))[..., order].long()
    words = sum(parts[..., i] << 4 * i for i in range(8))
    return torch.where(words >= 1 << 31, words - (1 << 32), words).int()


def gptq(name, codes, scales, zeros, first=True):
    """codes [k, n], scales and zeros [groups, n]."""
    size = len(codes) // len(scales)
    return {
        f"{name}.qweight": packed(codes.T, list(range(8))).T.contiguous(),
        f"{name}.qzeros": packed((zeros - int(first)) & 15, list(range(8))),
        f"{name}.scales": scales.half(),
        f"{name}.g_idx": (torch.arange(len(codes)) // size).int(),
    }


def awq(name, codes, scales, zeros):
    return {
        f"{name}.qweight": packed(codes, AWQ_ORDER),
        f"{name}.qzeros": packed(zeros, AWQ_ORDER),
        f"{name}.scales": scales.half(),
    }


def quantized(folder, pack, size, zero=None, seed=0):
    """A random Llama whose layers' matrices are codes, and the same of floats; and what they stand for."""
    reference = save_class("LlamaForCausalLM", folder, SHAPE)
    g = torch.Generator().manual_seed(seed)
    tensors = load_file(folder / "model.safetensors")
    codes_of = {}
    for name, module in reference.named_modules():
        if not isinstance(module, torch.nn.Linear) or name == "lm_head":
            continue
        n, k = module.weight.shape
        groups = 1 if size == -1 else k // size
        codes = torch.randint(0, 16, (k, n), generator=g)
        zeros = torch.full((groups, n), zero) if zero else torch.randint(1, 16, (groups, n), generator=g)
        scales = (torch.rand(groups, n, generator=g) * 0.02 + 0.005).half()
        del tensors[name + ".weight"]
        tensors |= pack(name, codes, scales, zeros)
        spread = [x.repeat_interleave(k // groups, 0).float() for x in (scales, zeros)]
        with torch.no_grad():
            module.weight.copy_((spread[0] * (codes - spread[1])).T)
        codes_of[name] = codes, scales, zeros
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return reference, codes_of


def config_of(method, size, **more):
    return {"quant_method": method, "bits": 4, "group_size": size, **more}


@pytest.mark.parametrize(
    ("pack", "settings", "zero", "form"),
    [
        (gptq, config_of("gptq", 32, desc_act=False, sym=False, damp_percent=0.1), None, "int4_zeros"),
        (gptq, config_of("gptq", 64, sym=True), 8, "int4_g64"),
        (gptq, config_of("gptq", -1, checkpoint_format="gptq"), None, "int4_zeros_g128"),
        (functools.partial(gptq, first=False), config_of("gptq", 32, checkpoint_format="gptq_v2"), None,
         "int4_zeros"),
        (awq, config_of("awq", 64, version="gemm", zero_point=True), None, "int4_zeros_g64"),
        (functools.partial(gptq, first=False),
         config_of("gptq", 32, checkpoint_format=None, format="gptq_v2"), None, "int4_zeros"),
        (awq, config_of("awq", 32), 8, "int4"),
        (gptq, transformers.GPTQConfig(bits=4, group_size=32).to_dict(), None, "int4_zeros"),
        (awq, transformers.AwqConfig(bits=4, group_size=32).to_dict(), None, "int4_zeros"),
    ],
)  # fmt: skip
def test_others_checkpoints(pack, settings, zero, form, tmp_path):
    """Bit for bit what the definition of their codes gives: with the codes in place of torch's matrices."""
    reference, codes_of = quantized(tmp_path, pack, settings["group_size"], zero)
    edit(tmp_path, quantization_config=settings)
    model = fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.engine.dtype == form
    exact = reference(torch.tensor(IDS), attention_mask=torch.tensor(MASK)).logits.detach().numpy()
    group = int(form.split("_g")[1]) if "_g" in form else 32
    for name, module in reference.named_modules():
        if name in codes_of:
            module.forward = rounded(*codes_of[name], group)
    rough = reference(torch.tensor(IDS), attention_mask=torch.tensor(MASK)).logits.detach().numpy()
    ours = model(IDS, attention_mask=MASK).logits
    keep = MASK.astype(bool)

    def error(a, b):
        return np.sqrt(np.mean((a[keep] - b[keep]) ** 2))

    assert 0 < error(ours, exact) < 1.5 * error(rough, exact)
    assert error(ours, exact) < 0.05 * np.std(exact[keep])


def rounded(codes, scales, zeros, group):
    """A matrix of these codes, in the engine's groups."""
    k = len(codes)
    repeats = -(-k // len(scales)) / group
    spread = [x.float().T.repeat_interleave(max(1, int(repeats)), 1) for x in (scales, zeros)]
    padded = torch.nn.functional.pad(codes.T.float(), (0, -k % group)).unflatten(1, (-1, group))

    def forward(x):
        return coded_product(x.bfloat16().flatten(0, -2), padded, *spread).unflatten(0, x.shape[:-1])

    return forward


@pytest.mark.parametrize(("pack", "method"), [(gptq, "gptq"), (awq, "awq")])
def test_dequantised_matrices_are_exact(pack, method, tmp_path):
    """What the engine reads stands for the very floats that the format defines."""
    from fastplm.checkpoint import read_checkpoint
    from fastplm.safetensors import read_floats, read_raw

    reference, _ = quantized(tmp_path, pack, 64)
    edit(tmp_path, quantization_config=config_of(method, 64))
    checkpoint = read_checkpoint(tmp_path)
    with checkpoint._as_codes(checkpoint.tensors) as tensors:
        by_name = {tensor.name: tensor for tensor in tensors}

        def raw(name):
            tensor = by_name[name]
            return np.frombuffer(b"".join(read_raw(tensor)), np.uint8).reshape(tensor.shape)

        for name, module in reference.named_modules():
            if name + ".qweight" not in by_name:
                continue
            both = raw(name + ".qweight")
            codes = np.stack((both & 15, both >> 4), -1).reshape(len(both), -1).astype(np.float32)
            scales, zeros = read_floats(by_name[name + ".scales"]), raw(name + ".zeros").astype(np.float32)
            ours = np.repeat(scales, 64, 1) * (codes - np.repeat(zeros, 64, 1))
            assert np.array_equal(ours, module.weight.detach().numpy()), name


@pytest.fixture(scope="module")
def gptq_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gptq")
    quantized(folder, gptq, 32)
    edit(folder, quantization_config=config_of("gptq", 32))
    return folder


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (config_of("gptq", 32) | {"bits": 8}, "bits is 8; expected 4"),
        ({"quant_method": "gptq", "group_size": 32}, "has no bits"),
        (config_of("gptq", 48), "group_size is 48; expected -1 or a multiple of 32"),
        (config_of("gptq", 32, checkpoint_format="marlin"), "checkpoint_format is 'marlin'"),
        (config_of("gptq", 32, lm_head=True), "lm_head is True"),
        (
            config_of("gptq", 32, format="gptq", checkpoint_format="gptq_v2"),
            "checkpoint_format and format differ",
        ),
        (config_of("gptq", 1 << 34), r"scales' is F16 \[4, 64\]; expected floats \[1, 64\]"),
        (config_of("gptq", 32, riddle=1), "unknown key 'riddle' of quant_method 'gptq'"),
        (config_of("awq", 32, version="gemv"), "version is 'gemv'; expected 'gemm'"),
        (
            config_of("bitsandbytes", 32),
            "is of the quant_method 'bitsandbytes'; expected one of fastplm, gptq",
        ),
        ([4], "quantization_config is a list; expected an object"),
        (config_of("gptq", 64), r"scales' is F16 \[4, 64\]; expected floats \[2, 64\]"),
        (config_of("fastplm", 32), "qweight"),
    ],
)
def test_configs_that_are_refused(gptq_folder, tmp_path, settings, complaint):
    shutil.copytree(gptq_folder, tmp_path, dirs_exist_ok=True)
    edit(tmp_path, quantization_config=settings)
    with pytest.raises((CheckpointError, UnsupportedError), match=complaint):
        fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)


NAME, KEYS = "model.layers.1.mlp.down_proj", "model.layers.0.self_attn.k_proj"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.pop(f"{NAME}.qzeros"), "expected '.*qzeros' too"),
        (lambda t: t.update({f"{NAME}.qzeros": t[f"{NAME}.qzeros"][:, 1:].clone()}), "qzeros' is I32"),
        (lambda t: t.update({f"{NAME}.qweight": t[f"{NAME}.qweight"].long()}), "qweight' is I64"),
        (lambda t: t.update({f"{NAME}.qweight": t[f"{NAME}.qweight"].flatten()}), "expected a matrix"),
        (lambda t: t.update({f"{NAME}.qweight": t[f"{NAME}.qweight"].T.contiguous()}), "expected floats"),
        (lambda t: t.update({f"{NAME}.scales": t[f"{NAME}.scales"].double() * 1e9}), "float16 can hold"),
        (lambda t: t[f"{NAME}.g_idx"].copy_(t[f"{NAME}.g_idx"].flip(0)), "another order"),
        (lambda t: t.update({f"{KEYS}.weight": torch.zeros(64, 64)})
         or [t.pop(f"{KEYS}.{kind}") for kind in ("qweight", "qzeros", "scales", "g_idx")],
         "integers; expected one of both"),
    ],
)  # fmt: skip
def test_damaged_tensors(gptq_folder, tmp_path, change, complaint):
    shutil.copytree(gptq_folder, tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises((CheckpointError, UnsupportedError), match=complaint):
        fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("written", [False, True])
def test_random_damage(gptq_folder, llama, tmp_path, written):
    """Tensors that are cut, retyped, or gone give an error or a model, never a crash."""
    if written:
        quantize(llama, tmp_path / "m", WeightFormat(4, 32, False))
    else:
        shutil.copytree(gptq_folder, tmp_path / "m")
    rng = np.random.default_rng(0)
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    refused = 0
    for _ in range(60):
        damaged = dict(tensors)
        name = sorted(tensors)[rng.integers(len(tensors))]
        kind = rng.integers(4)
        if kind == 0:
            del damaged[name]
        elif kind == 1:
            damaged[name] = damaged[name][: rng.integers(damaged[name].shape[0])].clone()
        elif kind == 2:
            damaged[name] = damaged[name].to([torch.uint8, torch.int64, torch.float64][rng.integers(3)])
        else:
            noise = damaged[name].clone().view(torch.uint8).random_(0, 256)
            damaged[name] = noise.view(damaged[name].dtype)
        save_file(damaged, tmp_path / "m" / "model.safetensors")
        try:
            fastplm.AutoModelForCausalLM.from_pretrained(tmp_path / "m")([[5, 6, 7]])
        except (CheckpointError, UnsupportedError):
            refused += 1
    assert 20 < refused < 60
