"""Remembered states, permutations and the second stream of states, against transformers' XLNet."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import fastplm
from fastplm.errors import UnsupportedError
from tests.models.tiny import Tiny, random_batch, save_class, save_tiny
from tests.tolerance import assert_layers

SETTINGS = [
    {}, {"mem_len": None}, {"mem_len": 3}, {"mem_len": 0}, {"reuse_len": 4}, {"mem_len": 8, "reuse_len": 3},
    {"clamp_len": 3}, {"attn_type": "uni"}, {"attn_type": "uni", "same_length": True}, {"bi_data": True},
    {"bi_data": True, "clamp_len": 2}, {"use_mems_eval": False},
]  # fmt: skip


def torch_of(given):
    return {n: list(map(torch.from_numpy, v)) if isinstance(v, list) else torch.from_numpy(np.array(v))
            for n, v in given.items()}  # fmt: skip


def results(reference, given, **switches):
    with torch.no_grad():
        return reference(**torch_of(given), **switches)


def tokens(rows=2, length=9, seed=0):
    random = np.random.default_rng(seed)
    return {"input_ids": random.integers(3, 61, (rows, length)),
            "token_type_ids": random.integers(0, 3, (rows, length))}  # fmt: skip


def permutation(rows=2, length=9, targets=(7, 2, 4), seed=1):
    """A mask that hides at random, and targets in no order, of which the first row has others."""
    random = np.random.default_rng(seed)
    hides = random.integers(0, 2, (rows, length, length)).astype(np.float32)
    hides[:, :, 0] = 0  # every target sees a token
    mapping = np.zeros((rows, len(targets), length), np.float32)
    for target, column in enumerate(targets):
        mapping[0, target, (column + 1) % length] = 1
        mapping[1:, target, column] = 1
    return {"perm_mask": hides, "target_mapping": mapping}


def agree(got, want, keep=None):
    """All results, in order. keep: the tokens that the mask shows, of results that have as many rows."""
    assert list(got) == list(want)
    for key in want:
        many = isinstance(want[key], tuple)
        for ours, theirs in zip(*((got[key], want[key]) if many else ([got[key]], [want[key]])), strict=True):
            ours, theirs = np.asarray(ours), np.asarray(theirs)
            if key == "mems":
                ours, theirs = ours.swapaxes(0, 1), theirs.swapaxes(0, 1)
            shown = None if keep is None or ours.shape[:2] != keep.shape else keep
            assert_layers([ours], [theirs], shown, key)


@pytest.fixture(params=SETTINGS, ids=str)
def pair(request, tmp_path):
    reference = save_tiny("xlnet", tmp_path, Tiny(layers=3, extra=request.param))
    return reference, fastplm.AutoModel.from_pretrained(tmp_path)


def test_mems(pair):
    """Segments one after another, each behind what is remembered of those before."""
    reference, model = pair
    mems = {}
    for seed, length in enumerate((9, 5, 12)):
        given = {**tokens(length=length, seed=seed), **mems}
        switches = {"output_hidden_states": True, "output_attentions": True}
        want = results(reference, given, **switches)
        got = model(**given, **switches)
        agree(got, want)
        agree(model(**torch_of(given), **switches), want)
        mems = {"mems": list(got.mems)} if got.mems is not None else {}
    assert bool(mems) == model.config.use_mems_eval
    assert "mems" in model(**given, use_mems=True) and "mems" not in model(**given, use_mems=False)


@pytest.mark.parametrize("types", [True, False])
def test_targets(types, pair):
    reference, model = pair
    if reference.config.attn_type == "uni" and reference.config.same_length:
        pytest.skip("without memory its targets see themselves alone")
    rows = 1 if reference.config.attn_type == "uni" else 2  # transformers fails for more with a mask
    given = {**tokens(rows), **permutation(rows)}
    if not types:
        del given["token_type_ids"]
    want = results(reference, given, output_hidden_states=True)
    got = model(**given, output_hidden_states=True)
    agree(got, want)
    assert got.last_hidden_state.shape == (rows, 3, 16)
    behind = {**given, "mems": [np.random.default_rng(n).normal(size=(4, rows, 16)).astype(np.float32)
                                for n in range(3)]}  # fmt: skip
    agree(model(**behind, output_hidden_states=True), results(reference, behind, output_hidden_states=True))
    del given["target_mapping"]
    switches = {"output_hidden_states": True, "output_attentions": True}
    agree(model(**given, **switches), results(reference, given, **switches))


@pytest.mark.parametrize("hidden", ["right", "left", "holes"])
@pytest.mark.parametrize("extra", [{}, {"bi_data": True}, {"clamp_len": 2}], ids=str)
def test_padding(extra, hidden, tmp_path):
    reference = save_tiny("xlnet", tmp_path, Tiny(layers=3, extra=extra))
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    given = tokens()
    mask = random_batch(61, (9, 5), hidden if hidden != "holes" else "right")[1]
    if hidden == "holes":
        mask[0, [0, 3, 4]] = 0
    given["attention_mask"] = mask
    mems = {"mems": [np.random.default_rng(n).normal(size=(4, 2, 16)).astype(np.float32) for n in range(3)]}
    targets = permutation()
    targets["perm_mask"][:, :, 8 if hidden == "left" else 1] = 0
    for more in ({}, mems, targets, {**mems, **targets}):
        want = results(reference, {**given, **more}, output_hidden_states=True, use_mems=False)
        got = model(**given, **more, output_hidden_states=True, use_mems=False)
        agree(got, want, mask.astype(bool))
    other = {**given, "input_mask": 1.0 - mask}
    del other["attention_mask"]
    assert np.array_equal(model(**other)[0], model(**given)[0])
    # what is hidden is not remembered
    mems = model(**given).mems
    remembered = np.asarray(mems[1]).swapaxes(0, 1)
    assert np.isnan(remembered[mask == 0]).all() and np.isfinite(remembered[mask == 1]).all()
    with pytest.raises(UnsupportedError, match="an earlier call's attention_mask hid"):
        model(**tokens(), mems=mems)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_any_batch(dtype, tmp_path):
    """The same bits alone and behind padding, with memory and targets, for any number of threads."""
    save_class("XLNetLMHeadModel", tmp_path, Tiny(3, 24, 2, 100))
    model = fastplm.XLNetLMHeadModel.from_pretrained(tmp_path, dtype=dtype)
    given, more = tokens(4, 40), permutation(4, 40, (39, 2, 14, 38))
    mems = [np.random.default_rng(n).normal(size=(6, 4, 72)).astype(np.float32) for n in range(2)]
    lengths, before = (40, 17, 1, 29), fastplm.num_threads()
    # the targets are the last tokens, which see the first of their own
    for row, length in enumerate(lengths):
        more["perm_mask"][row, :, 40 - length] = 0
    more["target_mapping"][:] = np.eye(40)[[39, 38, 37, 36]]
    mask = (np.arange(40) >= 40 - np.array(lengths)[:, None]).astype(np.int64)
    try:
        for extra in ({}, {"mems": mems}, more, {**more, "mems": mems}):
            fastplm.set_num_threads(1)
            whole = model(**given, attention_mask=mask, **extra).logits
            for threads in (2, 3):
                fastplm.set_num_threads(threads)
                assert np.array_equal(model(**given, attention_mask=mask, **extra).logits, whole)
            for row, length in enumerate(lengths):
                if "target_mapping" in extra and length < 4:
                    continue
                # padding stands between what is remembered and the tokens: there it counts as distance
                cut = slice(0 if "mems" in extra else 40 - length, 40)
                own = {name: value[row : row + 1, cut] for name, value in given.items()}
                own["attention_mask"] = mask[row : row + 1, cut]
                if "mems" in extra:
                    own["mems"] = [mem[:, row : row + 1] for mem in mems]
                if "perm_mask" in extra:
                    own["perm_mask"] = more["perm_mask"][row : row + 1, cut, cut]
                    own["target_mapping"] = more["target_mapping"][row : row + 1, :, cut]
                alone = model(**own).logits[0]
                assert np.array_equal(alone, whole[row][-len(alone) :]), (row, list(extra))
    finally:
        fastplm.set_num_threads(before)


def test_lengths_beyond_one_another(tmp_path):
    """Keys of distances are made as they are needed, and stay what they were."""
    reference = save_tiny("xlnet", tmp_path, Tiny(2, 8, 1))
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    short = model(**tokens(length=5)).last_hidden_state
    for length in (63, 64, 65, 130, 600):
        given = tokens(length=length)
        assert_layers([model(**given)[0]], [results(reference, given)[0]], what=f"{length} tokens")
    assert np.array_equal(model(**tokens(length=5)).last_hidden_state, short)
    with pytest.raises(ValueError, match="spans a distance of 33000 tokens; this model takes at most 32767"):
        mask = np.zeros((1, 33001), np.int64)
        mask[0, [0, -1]] = 1
        model(np.full((1, 33001), 5), mask)


def test_a_target_that_sees_nothing(tmp_path):
    """The first of an order weighs all tokens alike."""
    reference = save_tiny("xlnet", tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    given = {**tokens(), **permutation()}
    order = np.random.default_rng(3).permutation(9)
    given["perm_mask"] = np.broadcast_to(order[:, None] <= order, (2, 9, 9)).astype(np.float32)
    given["target_mapping"] = np.broadcast_to(np.eye(9, dtype=np.float32), (2, 9, 9))
    agree(model(**given), results(reference, given))
    mask = np.ones((2, 9), np.int64)
    mask[1, 0] = 0
    with pytest.raises(
        ValueError, match=r"perm_mask: target \d of row 1 sees no token, in a row with hidden"
    ):
        model(**given, attention_mask=mask)


def test_rows_that_no_head_can_gather(tmp_path):
    save_class("XLNetForSequenceClassification", tmp_path)
    engine = fastplm.XLNetForSequenceClassification.from_pretrained(tmp_path).engine
    given = {"input_ids": np.full((2, 9), 5, np.int32), "hidden_states": False, "attentions": False}
    given |= dict.fromkeys(("inputs_embeds", "attention_mask", "position_ids", "token_type_ids"))
    targets = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    for more, count in (({}, 9), ({"targets": targets}, 3)):
        for row in (-1, count, 1 << 20):
            gather = np.array([0, row], np.int32)
            with pytest.raises(ValueError, match=f"gather is {row} for row 1; expected 0 to {count - 1}"):
                engine.encode(**given, gather=gather, **more)


@pytest.mark.slow
def test_a_long_table_of_distances_is_given_back(tmp_path):
    """That of 12,000 remembered tokens takes 300 MB."""
    save_class("XLNetModel", tmp_path, Tiny(heads=4, head_dim=32, layers=24))
    model = fastplm.XLNetModel.from_pretrained(tmp_path)
    mems = [np.zeros((12000, 1, 128), np.float32)] * 24

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    model([[5, 6]], mems=mems, use_mems=False)
    assert resident() - before < 200 << 20


@pytest.mark.parametrize(
    "name", ["XLNetLMHeadModel", "XLNetForTokenClassification", "XLNetForQuestionAnsweringSimple",
             "XLNetForSequenceClassification"],
)  # fmt: skip
def test_heads_of_targets(name, tmp_path):
    reference = save_class(name, tmp_path)
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    given = {**tokens(), **permutation()}
    labels = np.array([[3, -100, 1], [0, 1, 1]])
    labels = {"labels": labels % 2 if "Classification" in name else labels}
    if name.endswith("Simple"):
        labels = {"start_positions": np.array([0, 2]), "end_positions": np.array([2, 5])}
    if "Sequence" in name:
        labels = {"labels": np.array([0, 1])}
    agree(model(**given, **labels), results(reference, {**given, **labels}))
    agree(model(**given), results(reference, given))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "extra",
    [{"summary_type": "last"}, {"summary_type": "first"}, {"summary_type": "mean"},
     {"summary_type": "cls_index"}, {"summary_activation": ""}, {"summary_activation": "relu"}], ids=str,
)  # fmt: skip
def test_summaries(extra, side, tmp_path):
    """As in transformers, of the row with its padding."""
    for name in ("XLNetForSequenceClassification", "XLNetForMultipleChoice"):
        reference = save_class(name, tmp_path, Tiny(extra=extra))
        model = getattr(fastplm, name).from_pretrained(tmp_path)
        ids, mask = random_batch(61, (9, 5, 2, 7), side)
        given = {"input_ids": ids, "attention_mask": mask}
        if name.endswith("Choice"):
            given = {key: value.reshape(2, 2, 9) for key, value in given.items()}
        want = results(reference, given, use_mems=False)
        agree(model(**given, use_mems=False), want)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"summary_type": "attn"}, "summary_type is"), ({"summary_use_proj": False}, "summary_use_proj is"),
     ({"summary_proj_to_labels": True}, "summary_proj_to_labels is")],
)  # fmt: skip
def test_summaries_that_are_refused(settings, message, tmp_path):
    save_class("XLNetForSequenceClassification", tmp_path)
    with pytest.raises(UnsupportedError, match=message):
        fastplm.XLNetForSequenceClassification.from_pretrained(tmp_path, **settings)


def test_what_is_refused(tmp_path):
    save_class("XLNetLMHeadModel", tmp_path)
    model = fastplm.XLNetLMHeadModel.from_pretrained(tmp_path)
    given, more = tokens(), permutation()
    mapping = more["target_mapping"]
    twice = mapping.copy()
    twice[1, 1] = twice[1, 0]
    mems = [np.zeros((3, 2, 16), np.float32)] * 2
    for arguments, error, message in (
        ({"target_mapping": mapping / 2}, UnsupportedError, "target 0 of row 0 is no single token"),
        ({"target_mapping": np.ones_like(mapping)}, UnsupportedError, "is no single token; expected one 1"),
        ({"target_mapping": twice}, UnsupportedError, "two targets of row 1 are one token"),
        ({"target_mapping": mapping[:, :0]}, ValueError, r"shape \[2, 0, 9\]; expected \[2, targets, 9\]"),
        ({"target_mapping": mapping[:1]}, ValueError, r"shape \[1, 3, 9\]"),
        ({"perm_mask": more["perm_mask"][:, :5]}, ValueError, r"shape \[2, 5, 9\]; expected \[2, 9, 9\]"),
        ({"perm_mask": -more["perm_mask"]}, ValueError, "holds values below 0"),
        ({"mems": mems[:1]}, ValueError, r"mems: 1 arrays, .*expected 2 \[columns, 2, 16\]"),
        ({"mems": [mem[:, :1] for mem in mems]}, ValueError, r"the first of shape \[3, 1, 16\]"),
        ({"attention_mask": given["input_ids"], "input_mask": given["input_ids"]}, ValueError, "got both"),
        ({"attention_mask": np.ones((2, 9, 9))}, UnsupportedError, "perm_mask for that"),
        ({**more, "output_attentions": True}, UnsupportedError, "output_attentions: with target_mapping"),
        ({"use_mems": 1}, TypeError, "use_mems: 1; expected True or False"),
        ({"head_mask": np.ones(2)}, UnsupportedError, "head_mask: ndarray given"),
        ({"target_mapping": mapping, "labels": np.zeros((2, 9), int)}, ValueError, r"expected \[2, 3\]"),
    ):
        with pytest.raises(error, match=message):
            model(**given, **arguments)
    assert model(**given, mems=[None, None]).logits.shape == (2, 9, 61)
    with pytest.raises(UnsupportedError, match=r"generate\(\): XLNetLMHeadModel .*expected a decoder$"):
        model.generate(given["input_ids"])
    with pytest.raises(AttributeError, match=r"XLNetForQuestionAnswering'.*beams over beginnings"):
        fastplm.XLNetForQuestionAnswering  # noqa: B018
    save_tiny("xlnet", tmp_path, Tiny(extra={"bi_data": True}))
    with pytest.raises(ValueError, match="3 rows; expected an even number: bi_data reads"):
        fastplm.AutoModel.from_pretrained(tmp_path)(**tokens(3))
    with pytest.raises(UnsupportedError, match="reads half of a batch backwards"):
        fastplm.AutoModel.from_pretrained(tmp_path).engine.forward_packed(
            np.array([5, 6], np.int32), np.array([0, 2], np.int32)
        )
    with pytest.raises(TypeError, match="unexpected keyword argument 'mems'"):
        save_tiny("bert", tmp_path)
        fastplm.AutoModel.from_pretrained(tmp_path)([[5]], mems=mems)
