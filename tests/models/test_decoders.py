"""Decoders and encoder-decoders: caches that change no bit, masks, positions, and what is refused."""

import copy
import gc
import json
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
import transformers

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.tiny import Tiny, class_of, random_batch, save_class
from tests.tolerance import assert_layers, excess

DECODERS = ("GPT2LMHeadModel", "LlamaForCausalLM", "BertLMHeadModel", "RobertaForCausalLM")
BOTH = ("T5ForConditionalGeneration", "BartForConditionalGeneration")
# Of these, caches, padding and threads are tested, and no more: the rest they share with the above.
MORE = ("MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Phi3ForCausalLM", "SmolLM3ForCausalLM",
        "Olmo2ForCausalLM", "GraniteForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM",
        "GPTNeoXForCausalLM", "GPTNeoForCausalLM", "OPTForCausalLM", "OPTForCausalLM, narrow",
        "BartForCausalLM", "MBartForCausalLM", "MarianForCausalLM", "PegasusForCausalLM")  # fmt: skip
MORE_BOTH = ("MBartForConditionalGeneration", "MarianMTModel", "M2M100ForConditionalGeneration",
             "PegasusForConditionalGeneration", "MT5ForConditionalGeneration",
             "UMT5ForConditionalGeneration")  # fmt: skip
ALL = (*DECODERS, *MORE, *BOTH, *MORE_BOTH)
PIECES = (1, 5, 90, 415, 1, 1, 63, 1, 15, 400, 64, 1)  # across 511, 512, 513, 576, 577 and 1056 tokens


@pytest.fixture(scope="module", params=[*DECODERS, *BOTH])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pair(name, tmp_path_factory):
    """The model of transformers and ours."""
    path = tmp_path_factory.mktemp(name)
    reference = save_class(name, path)
    return reference, getattr(fastplm, class_of(name)).from_pretrained(path)


def call(model, ids, mask=None, **given):
    """A call with `ids` and `mask` for the decoder; an encoder gets fixed tokens, some of them hidden."""
    rows = given.pop("rows", np.arange(len(ids)) % 2)
    if type(model).__name__ not in (*BOTH, *MORE_BOTH):
        return model(input_ids=ids, attention_mask=mask, **given)
    source, shown = random_batch(61, (12, 7), seed=5)
    source, shown = source[rows], shown[rows]
    if torch.is_tensor(ids):
        source, shown = torch.from_numpy(source), torch.from_numpy(shown)
    return model(
        input_ids=source, attention_mask=shown, decoder_input_ids=ids, decoder_attention_mask=mask, **given
    )


def pieces(model, ids, sizes, mask=None, cache=None):
    """The logits of `ids` in pieces, and the cache after them."""
    logits, at = [], 0 if cache is None else len(cache)
    start = at
    for size in sizes:
        part = ids[:, at - start : at - start + size]
        shown = None if mask is None else mask[:, : at + size]
        out = call(model, part, shown, cache=cache, use_cache=True)
        cache = out.cache
        logits.append(out.logits)
        at += size
        assert len(cache) == cache.get_seq_length() == at
    return np.concatenate(logits, 1), cache


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ALL)
def test_a_cache_changes_no_bit(name, dtype, tmp_path):
    reference = save_class(name, tmp_path)
    model = getattr(fastplm, class_of(name)).from_pretrained(tmp_path, dtype=dtype)
    sizes = PIECES if name in (*DECODERS, *BOTH) else PIECES[:9]  # up to 592 tokens
    ids, _ = random_batch(61, (sum(sizes),) * 2)
    whole = call(model, ids).logits
    assert np.array_equal(pieces(model, ids, sizes)[0], whole)
    if dtype == "float32":
        with torch.no_grad():
            want = call(reference, torch.from_numpy(ids)).logits.numpy()
            if excess(whole, want) > 1:  # so many keys: the reference's own rounding may be as large
                exact = call(copy.deepcopy(reference).double(), torch.from_numpy(ids)).logits.numpy()
                assert excess(whole, exact) <= 2 * excess(want, exact)


@pytest.mark.parametrize("name", ALL, scope="module")
def test_threads(pair):
    model = pair[1]
    ids, _ = random_batch(61, (600, 600))
    whole, before = call(model, ids).logits, fastplm.num_threads()
    try:
        for threads in (1, 2, 3):
            fastplm.set_num_threads(threads)
            assert np.array_equal(pieces(model, ids, (590, 9, 1))[0], whole)
            alone = call(model, ids[1:], rows=[1])
            assert np.array_equal(alone.logits[0], whole[1])
    finally:
        fastplm.set_num_threads(before)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", ALL, scope="module")
def test_padding(side, pair):
    """Padding in front of the first tokens, or between them and those that follow, as transformers has it."""
    reference, model = pair
    ids, mask = random_batch(61, (9, 5), side)
    more, _ = random_batch(61, (4, 4), seed=2)
    ids, mask = np.concatenate((ids, more), 1), np.concatenate((mask, np.ones_like(more)), 1)
    keep = mask.astype(bool)
    with torch.no_grad():
        first = call(reference, torch.from_numpy(ids[:, :9]), torch.from_numpy(mask[:, :9]), use_cache=True)
        then = call(
            reference, torch.from_numpy(ids[:, 9:]), torch.from_numpy(mask), cache=first.cache, use_cache=True
        )
    got, _ = pieces(model, ids, (9, 4), mask)
    assert_layers([got], [np.concatenate((first.logits, then.logits), 1)], keep)
    whole = call(model, ids, mask).logits
    assert np.array_equal(got, whole)


