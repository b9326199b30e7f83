"""Text as it comes: streamers as transformers has them, a real checkpoint's published text, Ctrl-C."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from queue import Empty
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

import fastplm
from tests.generation.models import pair, prompts


@pytest.fixture(scope="module")
def stories(data):
    """A small trained checkpoint: model, tokenizer, and the greedy ids and texts published for it."""
    folder = data / "stories260k" / "hf"
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    golden = json.loads((folder / "golden_greedy.json").read_text())
    texts = json.loads((data / "stories260k" / "golden_texts.json").read_text())
    published = next(t["text"] for t in texts if "--temperature 0" in t["args"])
    return SimpleNamespace(model=model, tokenizer=tokenizer, golden=golden, text=published, folder=folder)


def test_published_text(stories):
    ids, golden = stories.golden["prompt_ids"], stories.golden["greedy_ids"]
    got = stories.model.generate([ids], max_length=len(golden))
    assert got[0].tolist() == golden
    assert stories.tokenizer.decode(got[0], skip_special_tokens=True).startswith(stories.text)


def test_published_text_in_a_ragged_batch_and_from_a_cache(stories):
    golden = stories.golden["greedy_ids"]
    rows = [golden[:1], golden[:7], golden[:30]]
    batch = (
        stories.tokenizer.pad({"input_ids": rows}, padding_side="left")
        if stories.tokenizer.pad_token
        else None
    )
    if batch is None:
        ids = np.array([[0] * (30 - len(r)) + r for r in rows])
        batch = {
            "input_ids": ids,
            "attention_mask": (np.arange(30) >= [[30 - len(r)] for r in rows]).astype(int),
        }
    got = stories.model.generate(**batch, max_new_tokens=60)
    for row, begun in zip(got, rows, strict=True):
        assert row[30 - len(begun) :].tolist()[: len(begun) + 60] == golden[: len(begun) + 60]
    cache = stories.model([golden[:50]]).cache
    got = stories.model.generate([golden[:51]], cache=cache, max_new_tokens=40)
    assert got[0].tolist() == golden[:91]


def test_streamed_text(stories, capsys):
    ids = [stories.golden["prompt_ids"]]
    streamer = fastplm.TextStreamer(stories.tokenizer, skip_special_tokens=True)
    stories.model.generate(ids, max_length=len(stories.golden["greedy_ids"]), streamer=streamer)
    assert capsys.readouterr().out.startswith(stories.text)


@pytest.mark.parametrize("skip_prompt", [False, True])
def test_pieces_are_those_of_transformers(stories, skip_prompt):
    """Each text as it is finished, with transformers' streamer on the same tokens."""

    class Kept:
        def on_finalized_text(self, text, stream_end=False):
            self.pieces.append((text, stream_end))

    tokenizer = transformers.AutoTokenizer.from_pretrained(stories.folder)
    kinds = [type("Mine", (Kept, base), {}) for base in (transformers.TextStreamer, fastplm.TextStreamer)]
    texts = (
        'Lily said, "Hi!"\n\nShe ran.\nEnd <br> 3.5 x',
        "你好\uff0c世界。\n 日本 ok",
        "naïve café — déjà",
    )
    for text in (*texts, "\n", "a"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        pieces = []
        for kind in kinds:
            streamer = kind(tokenizer, skip_prompt=skip_prompt)
            streamer.pieces = []
            for _ in range(2):  # a streamer may be used again
                streamer.put(torch.tensor([ids[:1]]))
                for token in ids[1:]:
                    streamer.put(torch.tensor([token]))
                streamer.end()
            pieces.append(streamer.pieces)
        assert pieces[0] == pieces[1]


def test_what_a_streamer_gets():
    """The same calls from transformers and from fastplm, for streamers of either."""
    reference, ours = pair("LlamaForCausalLM")
    for given in ({}, {"do_sample": True, "top_k": 1, "num_return_sequences": 2}):
        calls = []
        for model in (reference, ours):
            got = []
            streamer = SimpleNamespace(
                put=lambda v, got=got: got.append(v.tolist()), end=lambda got=got: got.append("end")
            )
            out = model.generate(**prompts((6, 4)), max_new_tokens=6, streamer=streamer, **given)
            calls.append(got)
            assert got[0] == out[:, :6].tolist() and got[-1] == "end"
        assert calls[0] == calls[1]
    with pytest.raises(ValueError, match="2 sequences; expected one"):
        ours.generate(**prompts((6, 4)), max_new_tokens=2, streamer=fastplm.TextStreamer(None))
    for beams in ({"num_beams": 2}, {"num_beams": 2, "do_sample": True}):
        with pytest.raises(ValueError, match="streamer: beams have no text before they end"):
            ours.generate(**prompts((6,)), max_new_tokens=2, streamer=streamer, **beams)


def test_iterator(stories):
    streamer = fastplm.TextIteratorStreamer(stories.tokenizer, timeout=20, skip_special_tokens=True)
    given = {"max_length": len(stories.golden["greedy_ids"]), "streamer": streamer}
    thread = threading.Thread(
        target=stories.model.generate, args=([stories.golden["prompt_ids"]],), kwargs=given
    )
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces).startswith(stories.text) and len(pieces) > 100
    with pytest.raises(Empty):
        next(fastplm.TextIteratorStreamer(stories.tokenizer, timeout=0.01))


