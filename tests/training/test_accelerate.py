"""Accelerated models are the plain ones, faster: same losses, gradients and states in training and
evaluation.
"""

import copy
import inspect
import pickle
import types
from typing import Any

import pytest
import torch
import transformers
from transformers.models.llama.modeling_llama import LlamaRMSNorm

import fastplm
from fastplm import _ops
from fastplm.training import attention
from tests.training.test_ops import sample

V, D = 97, 32
NO_DROPOUT = {
    name: 0.0
    for name in (
        "hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop",
        "dropout",
        "attention_dropout", "activation_dropout", "dropout_rate", "embedding_dropout", "mlp_dropout",
        "summary_last_dropout",
    )
}  # fmt: skip
ENCODER = {
    "vocab_size": V,
    "hidden_size": D,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 56,
}
DECODER = {**ENCODER, "num_key_value_heads": 2, "head_dim": 8}
BART = {
    "vocab_size": V, "d_model": D, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 56, "decoder_ffn_dim": 56, "max_position_embeddings": 64,
}  # fmt: skip
T5 = {
    "vocab_size": V, "d_model": D, "d_kv": 8, "d_ff": 56, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 1,
}  # fmt: skip

# Class and config of each family; those in PLAIN_ATTENTION do not ask transformers' interface.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForMaskedLM", ENCODER),
    "roberta": ("RobertaForSequenceClassification", ENCODER),
    "xlm-roberta": ("XLMRobertaForTokenClassification", ENCODER),
    "electra": ("ElectraForTokenClassification", {**ENCODER, "embedding_size": 16}),
    "albert": ("AlbertForMaskedLM", {**ENCODER, "embedding_size": 16}),
    "distilbert": (
        "DistilBertForMaskedLM",
        {"vocab_size": V, "dim": D, "n_layers": 2, "n_heads": 4, "hidden_dim": 56},
    ),
    "mpnet": ("MPNetForMaskedLM", ENCODER),
    "xlnet": (
        "XLNetLMHeadModel",
        {"vocab_size": V, "d_model": D, "n_layer": 2, "n_head": 4, "d_inner": 56, "use_mems_train": False},
    ),
    "xlm": (
        "XLMWithLMHeadModel",
        {"vocab_size": V, "emb_dim": D, "n_layers": 2, "n_heads": 4, "pad_index": 1},
    ),
    "deberta-v2": (
        "DebertaV2ForMaskedLM",
        {**ENCODER, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    ),
    "modernbert": (
        "ModernBertForMaskedLM",
        {**ENCODER, "local_attention": 8, "pad_token_id": 0, "reference_compile": False},
    ),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": V, "n_embd": D, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt-neo": (
        "GPTNeoForCausalLM",
        {
            "vocab_size": V, "hidden_size": D, "num_layers": 2, "num_heads": 4, "window_size": 8,
            "attention_types": [[["global", "local"], 1]], "max_position_embeddings": 64,
        },
    ),
    "opt": (
        "OPTForCausalLM",
        {**ENCODER, "word_embed_proj_dim": D, "ffn_dim": 56},
    ),
    "llama": ("LlamaForCausalLM", DECODER),
    "qwen2": (
        "Qwen2ForCausalLM",
        {**DECODER, "use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3ForCausalLM", DECODER),
    "gemma": ("GemmaForCausalLM", DECODER),
    "gemma2": ("Gemma2ForCausalLM", {**DECODER, "attn_logit_softcapping": None, "sliding_window": 6}),
    "t5": ("T5ForConditionalGeneration", T5),
    "t5-gated": ("T5ForConditionalGeneration", {**T5, "feed_forward_proj": "gated-gelu"}),
    "bart": ("BartForConditionalGeneration", BART),
    "marian": ("MarianMTModel", {**BART, "pad_token_id": 1, "decoder_start_token_id": 1}),
}  # fmt: skip
PLAIN_ATTENTION = ("mpnet", "xlnet", "xlm", "deberta-v2", "gpt-neo")
every_model = pytest.mark.parametrize("name", MODELS)


def plain(name: str, **settings: Any) -> Any:
    cls_name, config = MODELS[name]
    cls = getattr(transformers, cls_name)
    defaults = cls.config_class()
    quiet = {k: v for k, v in NO_DROPOUT.items() if hasattr(defaults, k)}
    special = (
        {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0} if "ModernBert" not in cls_name else {}
    )
    torch.manual_seed(0)
    return cls(cls.config_class(**{**quiet, **special, **config, **settings}))


def batch(model: Any, padded: bool = True, seed: int = 1) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, V, (3, 17), generator=g)
    mask = torch.ones_like(ids)
    if padded:
        mask[0, 9:] = 0
        mask[2, 13:] = 0
        ids[mask == 0] = 1
    labels = torch.where(mask == 1, ids, -100)
    if type(model).__name__.endswith("ForSequenceClassification"):
        labels = torch.tensor([0, 1, 1])
    elif type(model).__name__.endswith("ForTokenClassification"):
        labels = torch.where(mask == 1, ids % 2, -100)
    elif model.config.is_encoder_decoder:
        labels = labels[:, :11].contiguous()
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def losses(model: Any, steps: int = 4, inputs: dict[str, torch.Tensor] | None = None) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    inputs, curve = inputs or batch(model), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