LONG = {"factor": 4.0, "original_max_position_embeddings": 16}
ROPES = {
    "linear": {"factor": 2.5},
    "dynamic": {"factor": 2.0},
    "yarn": {**LONG},
    "yarn-set": {**LONG, "attention_factor": 1.3, "beta_fast": 8.0, "beta_slow": 2.0, "truncate": False},
    "yarn-scaled": {**LONG, "mscale": 0.7, "mscale_all_dim": 0.4},
    "llama3": {**LONG, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    "longrope": {"short_factor": [1.0, 1.1, 1.3, 1.2], "long_factor": [1.0, 2.0, 5.0, 7.0],
                 "original_max_position_embeddings": 16},
}  # fmt: skip


@pytest.mark.parametrize("flat", [False, True], ids=["", "older"])
@pytest.mark.parametrize("kind", ROPES)
def test_ropes(kind, flat, tmp_path):
    """Within the original length and beyond it; bitwise the same in a batch."""
    rope = {"rope_type": kind.split("-")[0], "rope_theta": 500.0, **ROPES[kind]}
    length = 16 if kind == "dynamic" else 64
    reference = save_class(
        "LlamaForCausalLM", tmp_path, Tiny(extra={"rope_parameters": rope, "max_position_embeddings": length})
    )
    if flat:
        path = tmp_path / "config.json"
        values = json.loads(path.read_text())
        rope = {**values.pop("rope_parameters"), "type": rope["rope_type"]}
        values |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
        del rope["rope_type"]
        path.write_text(json.dumps(values))
    model = fastplm.LlamaForCausalLM.from_pretrained(tmp_path)
    lengths = (9, 16, 17, 40)
    ids, mask = random_batch(61, lengths)
    batch = model(ids, mask).logits
    for row, count in enumerate(lengths):
        alone = ids[row : row + 1, :count]
        with torch.no_grad():
            want = reference(torch.from_numpy(alone)).logits
        got = model(alone).logits
        assert_layers([got], [want], what=f"{count} tokens")
        assert np.array_equal(batch[row, :count], got[0])
    within = ids[:1, :16]
    assert np.array_equal(pieces(model, within, (7, 1, 8))[0], model(within).logits)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_ropes_of_generated_tokens(kind, tmp_path):
    """Past the original length with a cache, as transformers has it: keys stay as they were rotated."""
    rope = {"rope_type": kind, "rope_theta": 500.0, **ROPES[kind]}
    extra = {"rope_parameters": rope, "max_position_embeddings": 16 if kind == "dynamic" else 64}
    reference = save_class("LlamaForCausalLM", tmp_path, Tiny(extra=extra))
    model = fastplm.LlamaForCausalLM.from_pretrained(tmp_path)
    ids = torch.from_numpy(random_batch(61, (11,))[0])
    settings = dict(max_new_tokens=14, eos_token_id=None, output_logits=True, return_dict_in_generate=True)
    want, got = (m.generate(ids, **settings) for m in (reference, model))
    assert torch.equal(got.sequences, want.sequences)
    assert_layers(got.logits, want.logits)


def test_a_mask_may_hide_what_the_cache_has(pair):
    reference, model = pair
    ids, mask = random_batch(61, (9, 9))
    mask[1, 2:4] = 0
    with torch.no_grad():
        first = call(reference, torch.from_numpy(ids[:, :6]), use_cache=True)
        want = call(reference, torch.from_numpy(ids[:, 6:]), torch.from_numpy(mask), cache=first.cache)
    cache = call(model, ids[:, :6]).cache
    assert_layers([call(model, ids[:, 6:], mask, cache=cache).logits], [want.logits])


def test_crop_copy_and_reorder(pair):
    model = pair[1]
    ids, _ = random_batch(61, (40, 40))
    whole = call(model, ids).logits
    _, cache = pieces(model, ids, (30,))
    kept, deep, again = cache.copy(), copy.deepcopy(cache), copy.copy(cache)
    cache.crop(12)
    assert len(cache) == 12 and len(kept) == len(deep) == len(again) == 30
    assert np.array_equal(pieces(model, ids[:, 12:], (10, 18), cache=cache)[0], whole[:, 12:])
    for other in (kept, deep, again):
        assert np.array_equal(pieces(model, ids[:, 30:], (10,), cache=other)[0], whole[:, 30:])
    kept.crop(-10)
    assert len(kept) == 30
    kept.reorder_cache(torch.tensor([1, 0]))
    swapped = call(model, ids[::-1, 30:].copy(), cache=kept, rows=[1, 0]).logits
    assert np.array_equal(swapped, whole[::-1, 30:])
    kept.crop(30)
    kept.batch_select_indices([0])
    kept.batch_repeat_interleave(3)
    assert kept.batch_size == 3 and kept.nbytes > 0 and "3 rows, 30 tokens" in repr(kept)
    tripled = call(model, ids[[1, 1, 1], 30:], cache=kept, rows=[1, 1, 1]).logits
    assert np.array_equal(tripled, whole[[1, 1, 1], 30:])
    with pytest.raises(ValueError, match="row 3; expected 0 to 2"):
        kept.reorder_cache([3])


@pytest.mark.parametrize("hidden", [575, 576, 577, 1060])
def test_whole_blocks_of_hidden_keys(hidden, pair):
    """Attention takes keys by blocks of 576: where all of one are hidden, its numbers must not matter."""
    reference, model = pair
    ids, _ = random_batch(61, (hidden + 30, hidden + 30))
    mask = np.ones_like(ids)
    mask[1, :hidden] = 0
    cache = call(model, ids[:, :-4]).cache
    with torch.no_grad():
        first = call(reference, torch.from_numpy(ids[:, :-4]), use_cache=True)
        shown = torch.from_numpy(mask)
        want = call(reference, torch.from_numpy(ids[:, -4:]), shown, cache=first.cache)
    assert_layers([call(model, ids[:, -4:], mask, cache=cache).logits], [want.logits])


def test_documents_packed_into_one_row(tmp_path):
    """By a mask of four dimensions: the second document starts in the middle of a block."""
    reference = save_class("LlamaForCausalLM", tmp_path)
    model = fastplm.LlamaForCausalLM.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (700,))
    document = np.arange(700) >= 600
    mask = np.tril(document[:, None] == document)[None, None]
    added = torch.where(torch.from_numpy(mask), 0.0, torch.finfo(torch.float32).min)
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), attention_mask=added, output_attentions=True)
    got = model(ids, attention_mask=mask, output_attentions=True)
    assert_layers([got.logits, *got.attentions], [want.logits, *want.attentions])


