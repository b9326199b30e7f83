"""Many requests at once: each is given what it is given alone."""

import asyncio
import gc
import random
import threading

import numpy as np
import pytest
import torch

import fastplm
from tests.generation.models import NATIVE, ORIGINAL, ROPES, pair, roped

PAGE = 96  # tokens of a page of the cache


@pytest.fixture(scope="module")
def ours():
    return pair("LlamaForCausalLM")[1]


def prompt_of(length: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).integers(8, 61, length).tolist()


def alone(model, prompt, **settings):
    return model.generate([prompt], pad_token_id=0, **settings)[0].tolist()[len(prompt) :]


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("sample", [False, True])
def test_each_as_alone(name, sample):
    model = pair(name)[1]
    cases = []
    for i, length in enumerate((1, 40, 7, 100, 96, 3, 25)):
        settings = {"max_new_tokens": 4 + 3 * i, "do_sample": sample, "seed": i, "repetition_penalty": 1.3}
        cases.append((prompt_of(length, i), settings | ({"top_k": 5} if i % 2 else {"temperature": 0.7})
                      if sample else settings))  # fmt: skip
    want = [alone(model, prompt, **settings) for prompt, settings in cases]
    for chunk, requests in ((512, 32), (5, 3), (1, 2)):
        with fastplm.Generator(model, prefill_chunk=chunk, max_requests=requests) as generator:
            running = [generator.submit(prompt, **settings) for prompt, settings in cases]
            assert [list(r) for r in running] == want
            assert all(r.done for r in running)
            for request, (prompt, settings), tokens in zip(running, cases, want, strict=True):
                done = request.result()
                ended = tokens[-1] in (2, 7)
                assert done.token_ids == tokens and done.prompt_tokens == len(prompt) and done.text is None
                assert done.finish_reason == ("stop" if ended else "length")
                assert ended or len(tokens) == settings["max_new_tokens"]


def test_threads_make_no_difference(ours):
    before, got = fastplm.num_threads(), []
    try:
        for threads in (1, 2, 3):
            fastplm.set_num_threads(threads)
            with fastplm.Generator(ours) as generator:
                done = generator.generate([prompt_of(n, n) for n in (50, 3, 9)], max_new_tokens=20)
                got.append([c.token_ids for c in done])
    finally:
        fastplm.set_num_threads(before)
    assert got[0] == got[1] == got[2]


def test_beginnings_are_shared(ours):
    prompt = prompt_of(250, 1)
    others = [prompt[:200] + prompt_of(20, 2), prompt[:100], [*prompt, 9, 9], prompt]
    want = [alone(ours, p, max_new_tokens=6) for p in others]
    with fastplm.Generator(ours) as generator:
        first = generator.submit(prompt, max_new_tokens=6).result()
        assert first.reused_tokens == 0
        got = [generator.submit(p, max_new_tokens=6).result() for p in others]
        assert [c.token_ids for c in got] == want
        assert [c.reused_tokens for c in got] == [200, 99, 250, 249]
        used = generator.usage()
        assert used["reused_tokens"] == 200 + 99 + 250 + 249
        assert used["running"] == used["waiting"] == used["reserved_tokens"] == 0
        assert used["remembered_tokens"] > 0 and used["bytes"] > 0
        generator.forget()
        used = generator.usage()
        assert used["remembered_tokens"] == used["bytes"] == 0
        assert generator.submit(prompt, max_new_tokens=6).result().token_ids == first.token_ids
    with fastplm.Generator(ours, share_prefixes=False) as generator:
        for _ in range(2):
            assert generator.submit(prompt, max_new_tokens=6).result() == first
        assert generator.usage()["bytes"] == 0


@pytest.mark.parametrize("chunk", [5, 512])
@pytest.mark.parametrize("kind", ROPES)
def test_prompts_longer_than_the_original_length(kind, chunk):
    """Neither chunks nor keys of prompts that are rotated otherwise change what a request is given."""
    reference, model = roped(kind)
    long = prompt_of(40, 1)
    cases = [long, long[:12], [*long[:30], *prompt_of(7, 2)], long[:ORIGINAL], long[: ORIGINAL + 1], long]
    settings = {"max_new_tokens": 12, "eos_token_id": -1}
    want = [alone(model, prompt, **settings) for prompt in cases]
    if kind == "longrope":  # transformers' "dynamic" depends on the calls before
        theirs = reference.generate(torch.tensor([long]), max_new_tokens=12, eos_token_id=None)
        assert theirs[0, len(long) :].tolist() == want[0]
    with fastplm.Generator(model, prefill_chunk=chunk) as generator:
        got = [generator.submit(prompt, **settings).result() for prompt in cases]
        assert [c.token_ids for c in got] == want
        # Frequencies of "dynamic" are those of one length alone.
        reused = [0, 0, 30, 12, 16, 39] if kind == "longrope" else [0, 0, 0, 12, 0, 39]
        assert [c.reused_tokens for c in got] == reused
        together = [generator.submit(prompt, **settings) for prompt in cases]
        assert [list(r) for r in together] == want


