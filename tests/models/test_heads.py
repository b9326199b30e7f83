"""Every class with a head against transformers' eager attention: results, losses, batches, arguments."""

import inspect
import warnings

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.tiny import CLASSES, Tiny, random_batch, save_class, save_tiny
from tests.size import LARGE
from tests.tolerance import assert_layers

CHOOSE = tuple(n for n in CLASSES if n.endswith(("ForMultipleChoice", "DoubleHeadsModel")))


@pytest.fixture(scope="module", params=CLASSES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pair(name, tmp_path_factory):
    """The model of transformers and ours."""
    path = tmp_path_factory.mktemp(name)
    reference = save_class(name, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # every setting and weight is known
        return reference, getattr(fastplm, name).from_pretrained(path)


def reads_input_ids(name):
    """Whether a decoder that is given nothing reads what the encoder does, or there is but one stack."""
    family = name.startswith(("T5", "MT5", "UMT5", "Marian", "M2M100", "Pegasus"))
    return not (family and name.endswith(("Model", "ForConditionalGeneration")))


def batch_of(name, lengths=(9, 6, 3), side="right"):
    """Arguments for class `name`, as numpy arrays: the last token of a row ends it."""
    ids, mask = random_batch(61, lengths, side)
    ids[:, -1] = 2
    given = {"input_ids": ids, "attention_mask": mask}
    if name in CHOOSE:
        given = {key: np.stack((value, value[:, ::-1] if key == "input_ids" else value), 1)
                 for key, value in given.items()}  # fmt: skip
    if not reads_input_ids(name):
        given["decoder_input_ids"] = ids[:, :5].copy()
    return given


def labels_of(name, shape, config):
    """The arguments that ask class `name` for its loss."""
    random, rows = np.random.default_rng(1), shape[0]
    tokens = random.integers(0, 61, shape)
    tokens.reshape(-1)[::4] = -100
    if name.endswith("ForSequenceClassification"):
        return {"labels": random.integers(0, config.num_labels, rows)}
    if name.endswith(("ForNextSentencePrediction", "ForMultipleChoice")):
        return {"labels": random.integers(0, 2, rows)}
    if name.endswith(("ForQuestionAnswering", "ForQuestionAnsweringSimple")):
        return {"start_positions": random.integers(0, shape[-1], rows),
                "end_positions": random.integers(shape[-1] - 1, shape[-1] + 3, rows)}  # fmt: skip
    if name.endswith("ForTokenClassification"):
        return {"labels": np.where(tokens < 0, -100, tokens % config.num_labels)}
    if name == "ElectraForPreTraining":
        return {"labels": tokens % 2}
    if name.endswith("ForPreTraining"):
        sentences = "sentence_order_label" if name.startswith("Albert") else "next_sentence_label"
        return {"labels": tokens, sentences: random.integers(0, 2, rows)}
    if name.endswith("DoubleHeadsModel"):
        return {"labels": tokens, "mc_labels": random.integers(0, 2, rows)}
    return {"labels": tokens}


def torch_of(given):
    return {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in given.items()}


def results(reference, given, **switches):
    with torch.no_grad():
        return reference(**torch_of(given), **switches)


def check(got, want, keep=None):
    """All results, in their order; `keep`: the tokens that the mask shows."""
    assert ("cache" in got) == ("cache" in want)
    want = {key: value for key, value in want.items() if key != "cache"}
    assert [key for key in got if key != "cache"] == list(want)
    for key, value in want.items():
        ours, theirs = (got[key], value) if isinstance(value, tuple) else ([got[key]], [value])
        for a, b in zip(ours, theirs, strict=True):
            a, b = np.asarray(a), np.asarray(b)
            if key == "mems" and keep is not None:  # [columns, rows, width]
                a, b = (x.swapaxes(0, 1).reshape(*keep.shape, -1) for x in (a, b))
            per_token = keep is not None and "attentions" not in key and a.shape[: keep.ndim] == keep.shape
            assert_layers([a], [b], keep if per_token else None, key)


def test_results(name, pair):
    reference, model = pair
    given = batch_of(name)
    del given["attention_mask"]
    switches = {"output_hidden_states": True, "output_attentions": True}
    want = results(reference, given, **switches)
    check(model(**torch_of(given), **switches), want)
    got = model(**given, **switches)
    check(got, want)
    for result in ("last_hidden_state", "logits"):
        assert hasattr(got, result) == (result in want)
    as_tuple = model(**given, return_dict=False)
    assert isinstance(as_tuple, tuple) and len(as_tuple) == len(model(**given))


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding(side, name, pair):
    reference, model = pair
    if side == "left" and name == "ModernBertForSequenceClassification":
        pytest.skip(
            "reads a hidden token whose windows hold no token: transformers' sdpa and eager differ there"
        )
    given = batch_of(name, side=side)
    keep = given["attention_mask"].astype(bool)
    if (name.startswith(("Bart", "MBart")) and not name.endswith("ForCausalLM")) or (
        name.startswith(("T5", "MT5", "UMT5"))
        and name.endswith(("ForSequenceClassification", "ForQuestionAnswering"))
    ):  # their decoders have no mask of their own
        key, got, want = "encoder_last_hidden_state", dict(model(**given)), dict(results(reference, given))
        assert_layers([got.pop(key)], [want.pop(key)], keep)
        check(got, want)
        return
    if side == "left" and name.endswith("DoubleHeadsModel"):
        given["mc_token_ids"] = np.full(given["input_ids"].shape[:2], -1 % given["input_ids"].shape[-1])
    check(model(**given), results(reference, given), keep)


def test_losses(name, pair):
    reference, model = pair
    given = batch_of(name)
    del given["attention_mask"]
    labels = labels_of(name, given["input_ids"].shape, model.config)
    if name.endswith("Model") and not name.endswith(("HeadModel", "HeadsModel", "MTModel")):
        with pytest.raises(UnsupportedError, match=r"labels: .*fastplm\.accelerate"):
            model(**given, **labels)
        return
    if not reads_input_ids(name):
        del given["decoder_input_ids"]  # made from the labels
    want = results(reference, {**given, **labels})
    check(model(**given, **labels), want)
    loss = model(**torch_of({**given, **labels})).loss
    assert loss.ndim == 0 and not loss.requires_grad and np.isclose(float(loss), float(want.loss), 1e-5)


def test_losses_of_hidden_tokens(name, pair):
    """As in transformers, a label counts even where the mask hides its token."""
    reference, model = pair
    if not name.endswith(
        ("MaskedLM", "LMHeadModel", "CausalLM", "TokenClassification", "QuestionAnswering", "Simple")
    ):
        pytest.skip("no loss by token")
    if name.startswith("ModernBert"):
        pytest.skip("windows of hidden tokens may hold no token: transformers' sdpa and eager differ there")
    given = batch_of(name)
    given |= labels_of(name, given["input_ids"].shape, model.config)
    assert np.isclose(model(**given).loss, float(results(reference, given).loss), 1e-5)


@pytest.mark.parametrize(
    ("count", "problem", "labels"),
    [
        (1, None, np.array([0.5, -1.0, 2.0], np.float32)),
        (3, None, np.array([0, 2, 1])),
        (3, None, np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]], np.float32)),
        (3, "regression", np.array([[0.1, 0.2, 0.3]] * 3, np.float32)),
        (3, "single_label_classification", np.array([0, 2, -100])),
    ],
)
@pytest.mark.parametrize("name", [n for n in CLASSES if n.endswith("ForSequenceClassification")])
def test_kinds_of_classification(name, count, problem, labels, tmp_path):
    extra = {"num_labels": count, **({"problem_type": problem} if problem else {})}
    reference = save_class(name, tmp_path, Tiny(extra=extra))
    given = {**batch_of(name), "labels": labels}
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    assert model.config.num_labels == count
    assert np.isclose(model(**given).loss, float(results(reference, given).loss), 1e-5)