def test_emptied_caches_take_other_rows(pair):
    model = pair[1]
    ids, _ = random_batch(61, (5, 5))
    whole = call(model, ids).logits
    empty = (
        lambda cache: cache.reset(),
        lambda cache: cache.crop(-99),
        lambda cache: cache.batch_select_indices(np.zeros(0, np.int64)),
    )
    for change in empty:
        cache = call(model, ids[:1, :3]).cache
        change(cache)
        assert len(cache) == cache.batch_size == 0
        assert np.array_equal(call(model, ids, cache=cache).logits, whole)
    cache = call(model, ids[:1, :0]).cache
    assert np.array_equal(call(model, ids, cache=cache).logits, whole)
    with pytest.raises(ValueError, match="repeats: 0; expected 1 or more"):
        cache.batch_repeat_interleave(0)


def test_a_cache_belongs_to_one_call_at_a_time(pair):
    """The others get an error, and the call its results."""
    model = pair[1]
    ids, _ = random_batch(61, (900, 900))
    whole, refused = call(model, ids).logits, 0
    for _ in range(4):
        cache = fastplm.Cache(model)
        results = []
        thread = threading.Thread(
            target=lambda cache=cache, results=results: results.append(call(model, ids, cache=cache))
        )
        thread.start()
        while thread.is_alive():
            for use in (cache.copy, lambda cache=cache: cache.reorder_cache([1, 0]) if len(cache) else None):
                try:
                    use()
                except ValueError as error:
                    refused += "another call uses it at the same time" in str(error)
        thread.join()
        if results:  # else the copy was being made when it began
            assert results[0].logits.shape == whole.shape and np.isfinite(results[0].logits).all()
    assert refused > 0


def test_positions_given_for_hidden_columns(tmp_path):
    """Columns that are hidden take no place in GPT-2's table of positions."""
    reference = save_class("GPT2LMHeadModel", tmp_path, Tiny(extra={"n_positions": 16}))
    model = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (20,))
    mask = (np.arange(20) >= 10)[None].astype(np.int64)
    places = np.maximum(np.arange(20) - 10, 0)[None]
    given = dict(attention_mask=torch.from_numpy(mask), position_ids=torch.from_numpy(places))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), **given).logits[:, 10:]
    cache = model(ids[:, :15], attention_mask=mask[:, :15], position_ids=places[:, :15]).cache
    got = model(ids[:, 15:], attention_mask=mask, position_ids=places[:, 15:], cache=cache).logits
    assert_layers([got], [want[:, 5:]])


def test_encoder_states_of_another_length_than_the_caches(tmp_path):
    for name in BOTH:
        save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, _ = random_batch(61, (70,))
        cache = model(ids, decoder_input_ids=ids[:, :3]).cache
        for other in (ids[:, :1], np.concatenate((ids, ids), 1)):
            with pytest.raises(ValueError, match=r"has \d+ tokens; the cache was filled from 70"):
                model(other, decoder_input_ids=ids[:, 3:4], cache=cache, output_attentions=True)
        assert len(cache) == 3


def test_another_encoder_mask_with_a_filled_cache(tmp_path):
    """Of as many ones: the cache holds the keys of those that were shown."""
    for name in BOTH:
        save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, mask = random_batch(61, (6, 4))
        cache = model(ids, mask, decoder_input_ids=ids[:, :3]).cache
        kept = cache.copy()
        for other in (mask[:, ::-1], np.roll(mask, 1, 1)):
            with pytest.raises(ValueError, match="attention_mask shows other tokens of row 1 than when"):
                model(ids, other.copy(), decoder_input_ids=ids[:, 3:4], cache=cache)
        cache.reorder_cache([1, 0])
        ids, mask = ids[::-1].copy(), mask[::-1].copy()
        swapped = model(ids, mask, decoder_input_ids=ids[:, 3:4], cache=cache)
        ids, mask = ids[::-1].copy(), mask[::-1].copy()
        same = model(ids, mask, decoder_input_ids=ids[:, 3:4], cache=kept)
        assert np.array_equal(swapped.logits[::-1], same.logits)