@pytest.mark.parametrize(
    "padded", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["padded", "full"]
)
@every_model
def test_same_losses_and_gradients(name: str, padded: bool) -> None:
    reference = plain(name).train()
    model = fastplm.accelerate(copy.deepcopy(reference))
    inputs = batch(model, padded)
    if name not in PLAIN_ATTENTION:
        assert model.config._attn_implementation == "fastplm"
    model(**inputs).loss.backward()
    reference(**inputs).loss.backward()
    for (key, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        if theirs.grad is None:
            assert ours.grad is None or not ours.grad.any(), key
            continue
        scale = theirs.grad.abs().max().clamp(min=1e-3).item()
        torch.testing.assert_close(
            ours.grad, theirs.grad, atol=1e-4 * scale, rtol=1e-3, msg=lambda m, k=key: f"{k}: {m}"
        )
    assert losses(model, inputs=inputs) == pytest.approx(losses(reference, inputs=inputs), rel=3e-4)


@pytest.mark.slow
@every_model
def test_200_steps(name: str) -> None:
    """The curve of losses is torch's, as closely as torch's own is with another number of threads."""

    def curve(model: Any) -> torch.Tensor:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        values = []
        for step in range(200):
            loss = model(**batch(model, seed=step)).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        return torch.tensor(values)

    before = torch.get_num_threads()
    theirs, ours = curve(plain(name).train()), curve(fastplm.accelerate(plain(name).train()))
    try:
        torch.set_num_threads(3 - min(before, 2))
        other = curve(plain(name).train())
    finally:
        torch.set_num_threads(before)
    allowed = torch.maximum(2 * (other - theirs).abs().cummax(0).values, 3e-4 * theirs)
    assert theirs[-20:].mean() < theirs[0]
    assert ((ours - theirs).abs() <= allowed).all(), ((ours - theirs).abs() / theirs).max()


@every_model
def test_evaluation_gives_the_same_logits(name: str) -> None:
    reference = plain(name).eval()
    model = fastplm.accelerate(copy.deepcopy(reference))
    inputs = batch(model)
    with torch.no_grad():
        ours, theirs = model(**inputs).logits, reference(**inputs).logits
    if theirs.dim() == 3 and not model.config.is_encoder_decoder:
        keep = inputs["attention_mask"].bool()
        ours, theirs = ours[keep], theirs[keep]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_names_states_and_restore() -> None:
    model = plain("bert")
    classes = [type(m) for m in model.modules()]
    parameters = dict(model.named_parameters())
    inputs = batch(model)
    before = model(**inputs).loss
    assert fastplm.accelerate(model) is model
    assert all(isinstance(m, c) for m, c in zip(model.modules(), classes, strict=True))
    assert [n for n, _ in model.named_parameters()] == list(parameters)
    assert all(p is parameters[n] for n, p in model.named_parameters())
    other = plain("bert")
    other.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="accelerated already"):
        fastplm.accelerate(model)
    fastplm.restore(model)
    assert [type(m) for m in model.modules()] == classes
    assert model.config._attn_implementation == other.config._attn_implementation
    assert torch.equal(model(**inputs).loss, before)
    with pytest.raises(ValueError, match="is not accelerated"):
        fastplm.restore(model)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_copies_are_accelerated(copied: Any) -> None:
    model = fastplm.accelerate(plain("llama"))
    inputs = batch(model)
    again = copied(model)
    assert [type(m) for m in again.modules()] == [type(m) for m in model.modules()]
    assert torch.equal(again(**inputs).loss, model(**inputs).loss)