def test_any_batch(name, pair):
    """A row's results are bitwise the same alone, and with any number of threads."""
    model = pair[1]
    given = batch_of(name, (9, 9, 9, 9))
    whole = model(**given)
    before = fastplm.num_threads()
    try:
        for threads in (1, 2, 3):
            fastplm.set_num_threads(threads)
            for row in (0, 2):
                alone = model(**{key: value[row : row + 1] for key, value in given.items()})
                for key, value in alone.items():
                    if key == "mems":
                        of_each = whole[key][0].shape[1] // 4  # its choices, each a row
                        rows = [mem[:, row * of_each : (row + 1) * of_each] for mem in whole[key]]
                        assert all(map(np.array_equal, value, rows)), key
                    elif key != "cache":
                        assert np.array_equal(value[0], whole[key][row]), key
    finally:
        fastplm.set_num_threads(before)


def test_bfloat16(name, tmp_path):
    """Against float32, bfloat16 errs at most twice as much as torch's own bfloat16."""
    reference = save_class(name, tmp_path, Tiny(4, 32, 2, 96))
    given = batch_of(name, (33, 33))
    exact = results(reference, given)
    theirs = results(reference.bfloat16(), given)
    ours = getattr(fastplm, name).from_pretrained(tmp_path, dtype="bfloat16")(**given)
    for key in ours:
        if key in ("cache", "mems"):
            continue
        want = exact[key].numpy()
        error, limit = (
            np.sqrt(np.mean((np.asarray(r) - want) ** 2)) for r in (ours[key], theirs[key].float())
        )
        assert 0 < error <= 2 * limit + 1e-3 * np.abs(want).mean() * (want.size < 20), key