@pytest.mark.parametrize("name", DECODERS)
def test_labels_of_hidden_tokens_in_front(name, tmp_path):
    """transformers' ways of attention make different losses of them: refused, unless they do not count."""
    save_class(name, tmp_path)
    ids, mask = random_batch(61, (9, 5), "left")
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    losses = []
    for labels in (ids, np.where(mask, ids, -100)):
        arrays = dict(input_ids=ids, attention_mask=mask, labels=labels)
        given = {key: torch.from_numpy(value) for key, value in arrays.items()}
        for kind in ("eager", "sdpa"):
            reference = getattr(transformers, name).from_pretrained(tmp_path, attn_implementation=kind).eval()
            with torch.no_grad():
                losses.append(float(reference(**given).loss))
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    with pytest.raises(UnsupportedError, match=r"attention_mask: it hides token 0 of row 1.* the label -100"):
        model(ids, attention_mask=mask, labels=ids)
    labels[1, 4] = -100  # what the hidden token before the first would predict
    with torch.no_grad():
        want = float(reference(**{**given, "labels": torch.from_numpy(labels)}).loss)
    assert float(model(ids, attention_mask=mask, labels=labels).loss) == pytest.approx(want, rel=1e-5)


def test_a_long_rope_of_part_of_a_head(tmp_path):
    """Phi-3's, whose original length stands beside the factors."""
    rope = {"type": "longrope", "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.0, 2.0, 5.0]}
    extra = {"rope_parameters": None, "rope_scaling": rope, "partial_rotary_factor": 0.75,
             "max_position_embeddings": 64, "original_max_position_embeddings": 16}  # fmt: skip
    reference = save_class("Phi3ForCausalLM", tmp_path, Tiny(extra=extra))
    model = fastplm.Phi3ForCausalLM.from_pretrained(tmp_path)
    for length in (16, 17, 40):
        ids, _ = random_batch(61, (length,))
        with torch.no_grad():
            want = reference(torch.from_numpy(ids)).logits
        assert_layers([model(ids).logits], [want], what=f"{length} tokens")


def test_labels_of_tokens_that_a_window_hides(tmp_path):
    """As above: a hidden token that sees none within its window."""
    save_class("MistralForCausalLM", tmp_path)
    model = fastplm.MistralForCausalLM.from_pretrained(tmp_path)
    ids, mask = random_batch(61, (12, 3))
    with pytest.raises(UnsupportedError, match=r"attention_mask: it hides token 9 of row 1.* label -100"):
        model(ids, attention_mask=mask, labels=ids)


def test_an_engines_cache_outlives_its_model(tmp_path):
    """It knows the model, and no other one that takes its place in memory."""
    save_class("GPT2Model", tmp_path)
    model = fastplm.GPT2Model.from_pretrained(tmp_path)
    cache = model.engine.new_cache()
    copied, other = cache.copy(), None
    del model, cache
    for _ in range(20):
        other = fastplm.GPT2Model.from_pretrained(tmp_path).engine
        with pytest.raises(ValueError, match="made by another model"):
            other.decode(np.array([[3]]), None, None, None, None, copied, None, None, False, False)


def test_a_copy_does_not_keep_the_cache_it_is_of(tmp_path):
    save_class("GPT2Model", tmp_path)
    cache = fastplm.GPT2Model.from_pretrained(tmp_path)([[3, 4]]).cache
    first, copied = weakref.ref(cache.engine_cache), cache.copy()
    del cache
    gc.collect()
    assert first() is None and len(copied) == 2


def test_other_numbers_of_threads_meanwhile(pair):
    """Set while a call runs, they change neither it nor its results."""
    model = pair[1]
    ids, _ = random_batch(61, (700, 700))
    whole, before, stop = call(model, ids).logits, fastplm.num_threads(), threading.Event()

    def change():
        while not stop.is_set():
            for threads in (1, 7, 2, 64):
                fastplm.set_num_threads(threads)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            assert np.array_equal(call(model, ids).logits, whole)
    finally:
        stop.set()
        thread.join()
        fastplm.set_num_threads(before)


def test_all_of_the_encoders_tokens_hidden(tmp_path):
    for name in BOTH:
        save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, mask = random_batch(61, (5, 5))
        mask[1] = 0
        both = model(ids, mask, decoder_input_ids=ids[:, :3]).logits
        alone = model(ids[1:], mask[1:], decoder_input_ids=ids[1:, :3]).logits
        assert np.array_equal(alone[0], both[1]) and np.isfinite(alone).all()


@pytest.mark.parametrize(("buckets", "distance"), [(8, 4), (32, 16), (32, 2)])
def test_fewer_distances_than_buckets(buckets, distance, tmp_path):
    extra = {"relative_attention_num_buckets": buckets, "relative_attention_max_distance": distance}
    save_class("T5Model", tmp_path, Tiny(extra=extra))
    with pytest.raises(CheckpointError, match=rf"{buckets} buckets up to the distance {distance}; expected"):
        fastplm.T5Model.from_pretrained(tmp_path)


def test_arguments_of_the_engine(pair):
    engine = pair[1].engine
    with pytest.raises(TypeError, match="input_ids holds no integers"):
        engine.decode(np.zeros((1, 2), "f"), None, None, None, None, None, None, None, False, False)
    with pytest.raises(ValueError, match="6 dimensions; expected at most 5"):
        engine.embed(np.zeros((1,) * 6, np.int32), np.array([0, 1], np.int32), "mean", False)


def test_states_of_barts_decoder_by_number(tmp_path):
    reference = save_class("BartModel", tmp_path)
    model = fastplm.BartModel.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (5,))
    for numbers in ([-1], [-3], [3], [0, 2]):
        with torch.no_grad():
            want = reference(torch.from_numpy(ids), output_hidden_states=numbers).decoder_hidden_states
        got = model(ids, output_hidden_states=numbers).decoder_hidden_states
        assert [state is None for state in got] == [state is None for state in want]
        pairs = [(a, b) for a, b in zip(got, want, strict=True) if a is not None]
        assert_layers([a for a, _ in pairs], [b for _, b in pairs])


