"""What some encoders have alone: computed tables, languages, decoders made of them, older names."""

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.errors import UnsupportedError
from tests.models.tiny import CLASSES, Tiny, random_batch, save_class, save_tiny
from tests.tolerance import assert_layers


def tensors_of(*arrays):
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@pytest.mark.parametrize(
    ("family", "setting", "table"),
    [("distilbert", "sinusoidal_pos_embds", "embeddings.position_embeddings.weight"),
     ("xlm", "sinusoidal_embeddings", "position_embeddings.weight")],
)  # fmt: skip
def test_tables_that_are_computed(family, setting, table, tmp_path):
    save_tiny(family, tmp_path, Tiny(extra={setting: True}))
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    del weights[table]
    save_file(weights, file, {"format": "pt"})
    reference = transformers.AutoModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids, _ = random_batch(61, (30, 30))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids)).last_hidden_state
    assert_layers([fastplm.AutoModel.from_pretrained(tmp_path)(ids).last_hidden_state], [want])


@pytest.mark.parametrize("settings", [{}, {"use_lang_emb": False}, {"n_langs": 1}, {"causal": True}], ids=str)
def test_languages(settings, tmp_path):
    """And token types of the table of tokens, lengths in place of a mask, padding that hides itself."""
    reference = save_tiny("xlm", tmp_path, Tiny(extra=settings))
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    ids, mask = random_batch(61, (9, 5))
    languages, types = np.arange(18).reshape(2, 9) % 3, np.arange(18).reshape(2, 9)
    padded = np.where(mask, ids, model.config.pad_token_id)
    for given in (
        {"input_ids": ids, "langs": languages},
        {"input_ids": ids, "langs": languages, "token_type_ids": types, "attention_mask": mask},
        {"input_ids": ids, "lengths": np.array([9, 5])},
        {"input_ids": padded},
    ):
        with torch.no_grad():
            want = reference(**{n: torch.from_numpy(v) for n, v in given.items()}).last_hidden_state
        shown = (
            mask.astype(bool)
            if len({"attention_mask", "lengths"} & set(given)) or given["input_ids"] is padded
            else None
        )
        assert_layers([model(**given).last_hidden_state], [want], shown)
    if settings.get("n_langs") != 1 and settings.get("use_lang_emb", True):
        with pytest.raises(ValueError, match="langs"):
            model(ids, langs=languages + 1)
    with pytest.raises(ValueError, match="lengths: expected 2 lengths from 0 to 9"):
        model(ids, lengths=[9, 10])
    if settings.get("causal"):
        with pytest.raises(UnsupportedError, match="expected padding on the right"):
            model(ids, mask[:, ::-1])


def test_the_adaptive_softmax_is_refused(tmp_path):
    save_class("XLMWithLMHeadModel", tmp_path)
    with pytest.raises(UnsupportedError, match="asm is true; expected false"):
        fastplm.XLMWithLMHeadModel.from_pretrained(tmp_path, asm=True)


@pytest.mark.parametrize("count", ["", "ignored"])
def test_sparse_prediction(count, tmp_path):
    """Only the logits of tokens with labels."""
    reference = save_class("ModernBertForMaskedLM", tmp_path, Tiny(extra={"sparse_prediction": True}))
    ids, _ = random_batch(61, (8, 8))
    labels = np.where(np.arange(16).reshape(2, 8) % 3, -100, ids)
    given = {} if count else {"labels": torch.from_numpy(labels)}
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), **given)
    got = fastplm.ModernBertForMaskedLM.from_pretrained(tmp_path)(torch.from_numpy(ids), **given)
    assert_layers([got.logits], [want.logits])
    assert ("loss" in got) == ("loss" in want)