def test_saved_and_loaded(tmp_path: Any) -> None:
    model = fastplm.accelerate(plain("gpt2"))
    model.save_pretrained(tmp_path)
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path)
    inputs = batch(model)
    torch.testing.assert_close(again(**inputs).loss, model.eval()(**inputs).loss)


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
def test_gradient_checkpointing(name: str) -> None:
    """With dropout: the second pass drops what the first did. Only the order of sums may differ."""
    grads = []
    for checkpointed in (False, True):
        settings = {k: 0.2 for k in NO_DROPOUT if hasattr(plain(name).config, k)}
        model = fastplm.accelerate(plain(name, **settings)).train()
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(3)
        model(**batch(model)).loss.backward()
        grads.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(*grads, atol=1e-6, rtol=1e-4)


def test_hooks_and_hidden_states() -> None:
    model = fastplm.accelerate(plain("bert"))
    seen = []
    model.bert.encoder.layer[0].register_forward_hook(lambda *_: seen.append(1))
    out = model(**batch(model), output_hidden_states=True)
    assert seen == [1] and len(out.hidden_states) == 3 and out.hidden_states[1].shape == (3, 17, D)


@pytest.mark.parametrize("name", ["bert", "llama", "bart"])
def test_autocast(name: str) -> None:
    """Not further from float32 than twice what torch is."""
    reference = plain(name)
    inputs = batch(reference)
    exact = reference(**inputs).loss.item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = reference(**inputs).loss.item()
        loss = fastplm.accelerate(reference)(**inputs).loss
    loss.backward()
    assert abs(loss.item() - exact) <= 2 * abs(theirs - exact) + 2**-8 * exact
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in reference.parameters())