def test_asynchronous_iterator(stories):
    async def read():
        streamer = fastplm.AsyncTextIteratorStreamer(stories.tokenizer, timeout=20, skip_special_tokens=True)
        given = {"max_length": len(stories.golden["greedy_ids"]), "streamer": streamer}
        work = asyncio.to_thread(stories.model.generate, [stories.golden["prompt_ids"]], **given)
        task = asyncio.create_task(work)
        pieces = [piece async for piece in streamer]
        await task
        with pytest.raises(TimeoutError):
            await anext(fastplm.AsyncTextIteratorStreamer(stories.tokenizer, timeout=0.01))
        return "".join(pieces)

    assert asyncio.run(read()).startswith(stories.text)


def test_an_abandoned_stream(stories):
    """A streamer that fails ends the call; the next one is right."""

    def leave(_):
        raise BrokenPipeError("closed")

    with pytest.raises(BrokenPipeError):
        stories.model.generate(
            [[1]], max_new_tokens=50, streamer=SimpleNamespace(put=leave, end=lambda: None)
        )
    golden = stories.golden["greedy_ids"]
    assert stories.model.generate([[1]], max_length=40)[0].tolist() == golden[:40]


def test_stop_strings(stories):
    """Where transformers stops, in one token and across several, with its tokenizer and ours."""
    reference = transformers.AutoModelForCausalLM.from_pretrained(stories.folder)
    theirs = transformers.AutoTokenizer.from_pretrained(stories.folder)
    ids = torch.tensor([[1]])
    ends = set()
    for strings in (
        "Lily",
        ["play outside", "zebra"],
        ".\n",
        " a",
        "d. She loved",
        ["One day,"],
        "\n",
        "big, r",
    ):
        want = reference.generate(
            ids, max_new_tokens=80, stop_strings=strings, tokenizer=theirs, pad_token_id=0
        )
        for tokenizer in (theirs, stories.tokenizer):
            got = stories.model.generate(ids, max_new_tokens=80, stop_strings=strings, tokenizer=tokenizer)
            assert torch.equal(got, want), strings
        ends.add(want.shape[1])
    assert len(ends) > 4
    batch = {
        "input_ids": torch.tensor([[0, 0, 1], [1, 403, 407]]),
        "attention_mask": torch.tensor([[0, 0, 1], [1, 1, 1]]),
    }
    for given in ({}, {"num_beams": 2}, {"eos_token_id": None}):
        given = {"max_new_tokens": 40, "stop_strings": ["Lily", "park"], "pad_token_id": 0, **given}
        want = reference.generate(**batch, tokenizer=theirs, **given)
        assert torch.equal(stories.model.generate(**batch, tokenizer=stories.tokenizer, **given), want)
    for strings, message in (
        ("", "none of them empty"),
        ([], "none of them empty"),
        (["a", 3], "none of them empty"),
    ):
        with pytest.raises(ValueError, match=message):
            stories.model.generate(ids, stop_strings=strings, tokenizer=theirs, max_new_tokens=3)
    with pytest.raises(ValueError, match="they need the model's tokenizer"):
        stories.model.generate(ids, stop_strings="a", max_new_tokens=3)


def test_texts_of_tokens(data):
    """As transformers' own criterion reads a vocabulary: byte-level, byte fallback and neither."""
    from transformers import StopStringCriteria

    from fastplm.generation.stopping import token_texts

    for place in ("bpe_bytelevel/gpt2", "spm_bpe/mistral01", "wordpiece/bert-base-cased", "unigram/t5-small"):
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(data / "tokenizers" / place / "tokenizer.json")
        )
        mode = StopStringCriteria._get_stop_string_matching_mode(tokenizer)
        texts, numbers = StopStringCriteria.clean_tokenizer_vocab(tokenizer, stop_string_matching_mode=mode)
        want = {n: t if isinstance(t, bytes) else t.encode() for t, n in zip(texts, numbers, strict=True)}
        blob, starts = token_texts(tokenizer)
        assert {n: blob[starts[n] : starts[n + 1]] for n in want} == want
        ours = fastplm.AutoTokenizer.from_pretrained(data / "tokenizers" / place)
        assert len(token_texts(ours)[1]) >= len(starts) - 200


INTERRUPTED = """
import signal, sys, time, warnings
import fastplm
signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background have not
model = fastplm.AutoModelForCausalLM.from_pretrained(sys.argv[1])
want = model.generate([[1]], max_length=30).tolist()
given = eval(sys.argv[2])
print("ready", flush=True)
try:
    model.generate([[1] * 5] * 8, max_new_tokens=500, eos_token_id=None, **given)
except KeyboardInterrupt:
    print("stopped", time.time(), flush=True)
assert model.generate([[1]], max_length=30).tolist() == want
print("right", flush=True)
"""


@pytest.mark.alone
@pytest.mark.parametrize("given", ["{}", "{'num_beams': 4}", "{'do_sample': True, 'seed': 1}"])
def test_ctrl_c(stories, given):
    """Stops within 200 ms; the next call is right."""
    command = [sys.executable, "-c", INTERRUPTED, str(stories.folder), given]
    environment = {**os.environ, "FASTPLM_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    sent = time.time()
    process.send_signal(signal.SIGINT)
    word, when = process.stdout.readline().split()
    assert word == "stopped" and float(when) - sent < 0.2
    assert process.stdout.readline() == "right\n" and process.wait() == 0


def test_the_example(stories):
    command = [sys.executable, "examples/generate.py", str(stories.folder), "Once upon a time", "60"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("Once upon a time, there was a little girl named Lily.")


def test_warnings_are_few(stories):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stories.model.generate([[1]], max_new_tokens=3)