@pytest.mark.parametrize("name", ALL, scope="module")
def test_use_cache(pair):
    reference, model = pair
    ids, _ = random_batch(61, (4, 4))
    assert isinstance(call(model, ids).cache, fastplm.Cache)
    assert call(model, ids).past_key_values is not None
    assert "cache" not in call(model, ids, use_cache=False)
    mine = fastplm.Cache(model)
    assert bool(mine) and len(mine) == 0
    out = call(model, ids, past_key_values=mine, use_cache=False)
    assert len(mine) == 4
    with torch.no_grad():
        first = call(reference, torch.from_numpy(ids), use_cache=True).cache
        given = call(reference, torch.from_numpy(ids), cache=first, use_cache=False)
    assert out.get("cache") is (mine if given.get("cache") is not None else None)
    model.config.use_cache = False
    assert "cache" not in call(model, ids)
    model.config.use_cache = True


def test_positions_and_embeddings(tmp_path):
    for name in DECODERS:
        reference = save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, _ = random_batch(61, (9, 9))
        places = np.random.default_rng(0).integers(0, 40, ids.shape)
        with torch.no_grad():
            embeds = reference.get_input_embeddings()(torch.from_numpy(ids))
            want = reference(inputs_embeds=embeds, position_ids=torch.from_numpy(places)).logits
        got = model(inputs_embeds=embeds, position_ids=places)
        assert_layers([got.logits], [want])
        assert np.array_equal(model(ids, position_ids=places).logits, got.logits.numpy())
        for keep in (0, 1, 3, np.array([0, 4])):
            with torch.no_grad():
                kept = torch.from_numpy(keep) if isinstance(keep, np.ndarray) else keep
                want = reference(torch.from_numpy(ids), logits_to_keep=kept).logits
            assert_layers([model(ids, logits_to_keep=keep).logits], [want])


@pytest.mark.parametrize(
    ("name", "settings", "prefix"),
    [
        ("GraniteForCausalLM", {"embedding_multiplier": 3.0}, ""),
        ("LlamaForCausalLM", {}, ""),
        ("MarianMTModel", {"scale_embedding": True}, "decoder_"),
        ("BartForConditionalGeneration", {"scale_embedding": True}, "decoder_"),
    ],
)
def test_vectors_in_the_place_of_tokens(name, settings, prefix, tmp_path):
    """Some families scale them as they scale their tokens' rows, others take them as they are."""
    reference = save_class(name, tmp_path, Tiny(extra=settings))
    model = getattr(fastplm, name).from_pretrained(tmp_path)
    ids, _ = random_batch(61, (9, 9))
    given = {"input_ids": torch.from_numpy(ids)} if prefix else {}
    given[f"{prefix}inputs_embeds"] = torch.from_numpy(
        np.random.default_rng(0).standard_normal((2, 9, model.engine.width)).astype(np.float32)
    )
    with torch.no_grad():
        want = reference(**given).logits
    assert_layers([model(**given).logits], [want])


def test_masks_of_four_dimensions(tmp_path):
    for name in DECODERS:
        reference = save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, _ = random_batch(61, (6, 6))
        sees = np.tril(np.random.default_rng(3).random((2, 1, 6, 6)) < 0.6) | np.eye(6, dtype=bool)
        added = np.where(sees, 0, np.finfo(np.float32).min).astype(np.float32)
        with torch.no_grad():
            want = reference(torch.from_numpy(ids), attention_mask=torch.from_numpy(added)).logits
        for mask in (sees, added):
            assert_layers([model(ids, attention_mask=mask).logits], [want])
        with pytest.raises(UnsupportedError, match="tokens that come later; expected a causal mask"):
            model(ids, attention_mask=np.ones((1, 1, 6, 6), bool))


def test_masks_of_four_dimensions_and_windows(tmp_path):
    """transformers' take the place of windows: refused where the two differ."""
    reference = save_class("MistralForCausalLM", tmp_path)
    model = fastplm.MistralForCausalLM.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (12,))
    near = np.abs(np.arange(12)[:, None] - np.arange(12)) < 5
    sees = (np.tril(near) & (np.random.default_rng(3).random((12, 12)) < 0.6)) | np.eye(12, dtype=bool)
    added = torch.where(torch.from_numpy(sees[None, None]), 0.0, torch.finfo(torch.float32).min)
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), attention_mask=added).logits
    assert_layers([model(ids, attention_mask=sees[None, None]).logits], [want])
    with pytest.raises(UnsupportedError, match="attention_mask: in four dimensions it shows tokens beyond"):
        model(ids, attention_mask=np.tril(np.ones((1, 1, 12, 12), bool)))