HEADS = ("BertForMaskedLM", "BertForSequenceClassification", "RobertaForTokenClassification",
         "XLMRobertaXLForQuestionAnswering", "ElectraForMultipleChoice", "BertForPreTraining")  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_other_heads_of_decoders(name, tmp_path):
    reference = save_class(name, tmp_path, Tiny(extra={"is_decoder": True}))
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    shape = (2, 3, 7) if name.endswith("MultipleChoice") else (4, 7)
    ids = np.random.default_rng(0).integers(3, 61, shape)
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), output_hidden_states=True)
    got = model(ids, output_hidden_states=True)
    assert list(got) == list(want)
    assert_layers(got.hidden_states, want.hidden_states)
    for key in want:
        if key != "hidden_states":
            assert_layers([got[key]], [want[key]], what=key)


@pytest.mark.parametrize("name", ["BertModel", "RobertaModel", "ElectraModel"])
def test_a_decoder_has_a_cache(name, tmp_path):
    family = getattr(fastplm, name).model_type
    reference = save_tiny(family, tmp_path, Tiny(extra={"is_decoder": True}))
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    ids, types = np.random.default_rng(0).integers(3, 61, (2, 9)), np.zeros((2, 9), np.int64)
    types[:, 4:] = 2 if family != "roberta" else 0
    with torch.no_grad():
        want = reference(*tensors_of(ids, np.ones_like(ids), types), output_attentions=True)
    whole = model(ids, None, types, output_attentions=True)
    assert list(whole) == list(want)
    assert_layers([whole.last_hidden_state], [want.last_hidden_state])
    first = model(ids[:, :5], token_type_ids=types[:, :5])
    rest = model(ids[:, 5:], token_type_ids=types[:, 5:], cache=first.cache)
    assert np.array_equal(rest.last_hidden_state, whole.last_hidden_state[:, 5:])
    assert "cache" not in model(ids, use_cache=False)


@pytest.mark.parametrize("name", [n for n in CLASSES if n.startswith(("BertLMHead", "RobertaForCausal"))])
def test_a_head_that_predicts_the_next_of_an_encoder(name, tmp_path):
    reference = save_class(name, tmp_path, Tiny(extra={"is_decoder": False}))
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    ids, _ = random_batch(61, (9, 9))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), labels=torch.from_numpy(ids))
    got = model(ids, labels=ids)
    assert_layers([got.logits], [want.logits])
    assert float(got.loss) == pytest.approx(float(want.loss), rel=1e-5)
    with pytest.raises(UnsupportedError, match=r"generate\(\): .*is_decoder in config\.json"):
        model.generate(ids)


@pytest.mark.parametrize("name", ["NomicBertForMaskedLM", "JinaEmbeddingsV3ForMaskedLM", "GteForMaskedLM"])
def test_names_of_first_releases(name, tmp_path):
    """transformers writes these; its own names are read too."""
    reference = save_class(name, tmp_path)
    file = tmp_path / "model.safetensors"
    ids, _ = random_batch(61, (9, 4))
    want = getattr(fastplm, name).from_pretrained(tmp_path)(ids).logits
    own = reference.state_dict()
    assert set(own) != set(load_file(file))
    save_file({key: value.clone() for key, value in own.items()}, file, {"format": "pt"})
    assert np.array_equal(getattr(fastplm, name).from_pretrained(tmp_path)(ids).logits, want)


def test_pooling_of_eurobert(tmp_path):
    ids, mask = random_batch(61, (9, 5))
    for pooling in ("bos", "mean", "late"):
        reference = save_class(
            "EuroBertForSequenceClassification", tmp_path, Tiny(extra={"classifier_pooling": pooling})
        )
        with torch.no_grad():
            want = reference(*tensors_of(ids, mask)).logits
        got = fastplm.EuroBertForSequenceClassification.from_pretrained(tmp_path)(ids, mask)
        assert_layers([got.logits], [want], what=pooling)
    with pytest.raises(fastplm.CheckpointError, match='"classifier_pooling" is "max"'):
        fastplm.EuroBertForSequenceClassification.from_pretrained(tmp_path, classifier_pooling="max")