def test_order_of_arguments(name, pair):
    model = pair[1]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD,)
    theirs, ours = (
        [p.name for p in inspect.signature(m.forward).parameters.values() if p.kind in kinds] for m in pair
    )
    assert ours == theirs
    given = batch_of(name)
    order = [key for key in theirs[:2] if key in given]
    if order == ["input_ids", "attention_mask"]:
        positional = model(*(given[key] for key in order), **{k: given[k] for k in given if k not in order})
        assert np.array_equal(positional[0], model(**given)[0])


AUTO = {
    "AutoModelForMaskedLM": (
        *(n for n in CLASSES if n.endswith("ForMaskedLM")),
        "BartForConditionalGeneration", "XLMWithLMHeadModel",
    ),
    "AutoModelForCausalLM": (
        *(n for n in CLASSES if n.endswith("ForCausalLM")),
        "GPT2LMHeadModel", "BertLMHeadModel", "XLMWithLMHeadModel", "XLNetLMHeadModel",
    ),
    "AutoModelForSeq2SeqLM": tuple(n for n in CLASSES if n.endswith(("ForConditionalGeneration", "MTModel"))),
    "AutoModelForSequenceClassification": tuple(n for n in CLASSES if n.endswith("SequenceClassification")),
    "AutoModelForTokenClassification": tuple(n for n in CLASSES if n.endswith("ForTokenClassification")),
    "AutoModelForQuestionAnswering": tuple(n for n in CLASSES if "ForQuestionAnswering" in n),
    "AutoModelForNextSentencePrediction": ("BertForNextSentencePrediction",),
    "AutoModelForPreTraining": (
        *(n for n in CLASSES if n.endswith("ForPreTraining")),
        "GPT2LMHeadModel", "T5ForConditionalGeneration", "BartForConditionalGeneration", "RobertaForMaskedLM",
        "XLNetLMHeadModel",
    ),
    "AutoModelForMultipleChoice": tuple(n for n in CLASSES if n.endswith("ForMultipleChoice")),
    "AutoModel": tuple(
        n for n in CLASSES if n.endswith("Model") and not n.endswith(("sModel", "dModel", "MTModel"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("auto", AUTO)
def test_auto_classes(auto, tmp_path):
    for name in AUTO[auto] if LARGE else AUTO[auto][::3]:
        save_class(name, tmp_path / name)
        model = getattr(fastplm, auto).from_pretrained(tmp_path / name)
        assert type(model) is getattr(fastplm, name)
        assert type(getattr(transformers, auto).from_pretrained(tmp_path / name)).__name__ == name


def test_auto_class_of_a_family_without_it(tmp_path):
    save_tiny("mpnet", tmp_path)
    with pytest.raises(UnsupportedError, match=r"AutoModelForCausalLM has no class for model_type 'mpnet'"):
        fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)


def test_a_missing_head_is_warned_of_once(tmp_path):
    save_tiny("bert", tmp_path)
    names = ["classifier.bias", "classifier.weight"]
    with pytest.warns(
        UserWarning, match=r"Some weights of BertForTokenClassification .*newly init"
    ) as caught:
        model = fastplm.BertForTokenClassification.from_pretrained(tmp_path)
    assert len(caught) == 1 and str(names) in str(caught[0].message)
    with pytest.warns(UserWarning):
        again = fastplm.BertForTokenClassification.from_pretrained(tmp_path)
    assert np.array_equal(model([[3, 4]]).logits, again([[3, 4]]).logits)
    assert np.abs(model([[3, 4]]).logits).max() > 0


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("BertForMaskedLM", {"labels": [[1]]}, r"labels: shape \[1, 1\]; expected \[1, 3\]"),
        ("BertForMaskedLM", {"labels": [[1, 2, 61]]}, r"labels: from 1 to 61; expected 0 to 60, or -100"),
        ("BertForSequenceClassification", {"labels": [0, 1]}, r"labels: 2 labels; expected 1"),
        ("BertForMultipleChoice", {}, r"input_ids: shape \[1, 3\]; expected \[batch, choices, length\]"),
        ("GPT2DoubleHeadsModel", {"mc_token_ids": [3]}, r"mc_token_ids: \[3\]; expected a token from 0 to 2"),
        (
            "BartForSequenceClassification",
            {},
            r"rows have \[0\] eos_token_id; expected as many in each, and at least one",
        ),
    ],
)
def test_errors(name, given, message, tmp_path):
    save_class(name, tmp_path)
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        model([[4, 5, 6]], **given)


@pytest.mark.parametrize(
    ("name", "projection"),
    [("GPT2LMHeadModel", "lm_head.weight"), ("LlamaForCausalLM", "lm_head.weight"),
     ("BartForConditionalGeneration", "lm_head.weight"),
     ("BertForMaskedLM", "cls.predictions.decoder.weight")],
)  # fmt: skip
def test_a_projection_of_its_own(name, projection, tmp_path):
    """Where the file has one, transformers ties none, whatever config.json says."""
    reference = save_class(name, tmp_path, Tiny(extra={"tie_word_embeddings": True}))
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    shape = reference.get_output_embeddings().weight.shape
    tensors[projection] = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    save_file(tensors, path, {"format": "pt"})
    reference = type(reference).from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids, _ = random_batch(61, (5,))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids)).logits
    assert_layers([getattr(fastplm, name).from_pretrained(tmp_path)(ids).logits], [want])