@pytest.mark.parametrize("order", ["adapter first", "accelerated first"])
def test_lora(order: str) -> None:
    peft = pytest.importorskip("peft")

    def adapted(model: Any) -> Any:
        torch.manual_seed(5)
        config = peft.LoraConfig(
            target_modules=["query", "value"], r=4, lora_dropout=0.0, init_lora_weights=False
        )
        return peft.get_peft_model(model, config)

    reference = adapted(plain("bert"))
    if order == "adapter first":
        model = adapted(plain("bert"))
        fastplm.accelerate(model.base_model.model)
    else:
        model = adapted(fastplm.accelerate(plain("bert")))
    assert losses(model, inputs=batch(plain("bert"))) == pytest.approx(
        losses(reference, inputs=batch(plain("bert"))), rel=3e-4
    )


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_packed_sequences(name: str) -> None:
    """DataCollatorWithFlattening's keywords: one row of sequences is each of them by itself."""
    model = fastplm.accelerate(plain(name)).eval()
    lengths = (5, 1, 9)
    ids = torch.randint(3, V, (1, 15), generator=torch.Generator().manual_seed(2))
    starts = torch.tensor([0, 5, 6, 15], dtype=torch.int32)
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    packed = model(
        input_ids=ids, position_ids=positions, cu_seq_lens_q=starts, cu_seq_lens_k=starts, max_length_q=9,
        max_length_k=9,
    ).logits  # fmt: skip
    alone = [model(input_ids=part).logits for part in ids.split(lengths, 1)]
    torch.testing.assert_close(packed, torch.cat(alone, 1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["bert", "llama"])
@pytest.mark.parametrize("kind", [torch.bool, torch.float32], ids=["bool", "float"])
@pytest.mark.parametrize("rows", [17, 1])
def test_a_mask_of_queries_and_keys(name: str, kind: torch.dtype, rows: int) -> None:
    """A token sees its own sentence only, forwards and backwards: neither causal nor padding. Of one row: all
    queries see the same keys.
    """
    reference = plain(name).train()
    model = fastplm.accelerate(copy.deepcopy(reference))
    inputs = batch(model, padded=False)
    sentence = torch.arange(17) // 6
    seen = (sentence[:rows, None] == sentence)[None, None].expand(3, 1, -1, -1)
    if kind == torch.float32:
        seen = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(kind).min)
    for m in (model, reference):
        m(**{**inputs, "attention_mask": seen}).loss.backward()
    for (key, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        if theirs.grad is not None:
            torch.testing.assert_close(
                ours.grad, theirs.grad, atol=1e-5, rtol=1e-3, msg=lambda m, k=key: f"{k}: {m}"
            )


def test_a_mask_of_integers_is_refused() -> None:
    model = fastplm.accelerate(plain("llama"))
    inputs = batch(model, padded=False)
    with pytest.raises(TypeError, match=r"a mask of torch\.int64; expected bool or floats"):
        model(**{**inputs, "attention_mask": torch.ones(3, 1, 17, 17, dtype=torch.int64)})


def test_embeddings_and_rotary_positions_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody listens to a part of them."""
    called: list[str] = []
    for op in ("embed_norm", "rotary"):
        plain_op = getattr(_ops, op)
        monkeypatch.setattr(_ops, op, lambda *a, op=op, run=plain_op: called.append(op) or run(*a))
    for name, op, count in (
        ("bert", "embed_norm", 1), ("distilbert", "embed_norm", 1), ("roberta", "embed_norm", 1),
        ("electra", "embed_norm", 1), ("llama", "rotary", 4), ("qwen3", "rotary", 4), ("gemma", "rotary", 4),
        ("modernbert", "rotary", 4),
    ):  # fmt: skip
        model = fastplm.accelerate(plain(name))
        model(**batch(model))
        assert called == [op] * count, name
        called.clear()
    model = fastplm.accelerate(plain("bert")).eval()
    inputs = batch(model)
    before = model(**inputs).logits
    seen: list[int] = []
    model.bert.embeddings.word_embeddings.register_forward_hook(lambda *_: seen.append(1))
    torch.testing.assert_close(model(**inputs).logits, before, atol=1e-5, rtol=1e-4)
    assert seen == [1] and called == ["embed_norm"]


def test_checkpoints_behind_frozen_embeddings() -> None:
    """As adapters train: the layers get their gradients, though nothing in front of them learns."""
    model = fastplm.accelerate(plain("bert")).train()
    for p in model.bert.embeddings.parameters():
        p.requires_grad_(False)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    model(**batch(model)).loss.backward()
    assert model.bert.encoder.layer[0].attention.self.query.weight.grad.any()


def test_angles_that_no_rotation_has() -> None:
    """Another cosine for the second half of a head: the model's own function computes it."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    from fastplm.training.rotary import rotated_by

    q, k, cos, sin = sample(2, 3, 5, 8), sample(2, 1, 5, 8), sample(1, 5, 8), sample(1, 5, 8)
    want = apply_rotary_pos_emb(q, k, cos, sin)
    assert all(map(torch.equal, rotated_by(apply_rotary_pos_emb)(q, k, cos, sin), want))


def test_generation_continues_from_a_cache() -> None:
    for name in ("llama", "gpt2", "bart"):
        reference = plain(name).eval()
        model = fastplm.accelerate(copy.deepcopy(reference))
        inputs = batch(model)
        inputs.pop("labels")
        if not model.config.is_encoder_decoder:
            inputs = {k: v.flip(1) for k, v in inputs.items()}  # padding to the left
        options = {"max_new_tokens": 6, "do_sample": False}
        assert torch.equal(model.generate(**inputs, **options), reference.generate(**inputs, **options)), name


@pytest.mark.parametrize("settings", [{}, {"attn_logit_softcapping": 50.0}], ids=["xlnet", "capped gemma2"])
def test_attention_that_stays_is_named(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    name = "gemma2" if settings else "xlnet"
    reference = plain(name, **settings).train()
    model = fastplm.accelerate(copy.deepcopy(reference))
    assert f"the attention of {MODELS[name][0]} keeps its own code" in caplog.text
    inputs = batch(model)
    torch.testing.assert_close(model(**inputs).loss, reference(**inputs).loss, atol=1e-5, rtol=1e-5)
    fastplm.restore(model)


def test_other_modules_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing in ReLU is known"):
        fastplm.accelerate(torch.nn.ReLU())
    linear = fastplm.accelerate(torch.nn.Linear(3, 2))
    x = sample(4, 3)
    torch.testing.assert_close(linear(x), torch.nn.functional.linear(x, linear.weight, linear.bias))
    assert linear.double()(x.double()).dtype == torch.float64


def test_what_is_no_model():
    with pytest.raises(TypeError, match="accelerate: a int; expected a model of transformers"):
        fastplm.accelerate(3)


@pytest.mark.parametrize("name", ["bert", "t5", "modernbert"])
def test_padding_between_tokens(name: str) -> None:
    """It is left out where nothing depends on how far tokens are apart."""
    reference = plain(name).eval()
    model = fastplm.accelerate(copy.deepcopy(reference))
    inputs = batch(model, padded=False)
    inputs["attention_mask"][1, 5:8] = 0
    if name != "bert":
        with pytest.raises(fastplm.UnsupportedError, match="the mask hides tokens between others"):
            model(**inputs)
        return
    seen = inputs["attention_mask"] == 1
    torch.testing.assert_close(
        model(**inputs).logits[seen], reference(**inputs).logits[seen], atol=1e-5, rtol=1e-4
    )


def test_the_last_query_stands_where_the_last_key_does() -> None:
    """In double precision too, which torch computes."""
    g = torch.Generator().manual_seed(0)
    k, v = (torch.randn(1, 2, 5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    q = torch.randn(1, 2, 2, 4, generator=g, dtype=torch.float64)
    seen = torch.ones(2, 5, dtype=torch.bool).tril(3)
    want = torch.nn.functional.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2)
    for dtype in (torch.float64, torch.float32):
        given = (t.to(dtype) for t in (q, k, v))
        got, _ = attention.attention_forward(torch.nn.Module(), *given, None, is_causal=True)
        torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-5)


def test_the_same_instructions_with_other_numbers_are_another_forward() -> None:
    plain_code = inspect.unwrap(LlamaRMSNorm.forward).__code__
    for exponent, known in ((2, True), (4, False)):
        numbers = tuple(exponent if c == 2 and c is not True else c for c in plain_code.co_consts)
        forward = types.FunctionType(plain_code.replace(co_consts=numbers), {"torch": torch})
        model = torch.nn.Sequential(
            torch.nn.Linear(8, 8), type("Norm", (LlamaRMSNorm,), {"forward": forward})(8)
        )
        reference = copy.deepcopy(model)
        assert hasattr(type(fastplm.accelerate(model)[1]), "_fastplm_class") == known
        torch.testing.assert_close(model(sample(3, 8)), reference(sample(3, 8)), atol=1e-5, rtol=1e-5)