def test_encoder_outputs(tmp_path):
    for name in BOTH:
        reference = save_class(name, tmp_path / name)
        model = getattr(fastplm, name).from_pretrained(tmp_path / name)
        ids, mask = random_batch(61, (9, 5))
        target, _ = random_batch(61, (4, 4), seed=3)
        whole = model(ids, mask, target, output_hidden_states=True)
        encoder = model.get_encoder()
        states = encoder(ids, mask, output_hidden_states=True, output_attentions=True)
        with torch.no_grad():
            want = reference.get_encoder()(torch.from_numpy(ids), torch.from_numpy(mask))[0]
        assert_layers([states.last_hidden_state], [want], mask.astype(bool))
        for outputs in (states, states.to_tuple(), (states[0],), [torch.from_numpy(states[0])]):
            got = model(attention_mask=mask, decoder_input_ids=target, encoder_outputs=outputs)
            assert np.array_equal(got.logits, whole.logits)
        assert len(whole.encoder_hidden_states) == 3 and len(whole.decoder_hidden_states) == 4
        embeds = reference.get_input_embeddings()(torch.from_numpy(target)).detach().numpy()
        with torch.no_grad():
            want = reference(torch.from_numpy(ids), decoder_inputs_embeds=torch.from_numpy(embeds)).logits
        assert_layers([model(ids, decoder_inputs_embeds=embeds).logits], [want])
        with pytest.raises(TypeError, match="encoder_outputs: a int"):
            model(decoder_input_ids=target, encoder_outputs=5)
        with pytest.raises(ValueError, match=r"attention_mask: shape \[2, 8\]"):
            model(attention_mask=mask[:, 1:], decoder_input_ids=target, encoder_outputs=states)
    with pytest.raises(ValueError, match="decoder_input_ids and decoder_inputs_embeds: got neither"):
        fastplm.T5Model.from_pretrained(tmp_path / BOTH[0])(ids)
    save_class("GPT2Model", tmp_path / "one")
    with pytest.raises(UnsupportedError, match="one stack only"):
        fastplm.GPT2Model.from_pretrained(tmp_path / "one").get_encoder()


@pytest.mark.parametrize(
    ("name", "whole"),
    [("BartForCausalLM", "BartForConditionalGeneration"), ("MBartForCausalLM", "MBartModel"),
     ("MarianForCausalLM", "MarianMTModel"), ("PegasusForCausalLM", "PegasusForConditionalGeneration")],
)  # fmt: skip
def test_the_decoder_of_an_encoder_decoder(name, whole, tmp_path):
    """Its checkpoint loads, with the table that both stacks share; what is saved is of the decoder alone."""
    tensors = save_class(whole, tmp_path, Tiny(extra={"decoder_layers": 2})).state_dict()
    reference = getattr(transformers, name).from_pretrained(tmp_path, attn_implementation="eager").eval()
    (table,) = (value for key, value in tensors.items() if key.endswith("shared.weight"))
    reference.get_input_embeddings().weight.data.copy_(table)  # transformers finds it under one name only
    model = getattr(fastplm, name).from_pretrained(tmp_path, strict=True)
    ids, mask = random_batch(61, (9, 5))
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), torch.from_numpy(mask)).logits
    assert_layers([model(ids, mask).logits], [want], mask.astype(bool))
    assert (model.config.is_decoder, model.config.is_encoder_decoder) == (True, False)
    model.save_pretrained(tmp_path / "saved")
    again = fastplm.AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert type(again) is type(model) and again.config == model.config
    assert np.array_equal(again(ids).logits, model(ids).logits)
    for given in ({"encoder_hidden_states": np.zeros((2, 3, 16))}, {"position_ids": ids}):
        for run in (model, model.generate):
            with pytest.raises(UnsupportedError, match=f"{next(iter(given))}: ndarray given; "):
                run(ids, **given)


def test_errors(pair, tmp_path):
    model = pair[1]
    ids, mask = random_batch(61, (6, 6))
    cache = call(model, ids).cache
    before = call(model, ids[:, :2], cache=cache.copy()).logits
    save_class(type(model).__name__, tmp_path)
    other = type(model).from_pretrained(tmp_path)
    for error, message, given in (
        (ValueError, "made by another model", {"cache": call(other, ids).cache}),
        (TypeError, "cache: a list; expected the cache", {"cache": [1]}),
        (TypeError, "both cache and past_key_values", {"cache": cache, "past_key_values": cache}),
        (TypeError, "use_cache: 3", {"use_cache": 3}),
    ):
        with pytest.raises(error, match=message):
            call(model, ids, **given)
    with pytest.raises(ValueError, match=r"attention_mask: shape \[2, 6\]; expected \[2, 12\]: 6 tokens"):
        call(model, ids, mask, cache=cache)
    with pytest.raises(ValueError, match=r"attention_mask: shape \[2, 5\]; expected \[2, 6\]"):
        call(model, ids, mask[:, 1:])
    with pytest.raises(ValueError, match=r"rows"):
        call(model, ids[:1], cache=cache)
    with pytest.raises(ValueError, match="input_ids"):
        call(model, ids + 61, cache=cache)
    assert len(cache) == 6, "a call that fails leaves the cache as it was"
    assert np.array_equal(call(model, ids[:, :2], cache=cache).logits, before)
    empty = fastplm.Cache(model)
    with pytest.raises(ValueError, match="input_ids"):
        call(model, ids + 61, cache=empty)
    assert len(call(model, ids[:1], cache=empty).cache) == 6


def test_positions_past_the_table(tmp_path):
    save_class("GPT2LMHeadModel", tmp_path, Tiny(extra={"n_positions": 8}))
    model = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path)
    cache = model([[3] * 8]).cache
    for given in ({"input_ids": [[3]], "cache": cache}, {"input_ids": [[3] * 9]}):
        with pytest.raises(ValueError, match=r"9 tokens; this model takes at most 8"):
            model(**given)
    with pytest.raises(ValueError, match="position_ids"):
        model([[3]], position_ids=[[8]])
    assert len(cache) == 8