@pytest.mark.parametrize("name", [
    "GPT2DoubleHeadsModel", "LlamaForQuestionAnswering", "LlamaForCausalLM", "RobertaForCausalLM",
    "ModernBertForMaskedLM", "ModernBertForQuestionAnswering", "EuroBertForMaskedLM", "BertForMaskedLM",
])  # fmt: skip
def test_the_losses_divisor(name, tmp_path):
    reference = save_class(name, tmp_path)
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    ids = torch.from_numpy(random_batch(61, (6, 6))[0])
    spans = {"start_positions": torch.tensor([1, 2]), "end_positions": torch.tensor([3, 3])}
    given = spans if "QuestionAnswering" in name else {"labels": ids}
    for arguments in (given, {key: torch.full_like(value, -100) for key, value in given.items()}):
        with torch.no_grad():
            want = reference(ids, **arguments, num_items_in_batch=5).loss
        got = model(ids, **arguments, num_items_in_batch=5).loss
        assert float(got) == pytest.approx(float(want), rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_labels_that_are_shifted_already(name, tmp_path):
    reference = save_class(name, tmp_path)
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    ids, mask = random_batch(61, (6, 4))
    shifted = np.where(mask, np.roll(ids, -1, 1), -100)
    for extra in ({}, {"num_items_in_batch": 7}):
        given = torch_of({"input_ids": ids, "labels": ids, "shift_labels": shifted})
        with torch.no_grad():
            want = reference(**given, **extra).loss
        assert float(model(**given, **extra).loss) == pytest.approx(float(want), rel=1e-5)
    assert "loss" not in model(ids, shift_labels=shifted)
    with pytest.raises(ValueError, match=r"shift_labels: shape \[2, 5\]; expected \[2, 6\]"):
        model(ids, labels=ids, shift_labels=shifted[:, 1:])


def test_arguments_that_some_classes_have(name, pair):
    """What transformers takes and drops is no TypeError; what the engine cannot do is refused by name."""
    reference, model = pair
    given = batch_of(name)
    with torch.no_grad():
        want = reference(**torch_of(given), shift_labels=None, num_items_in_batch=3)[0]
    got = model(**given, shift_labels=None, num_items_in_batch=3, is_causal=None, cache_position=None)[0]
    assert got.shape == tuple(want.shape)
    assert np.array_equal(model(**given, logits_to_keep=0)[0], got)
    if "logits_to_keep" not in model.kind.arguments:
        with pytest.raises(UnsupportedError, match="logits_to_keep: int given; expected None: this class"):
            model(**given, logits_to_keep=2)
    natural = {"encoder": False, "decoder": True, "causal": True}.get(model.stacks)
    for value in {True, False} - {natural}:
        with pytest.raises(UnsupportedError, match="is_causal: bool given"):
            model(**given, is_causal=value)
    with pytest.raises(UnsupportedError, match="cache_position: list given"):
        model(**given, cache_position=[0])


@pytest.mark.parametrize(
    "settings",
    [{"summary_type": "mean"}, {"summary_use_proj": False}, {"summary_proj_to_labels": False},
     {"summary_activation": "tanh"}, {"summary_activation": "sigmoid"}],
)  # fmt: skip
def test_summaries_that_are_refused(settings, tmp_path):
    """As soon as the model is loaded, and by the one class that has them."""
    save_class("GPT2DoubleHeadsModel", tmp_path)
    with pytest.raises(UnsupportedError, match=rf"{next(iter(settings))} is "):
        fastplm.GPT2DoubleHeadsModel.from_pretrained(tmp_path, **settings)
    fastplm.GPT2LMHeadModel.from_pretrained(tmp_path, **settings)


def test_strict_loading(tmp_path):
    save_tiny("bert", tmp_path)
    with pytest.raises(CheckpointError, match=r"has no classifier\.bias, classifier\.weight; BertForTokenCl"):
        fastplm.BertForTokenClassification.from_pretrained(tmp_path, strict=True)
    fastplm.BertModel.from_pretrained(tmp_path, strict=True)


@pytest.mark.parametrize("bias", [True, False])
def test_the_bias_of_token_classes(bias, tmp_path):
    extra = {"token_classification_bias": bias}
    reference = save_class("LlamaForTokenClassification", tmp_path, Tiny(extra=extra))
    assert (reference.score.bias is not None) == bias
    ids, _ = random_batch(61, (5,))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids)).logits
    model = fastplm.LlamaForTokenClassification.from_pretrained(tmp_path, strict=True)
    assert_layers([model(ids).logits], [want])
