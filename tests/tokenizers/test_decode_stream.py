"""Text from ids that come one at a time, against the reference's stream."""

import pytest

from fastplm import AutoTokenizer

tokenizers = pytest.importorskip("tokenizers")

TEXTS = [
    "The cat sat on the mat, didn't it?",
    "naïve café, 中国 日本語 にほんご 👩‍👩‍👧 \U0001f1e9\U0001f1ea",
    "  two spaces,\ttabs\n\nand lines ",
    "é" * 20,
    "",
]
MODELS = [
    "wordpiece/bert-base-uncased",
    "bpe_bytelevel/gpt2",
    "spm_bpe/mistral01",
    "unigram/t5-small",
]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("skip", [False, True])
def test_every_step_equals_the_reference(data, name, skip):
    path = data / "tokenizers" / name / "tokenizer.json"
    ours, reference = AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))
    for text in TEXTS:
        ids = reference.encode(text).ids
        stream = tokenizers.decoders.DecodeStream(skip_special_tokens=skip)
        want = [part for i in ids if (part := stream.step(reference, i)) is not None]
        got = list(ours.decode_stream(iter(ids), skip_special_tokens=skip))
        assert got == want, text
        assert all("\ufffd" not in part for part in got)


def test_a_part_comes_as_soon_as_it_is_whole(load, settings):
    ours, _ = load(settings)
    seen = []

    def ids():
        for token_id in ours("the cat sat", add_special_tokens=False)["input_ids"]:
            seen.append(token_id)
            yield token_id

    stream = ours.decode_stream(ids())
    assert next(stream) == "the" and len(seen) == 1
    assert "".join(stream) == " cat sat"


def test_ids_that_no_token_has_are_passed_over(load, settings):
    ours, _ = load(settings)
    (cat,) = ours("cat", add_special_tokens=False)["input_ids"]
    assert list(ours.decode_stream([10**6, 2**31, cat, 99_999])) == ["cat"]