def test_scale_of_t5s_outputs(tmp_path):
    """T5 1.1 has a projection of its own and scales nothing before it; saved again, it still does not."""
    reference = save_class("T5ForConditionalGeneration", tmp_path, Tiny(extra={"tie_word_embeddings": False}))
    ids, _ = random_batch(61, (5, 5))
    given = dict(input_ids=torch.from_numpy(ids), decoder_input_ids=torch.from_numpy(ids[:, :3]))
    for settings in ({}, {"tie_word_embeddings": False}):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
        reference = transformers.T5ForConditionalGeneration.from_pretrained(
            tmp_path, attn_implementation="eager"
        ).eval()
        with torch.no_grad():
            want = reference(**given).logits
        assert_layers([fastplm.T5ForConditionalGeneration.from_pretrained(tmp_path)(**given).logits], [want])


def test_stories260k(data):
    """A real model tells its published story, token by token."""
    folder = data / "stories260k" / "hf"
    golden = json.loads((folder / "golden_greedy.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    ids, cache, new = list(golden["prompt_ids"]), None, golden["prompt_ids"]
    while len(ids) < len(golden["greedy_ids"]):
        out = model([new], cache=cache)
        cache, new = out.cache, [int(out.logits[0, -1].argmax())]
        ids += new
    assert ids == golden["greedy_ids"]


# The settings of published checkpoints that others here do not have.
PUBLISHED = {
    "gpt2": {
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
        "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
        "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None,
        "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "vocab_size": 50257,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    },
    "llama": {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
        "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 32,
        "num_hidden_layers": 22, "num_key_value_heads": 4, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.35.0", "use_cache": True, "vocab_size": 32000,
    },
    "bart": {
        "activation_dropout": 0.1, "activation_function": "gelu", "add_bias_logits": False,
        "add_final_layer_norm": False, "architectures": ["BartModel"], "attention_dropout": 0.1,
        "bos_token_id": 0, "classif_dropout": 0.1, "classifier_dropout": 0.0, "d_model": 768,
        "decoder_attention_heads": 12, "decoder_ffn_dim": 3072, "decoder_layerdrop": 0.0, "decoder_layers": 6,
        "decoder_start_token_id": 2, "dropout": 0.1, "early_stopping": True, "encoder_attention_heads": 12,
        "encoder_ffn_dim": 3072, "encoder_layerdrop": 0.0, "encoder_layers": 6, "eos_token_id": 2,
        "forced_bos_token_id": 0, "forced_eos_token_id": 2, "gradient_checkpointing": False,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "init_std": 0.02,
        "is_encoder_decoder": True, "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
        "max_position_embeddings": 1024, "model_type": "bart", "no_repeat_ngram_size": 3,
        "normalize_before": False, "normalize_embedding": True, "num_beams": 4, "num_hidden_layers": 6,
        "pad_token_id": 1, "scale_embedding": False, "task_specific_params": {}, "torch_dtype": "float32",
        "transformers_version": "4.12.0.dev0", "use_cache": True, "vocab_size": 50265,
    },
    "mistral": {
        "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
        "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0, "sliding_window": None, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0", "use_cache": True,
        "vocab_size": 32768,
    },
    "qwen2": {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
        "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21,
        "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
        "use_cache": True, "use_mrope": False, "use_sliding_window": False, "vocab_size": 151936,
    },
    "qwen3": {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
        "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
        "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
        "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
        "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": True,
        "use_sliding_window": False, "vocab_size": 151936,
    },
    "phi3": {
        "architectures": ["Phi3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"}, "bos_token_id": 1, "embd_pdrop": 0.0,
        "eos_token_id": 32000, "hidden_act": "silu", "hidden_size": 3072, "initializer_range": 0.02,
        "intermediate_size": 8192, "max_position_embeddings": 131072, "model_type": "phi3",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "original_max_position_embeddings": 4096, "pad_token_id": 32000, "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 262144,
        "rope_scaling": {"long_factor": [1.5] * 48, "short_factor": [1.1] * 48, "type": "longrope"},
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": 32064,
    },
    "smollm3": {
        "architectures": ["SmolLM3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 128000, "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048,
        "initializer_range": 0.02, "intermediate_size": 11008, "layer_types": ["full_attention"] * 36,
        "max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": False,
        "model_type": "smollm3", "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0] * 9,
        "num_attention_heads": 16, "num_hidden_layers": 36, "num_key_value_heads": 4,
        "pad_token_id": 128004, "pretraining_tp": 2, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 5000000.0, "sliding_window": None, "use_cache": False, "use_sliding_window": False,
        "vocab_size": 128256,
    },
    "gemma2": {
        "architectures": ["Gemma2ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid",
        "eos_token_id": 1, "final_logit_softcapping": 30.0, "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304,
        "initializer_range": 0.02, "intermediate_size": 9216, "max_position_embeddings": 8192,
        "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26, "num_key_value_heads": 4,
        "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
        "sliding_window": 4096, "torch_dtype": "float32", "use_cache": True, "vocab_size": 256000,
    },
    "gemma3_text": {
        "_sliding_window_pattern": 6, "architectures": ["Gemma3TextModel"], "attention_bias": False,
        "attention_dropout": 0.0, "attn_logit_softcapping": None, "bos_token_id": 2, "dtype": "float32",
        "eos_token_id": 1, "final_logit_softcapping": None, "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 768, "initializer_range": 0.02,
        "intermediate_size": 1152, "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 4,
        "max_position_embeddings": 2048, "model_type": "gemma3_text", "num_attention_heads": 3,
        "num_hidden_layers": 24, "num_key_value_heads": 1, "pad_token_id": 0, "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000.0, "rope_scaling": None,
        "rope_theta": 1000000.0, "sliding_window": 512, "use_bidirectional_attention": True,
        "use_cache": True, "vocab_size": 262144,
    },
    "gpt_neox": {
        "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu",
        "hidden_size": 512, "initializer_range": 0.02, "intermediate_size": 2048, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048, "model_type": "gpt_neox", "num_attention_heads": 8,
        "num_hidden_layers": 6, "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": False,
        "torch_dtype": "float16", "use_cache": True, "use_parallel_residual": True, "vocab_size": 50304,
    },
    "gpt_neo": {
        "activation_function": "gelu_new", "architectures": ["GPTNeoForCausalLM"], "attention_dropout": 0,
        "attention_layers": ["global", "local"] * 6, "attention_types": [[["global", "local"], 6]],
        "bos_token_id": 50256, "embed_dropout": 0, "eos_token_id": 50256, "gradient_checkpointing": False,
        "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": None,
        "layer_norm_epsilon": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neo",
        "num_heads": 12, "num_layers": 12, "resid_dropout": 0, "summary_activation": None,
        "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "use_cache": True, "vocab_size": 50257, "window_size": 256,
    },
    "opt": {
        "_remove_final_layer_norm": False, "activation_dropout": 0.0, "activation_function": "relu",
        "architectures": ["OPTForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 2,
        "do_layer_norm_before": True, "dropout": 0.1, "eos_token_id": 2, "ffn_dim": 3072,
        "hidden_size": 768, "init_std": 0.02, "layerdrop": 0.0, "max_position_embeddings": 2048,
        "model_type": "opt", "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1,
        "prefix": "</s>", "torch_dtype": "float16", "use_cache": True, "vocab_size": 50272,
        "word_embed_proj_dim": 768,
    },
    "marian": {
        "_num_labels": 3, "activation_dropout": 0.0, "activation_function": "swish",
        "add_bias_logits": False, "add_final_layer_norm": False, "architectures": ["MarianMTModel"],
        "attention_dropout": 0.0, "bad_words_ids": [[58100]], "bos_token_id": 0, "classif_dropout": 0.0,
        "d_model": 512, "decoder_attention_heads": 8, "decoder_ffn_dim": 2048, "decoder_layerdrop": 0.0,
        "decoder_layers": 6, "decoder_start_token_id": 58100, "dropout": 0.1, "encoder_attention_heads": 8,
        "encoder_ffn_dim": 2048, "encoder_layerdrop": 0.0, "encoder_layers": 6, "eos_token_id": 0,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "init_std": 0.02,
        "is_encoder_decoder": True, "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
        "max_length": 512, "max_position_embeddings": 512, "model_type": "marian",
        "normalize_before": False, "normalize_embedding": False, "num_beams": 4, "num_hidden_layers": 6,
        "pad_token_id": 58100, "scale_embedding": True, "static_position_embeddings": True,
        "vocab_size": 58101,
    },
    "m2m_100": {
        "activation_dropout": 0.0, "activation_function": "relu", "architectures":
        ["M2M100ForConditionalGeneration"], "attention_dropout": 0.1, "bos_token_id": 0, "d_model": 1024,
        "decoder_attention_heads": 16, "decoder_ffn_dim": 4096, "decoder_layerdrop": 0,
        "decoder_layers": 12, "decoder_start_token_id": 2, "dropout": 0.1, "encoder_attention_heads": 16,
        "encoder_ffn_dim": 4096, "encoder_layerdrop": 0, "encoder_layers": 12, "eos_token_id": 2,
        "init_std": 0.02, "is_encoder_decoder": True, "max_length": 200, "max_position_embeddings": 1024,
        "model_type": "m2m_100", "num_hidden_layers": 12, "pad_token_id": 1, "scale_embedding": True,
        "tokenizer_class": "NllbTokenizer", "use_cache": True, "vocab_size": 256206,
    },
    "umt5": {
        "architectures": ["UMT5ForConditionalGeneration"], "classifier_dropout": 0.0, "d_ff": 1024,
        "d_kv": 64, "d_model": 512, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu",
        "initializer_factor": 1.0, "is_encoder_decoder": True, "is_gated_act": True,
        "layer_norm_epsilon": 1e-06, "model_type": "umt5", "num_decoder_layers": 8, "num_heads": 6,
        "num_layers": 8, "output_past": True, "pad_token_id": 0, "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32, "scalable_attention": True, "tie_word_embeddings": False,
        "tokenizer_class": "T5Tokenizer", "use_cache": True, "vocab_size": 256384,
    },
    "t5": {
        "architectures": ["T5ForConditionalGeneration"], "d_ff": 2048, "d_kv": 64, "d_model": 512,
        "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1, "initializer_factor": 1.0,
        "is_encoder_decoder": True, "layer_norm_epsilon": 1e-06, "model_type": "t5", "n_positions": 512,
        "num_heads": 8, "num_layers": 6, "output_past": True, "pad_token_id": 0,
        "relative_attention_num_buckets": 32, "task_specific_params": {}, "vocab_size": 32128,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", PUBLISHED)
def test_published_settings(family):
    """All are known."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        config = fastplm.PretrainedConfig.of(PUBLISHED[family], f"{family}.json")
    reference = transformers.AutoConfig.for_model(**PUBLISHED[family])
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_labels"):
        assert getattr(config, name) == getattr(reference, name), name