def test_a_budget_makes_requests_wait(ours):
    prompts = [prompt_of(60, i) for i in range(6)]
    want = [alone(ours, p, max_new_tokens=20, eos_token_id=None) for p in prompts]
    with fastplm.Generator(ours, max_tokens=2 * PAGE) as generator:
        running = [generator.submit(p, max_new_tokens=20, eos_token_id=-1) for p in prompts]
        for request in running:
            for _ in request:
                used = generator.usage()
                assert used["reserved_tokens"] + used["remembered_tokens"] <= 2 * PAGE
        assert [r.result().token_ids for r in running] == want
        assert generator.usage()["steps"] >= 60  # three times two requests, of 20 tokens each
        with pytest.raises(ValueError, match="max_tokens is 192"):
            generator.submit(prompt_of(150, 0), max_new_tokens=100)
        assert generator.submit(prompts[0], max_new_tokens=20, eos_token_id=-1).result().token_ids == want[0]


def test_cancelled_and_abandoned(ours):
    prompt = prompt_of(20, 3)
    settings = {"max_new_tokens": 4000, "eos_token_id": -1}
    with fastplm.Generator(ours, max_requests=2) as generator:
        stopped, dropped, waiting = (generator.submit(prompt, **settings) for _ in range(3))
        tokens = iter(stopped)
        begun = [next(tokens) for _ in range(5)]
        with pytest.raises(TimeoutError):
            stopped.result(timeout=0.01)
        waiting.cancel()
        assert waiting.result() == ([], None, "cancelled", 20, 0)
        stopped.cancel()
        result = stopped.result()
        assert result.finish_reason == "cancelled" and result.token_ids[:5] == begun
        stopped.cancel()
        del dropped
        gc.collect()
        short = generator.submit(prompt, max_new_tokens=5, eos_token_id=-1)
        assert short.result().token_ids == begun
        assert generator.usage()["running"] == 0
        last = generator.submit(prompt, **settings)
    assert last.result().finish_reason == "cancelled"
    with pytest.raises(RuntimeError, match="closed"):
        generator.submit(prompt)
    generator.close()


def test_random_requests_leave_nothing_behind(ours):
    rng, before = random.Random(5), threading.active_count()
    prompts = [prompt_of(rng.randrange(1, 120), i) for i in range(12)]
    want = [alone(ours, p, max_new_tokens=8) for p in prompts]
    with fastplm.Generator(ours, max_tokens=10 * PAGE, max_requests=5, prefill_chunk=17) as generator:
        live = []
        for _ in range(1000):
            kind = rng.random()
            if kind < 0.5 or not live:
                which = rng.randrange(len(prompts))
                live.append((which, generator.submit(prompts[which], max_new_tokens=8)))
            elif kind < 0.7:
                live.pop(rng.randrange(len(live)))[1].cancel()
            elif kind < 0.8:
                live.pop(rng.randrange(len(live)))  # abandoned
            else:
                which, request = live.pop(rng.randrange(len(live)))
                assert request.result().token_ids == want[which]
        for which, request in live:
            assert list(request) == want[which]
        generator.submit(prompts[0], max_new_tokens=1).result()
        used = generator.usage()
        assert used["running"] == used["waiting"] == used["reserved_tokens"] == 0
        assert used["remembered_tokens"] <= 10 * PAGE
        generator.forget()
        assert generator.usage()["bytes"] == 0
    assert threading.active_count() == before


def test_one_that_fails_fails_alone(ours):
    def broken(ids, scores):
        if ids.shape[1] > 12:
            raise KeyError("mine")
        return scores

    prompt = prompt_of(10, 4)
    with fastplm.Generator(ours) as generator:
        good = generator.submit(prompt, max_new_tokens=9)
        bad = generator.submit(prompt, max_new_tokens=9, eos_token_id=-1, logits_processor=[broken])
        with pytest.raises(KeyError, match="mine"):
            bad.result()
        with pytest.raises(KeyError, match="mine"):
            list(bad)
        assert good.result().token_ids == alone(ours, prompt, max_new_tokens=9)
        assert generator.usage()["running"] == 0


