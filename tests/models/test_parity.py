"""fastplm and transformers agree, layer by layer, on random tiny checkpoints and on a real one."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import fastplm
from tests.models.tiny import FAMILIES, Tiny, random_batch, save_tiny
from tests.tolerance import assert_layers

# Odd sizes on purpose: tails of every vector width, one to three layers, head sizes from 1 to 256.
SHAPES = [
    Tiny(1, 1, 1, 1), Tiny(3, 2, 3, 5), Tiny(7, 5, 1, 64), Tiny(2, 16, 2, 33), Tiny(1, 33, 1, 7),
    Tiny(2, 64, 2, 96), Tiny(3, 65, 1, 31), Tiny(1, 128, 3, 130), Tiny(1, 255, 1, 9), Tiny(2, 256, 1, 17),
]  # fmt: skip

ROTARY = ("modernbert", "nomic_bert", "jina_embeddings_v3", "gte", "eurobert")

# What one family has and others do not.
VARIANTS = [
    ("bert", {"hidden_act": "relu"}), ("bert", {"hidden_act": "gelu_new"}), ("bert", {"hidden_act": "silu"}),
    ("bert", {"layer_norm_eps": 1e-3}), ("roberta", {"pad_token_id": 4}), ("roberta", {"hidden_act": "relu"}),
    ("modernbert", {"attention_bias": True, "mlp_bias": True, "norm_bias": True}),
    ("modernbert", {"local_attention": 2}), ("modernbert", {"global_attn_every_n_layers": 1}),
    ("modernbert", {"hidden_activation": "silu"}),
    ("t5", {"feed_forward_proj": "gated-gelu"}), ("t5", {"feed_forward_proj": "gated-silu"}),
    ("t5", {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}),
    ("distilbert", {"sinusoidal_pos_embds": True}), ("distilbert", {"activation": "relu"}),
    ("albert", {"num_hidden_groups": 1}), ("albert", {"num_hidden_groups": 3}),
    ("electra", {"embedding_size": 16}),
    ("xlm", {"causal": True}), ("xlm", {"gelu_activation": False}), ("xlm", {"n_langs": 1}),
    ("xlm", {"sinusoidal_embeddings": True}),
    ("deberta", {"pos_att_type": ["c2p"]}), ("deberta", {"pos_att_type": ["p2c"]}),
    ("deberta", {"relative_attention": False}), ("deberta", {"type_vocab_size": 2}),
    ("deberta", {"position_biased_input": False}), ("deberta", {"max_relative_positions": -1}),
    ("deberta-v2", {"pos_att_type": ["c2p"]}), ("deberta-v2", {"pos_att_type": ["p2c"]}),
    ("deberta-v2", {"relative_attention": False}), ("deberta-v2", {"position_buckets": -1}),
    ("deberta-v2", {"share_att_key": False}), ("deberta-v2", {"norm_rel_ebd": "none"}),
    ("deberta-v2", {"conv_kernel_size": 0}), ("deberta-v2", {"conv_kernel_size": 5, "conv_act": "gelu"}),
    ("deberta-v2", {"position_biased_input": True}), ("deberta-v2", {"embedding_size": 11}),
    ("nomic_bert", {"head_dim": 12}), ("gte", {"type_vocab_size": 0}),
    ("jina_embeddings_v3", {"hidden_act": "relu"}),
    ("xlnet", {"clamp_len": 5}), ("xlnet", {"ff_activation": "relu"}),
    ("eurobert", {"attention_bias": True, "mlp_bias": True}), ("eurobert", {"num_key_value_heads": 2}),
]  # fmt: skip


def run_both(reference, folder: Path, **batch):
    """Results of transformers and of fastplm on the same batch of numpy arrays, as numpy arrays."""
    tensors = {name: torch.from_numpy(np.asarray(array)) for name, array in batch.items()}
    with torch.no_grad():
        want = reference(**tensors, output_hidden_states=True, output_attentions=True)
    got = fastplm.AutoModel.from_pretrained(folder)(
        **batch, output_hidden_states=True, output_attentions=True
    )
    return want, got


def named(result, real: np.ndarray) -> dict[str, np.ndarray]:
    """What each sublayer gives for the tokens that are shown, as far as transformers tells."""
    states, attentions = ([np.asarray(x) for x in part] for part in (result.hidden_states, result.attentions))
    walk = {"embeddings": states[0][real]}
    for layer, (attention, state) in enumerate(zip(attentions, states[1:], strict=True)):
        walk[f"attention of layer {layer}"] = np.moveaxis(attention, 1, 3)[real]
        walk[f"layer {layer} behind its attention's weights"] = state[real]
    return walk


def check(reference, folder: Path, mask: np.ndarray, **batch) -> None:
    want, got = run_both(reference, folder, attention_mask=mask, **batch)
    real = mask.astype(bool)
    walks = [named(result, real) for result in (got, want)]
    assert walks[0].keys() == walks[1].keys()
    for sublayer, states in walks[0].items():  # in the order in which they are computed
        assert_layers([states], [walks[1][sublayer]], what=sublayer)
    assert_layers([got.last_hidden_state], [want.last_hidden_state], real, "last hidden state")
    assert not got.last_hidden_state[~real].any(), "padded positions are not zero"
    if want.get("pooler_output") is not None:
        # The pooler reads position 0: with padding there, what became of the padding.
        assert_layers([got.pooler_output], [want.pooler_output], what="pooler output")
    else:
        assert got.pooler_output is None


def needs_even_heads(family: str, tiny: Tiny) -> bool:
    # rotary positions turn pairs; XLNet's waves are sines and cosines
    return family in (*ROTARY, "xlnet") and tiny.head_dim % 2 == 1


@pytest.mark.parametrize("tiny", SHAPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes(family, tiny, tmp_path):
    if needs_even_heads(family, tiny):
        tiny = Tiny(tiny.heads, tiny.head_dim + 1, tiny.layers, tiny.mlp)
    reference = save_tiny(family, tmp_path, tiny)
    for side in ("right", "left"):
        ids, mask = random_batch(tiny.vocab, (1, 7, 19), side)
        check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize(("family", "extra"), VARIANTS, ids=str)
def test_variants(family, extra, tmp_path):
    tiny = Tiny(layers=3, extra=extra)
    reference = save_tiny(family, tmp_path, tiny)
    ids, mask = random_batch(tiny.vocab, (40, 3, 23))
    check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_holes_in_the_mask(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    ids, mask = random_batch(61, (9, 17), seed=3)
    mask[0, [0, 4, 5]] = 0
    mask[1, [2, 16]] = 0
    check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize("family", ["bert", "roberta", "t5"])
def test_mask_of_three_dimensions(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    ids, _ = random_batch(61, (11, 11))
    sees = np.random.default_rng(1).integers(0, 2, (2, 11, 11)) | np.eye(11, dtype=np.int64)
    hidden = torch.from_numpy(1.0 - sees).float()[:, None] * torch.finfo(torch.float32).min
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), attention_mask=hidden, output_hidden_states=True)
    got = fastplm.AutoModel.from_pretrained(tmp_path)(ids, attention_mask=sees, output_hidden_states=True)
    assert_layers(got.hidden_states, want.hidden_states)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_mask_is_all_ones(family, tmp_path):
    save_tiny(family, tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    ids, mask = random_batch(61, (12, 12))
    assert np.array_equal(model(ids).last_hidden_state, model(ids, mask).last_hidden_state)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_position_ids(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    ids, mask = random_batch(61, (8, 5))
    positions = np.random.default_rng(2).integers(0, 40, (2, 8))
    check(reference, tmp_path, mask, input_ids=ids, position_ids=positions)
    check(reference, tmp_path, mask, input_ids=ids, position_ids=positions[:1])


def test_token_type_ids(tmp_path):
    reference = save_tiny("bert", tmp_path)
    ids, mask = random_batch(61, (8, 5))
    check(
        reference,
        tmp_path,
        mask,
        input_ids=ids,
        token_type_ids=np.random.default_rng(2).integers(0, 3, (2, 8)),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_inputs_embeds(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    ids, mask = random_batch(61, (8, 5))
    embeds = reference.get_input_embeddings()(torch.from_numpy(ids)).detach().numpy() * 0.5
    check(reference, tmp_path, mask, inputs_embeds=embeds)


def test_padding_ids_inside_a_row(tmp_path):
    """RoBERTa counts positions over ids that are not padding, wherever the mask is."""
    reference = save_tiny("roberta", tmp_path)
    ids, mask = random_batch(61, (12, 9))
    ids[0, [0, 3]] = ids[1, 8] = 1
    check(reference, tmp_path, mask, input_ids=ids)
    ids[mask == 0] = 1
    check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_shards(family, tmp_path):
    reference = save_tiny(family, tmp_path, max_shard_size="4KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    ids, mask = random_batch(61, (4, 6))
    check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("BertForMaskedLM", "bert"),
        ("BertForSequenceClassification", "bert"),
        ("RobertaForMaskedLM", "roberta"),
        ("ModernBertForMaskedLM", "modernbert"),
        ("T5ForConditionalGeneration", "t5"),
    ],
)
def test_checkpoints_with_a_head(name, family, tmp_path):
    """The encoder inside a checkpoint that was saved with a head, whose names carry a prefix."""
    settings = FAMILIES[family][1](Tiny())
    if family == "t5":
        settings["num_decoder_layers"] = 1
    torch.manual_seed(0)
    whole = getattr(transformers, name)
    whole(whole.config_class(**settings)).save_pretrained(tmp_path)
    bare = getattr(transformers, FAMILIES[family][0])
    reference = bare.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids, _ = random_batch(61, (9, 9))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), output_hidden_states=True)
    got = getattr(fastplm, FAMILIES[family][0]).from_pretrained(tmp_path)(ids, output_hidden_states=True)
    assert_layers(got.hidden_states, want.hidden_states)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_stored_in_other_types(stored, family, tmp_path):
    reference = save_tiny(family, tmp_path)
    if stored == torch.float64:
        with torch.no_grad():
            for weight in reference.double().parameters():
                weight.add_(weight * 1e-10)  # no float32
    reference.to(stored).save_pretrained(tmp_path)
    reference = (
        type(reference).from_pretrained(tmp_path, dtype=torch.float32, attn_implementation="eager").eval()
    )
    ids, mask = random_batch(61, (9, 4))
    check(reference, tmp_path, mask, input_ids=ids)


def test_float64_is_rounded_to_float32(tmp_path):
    """The same bits as from a file that torch rounded."""
    reference = save_tiny("bert", tmp_path / "wide").double()
    with torch.no_grad():
        for weight in reference.parameters():
            weight.mul_(1 + 1e-9)
    reference.save_pretrained(tmp_path / "wide", max_shard_size="8KB")
    reference.float().save_pretrained(tmp_path / "narrow")
    for dtype in ("float32", "bfloat16", "auto"):
        wide, narrow = (
            fastplm.AutoModel.from_pretrained(tmp_path / name, dtype=dtype)([[5, 6, 7]])[0]
            for name in ("wide", "narrow")
        )
        assert np.array_equal(wide, narrow)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_as_close_as_torch(family, tmp_path):
    """Against float32, bfloat16 errs at most twice as much as torch's own bfloat16."""
    reference = save_tiny(family, tmp_path, Tiny(4, 32, 2, 96))
    ids, _ = random_batch(61, (33, 33))
    with torch.no_grad():
        exact = reference(torch.from_numpy(ids)).last_hidden_state.numpy()
        theirs = reference.bfloat16()(torch.from_numpy(ids)).last_hidden_state.float().numpy()
    ours = fastplm.AutoModel.from_pretrained(tmp_path, dtype="bfloat16")(ids).last_hidden_state
    assert np.sqrt(np.mean((ours - exact) ** 2)) <= 2 * np.sqrt(np.mean((theirs - exact) ** 2))
    assert not np.array_equal(ours, exact), "float32 was computed"


@pytest.mark.parametrize("family", FAMILIES)
def test_nan_weights_propagate(family, tmp_path):
    reference = save_tiny(family, tmp_path)
    with torch.no_grad():
        reference.get_input_embeddings().weight[7] = float("nan")
    reference.save_pretrained(tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    out = model([[3, 7, 9], [3, 4, 9]]).last_hidden_state
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()


def test_minilm(minilm, texts):
    reference = transformers.BertModel.from_pretrained(minilm, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    for side in ("right", "left"):
        tokenizer.padding_side = side
        batch = tokenizer(texts[:6], padding=True, truncation=True, max_length=300, return_tensors="np")
        check(reference, minilm, batch.pop("attention_mask"), **batch)