def test_waiting_requests_with_functions_may_be_cancelled_at_any_time(ours):
    """Their functions end in the generator's thread, while others ask for its state."""
    prompt, settings = prompt_of(10, 4), {"max_new_tokens": 30, "eos_token_id": -1}
    with fastplm.Generator(ours, max_requests=1) as generator:
        first = generator.submit(prompt, **settings)
        for _ in range(200):
            generator.submit(prompt, logits_processor=[lambda ids, scores: scores], **settings).cancel()
            generator.usage()
        assert len(first.result().token_ids) == 30


def test_the_callers_functions(ours):
    prompt = prompt_of(10, 4)

    def twenty(ids, scores):
        scores[:] = float("-inf")
        scores[:, 20 + ids.shape[1] % 3] = 0
        return scores

    with fastplm.Generator(ours) as generator:
        got = generator.submit(prompt, max_new_tokens=4, logits_processor=[twenty]).result().token_ids
        assert got == [21, 22, 20, 21]
        allowed = generator.submit(prompt, max_new_tokens=3, prefix_allowed_tokens_fn=lambda b, ids: [33])
        assert allowed.result().token_ids == [33, 33, 33]


def test_asynchronous(ours):
    prompt = prompt_of(10, 4)
    want = alone(ours, prompt, max_new_tokens=9)

    async def run() -> None:
        with fastplm.Generator(ours) as generator:
            requests = [generator.submit(prompt, max_new_tokens=9) for _ in range(3)]

            async def read(request):
                return [token async for token in request]

            assert await asyncio.gather(*map(read, requests)) == [want] * 3
            assert (await requests[0].completion()).token_ids == want

    asyncio.run(run())


REFUSED = [
    ({"num_beams": 2}, fastplm.UnsupportedError, "num_beams=2"),
    ({"num_return_sequences": 2, "do_sample": True}, fastplm.UnsupportedError, "several times"),
    ({"return_dict_in_generate": True}, fastplm.UnsupportedError, "tokens and text"),
    ({"max_time": 1.0}, fastplm.UnsupportedError, "cancel"),
    ({"prompt_lookup_num_tokens": 3}, fastplm.UnsupportedError, "drafts run in generate"),
    ({"streamer": object()}, TypeError, "streamer"),
    ({"max_new_tokens": 0}, ValueError, "max_new_tokens"),
    ({"stop_strings": "a"}, ValueError, "tokenizer"),
    ({"max_new_tokens": 1 << 30}, ValueError, "new ones"),
]


@pytest.mark.parametrize(("settings", "error", "match"), REFUSED)
def test_settings_that_a_request_has_not(ours, settings, error, match):
    with fastplm.Generator(ours) as generator, pytest.raises(error, match=match):
        generator.submit([9, 9], **{"max_new_tokens": 2, **settings})


@pytest.mark.parametrize("prompt", [[], [[1, 2], [3, 4]], [61], [-1], "text", [{"role": "user"}], [1.5]])
def test_prompts_that_are_none(ours, prompt):
    with fastplm.Generator(ours) as generator, pytest.raises((ValueError, TypeError)):
        generator.submit(prompt, max_new_tokens=2)


def test_limits_and_models(ours):
    for limits in ({"max_requests": 0}, {"max_tokens": 5}, {"prefill_chunk": 0}, {"max_tokens": 1.5}):
        with pytest.raises(ValueError, match=r"expected|limits"):
            fastplm.Generator(ours, **limits)
    with pytest.raises(fastplm.UnsupportedError, match="expected a decoder"):
        fastplm.Generator(pair("T5ForConditionalGeneration")[1])


def test_a_real_checkpoint(data):
    folder = data / "stories260k" / "hf"
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    with fastplm.Generator(model, tokenizer) as generator:
        for prompt in ("Once upon a time, there was", "Lily and Tom"):
            ids = tokenizer(prompt)["input_ids"]
            want = model.generate([ids], max_new_tokens=60)[0].tolist()[len(ids) :]
            request = generator.submit(prompt, max_new_tokens=60)
            pieces = list(request.text())
            assert len(pieces) > 10
            done = request.result()
            assert done.token_ids == want
            assert "".join(pieces).strip() == done.text.strip()
        stopped = generator.submit(
            "Once upon a time", max_new_tokens=60, stop_strings=["little girl"]
        ).result()
        assert stopped.finish_reason == "stop" and stopped.text.endswith("little girl")
