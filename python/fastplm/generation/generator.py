"""Many requests at once: they join and leave between steps (continuous batching), and share a step's reading
of the weights and the keys and values of prompts that begin alike.
"""

import os
import threading
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastplm import _engine, arrays
from fastplm.errors import UnsupportedError
from fastplm.generation import given, processors, stopping
from fastplm.generation import inputs as prompts
from fastplm.generation.config import GenerationConfig
from fastplm.generation.generate import matchings, resolve, seeds, set_lengths
from fastplm.generation.request import Completion, Feed, Request
from fastplm.progress import progress

# Settings of generate() that mean something else, or nothing, for one request among others.
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "num_beams": ((None, 1), "beams run in generate()"),
    "num_return_sequences": ((None, 1), "submit the prompt several times"),
    "max_time": ((None,), "cancel() ends a request at any time"),
    "return_dict_in_generate": ((None, False), "a request gives tokens and text"),
    "prompt_lookup_num_tokens": ((None,), "drafts run in generate()"),
    "use_cache": ((None, True), "requests live in the cache"),
}


class Generator:
    """Runs generation requests in a thread of its own. What a request is given does not depend on the others.

    model: a decoder with logits, of a class ...ForCausalLM. tokenizer: for prompts of text and for results as
    text. max_requests: that run at once; others wait in order. max_tokens: of the cache, for running requests
    (each takes its prompt and max_new_tokens, in pages of 96) and for the beginnings of earlier ones, which
    are kept for new prompts that begin alike as long as there is room. prefill_chunk: tokens of prompts in
    one step; more are faster for new prompts, fewer make running requests wait less.
    share_prefixes=False keeps and shares nothing.

    Use it as a context manager, or call close().
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        max_requests: int = 32,
        max_tokens: int = 65536,
        prefill_chunk: int = 512,
        share_prefixes: bool = True,
    ) -> None:
        if not getattr(model, "can_generate", bool)() or model.stacks != "decoder":
            raise UnsupportedError(
                f"Generator: a {type(model).__name__}; expected a decoder, of AutoModelForCausalLM"
            )
        self.model, self.tokenizer = model, tokenizer
        for name, value in (
            ("max_requests", max_requests),
            ("max_tokens", max_tokens),
            ("prefill_chunk", prefill_chunk),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 40:
                raise ValueError(f"Generator: {name} is {value!r}; expected a whole number of at least 1")
        self._work = _Work(
            _engine.Requests(model.engine, max_requests, max_tokens, prefill_chunk, bool(share_prefixes))
        )

    def submit(
        self,
        prompt: Any,
        generation_config: Any = None,
        *,
        logits_processor: Any = None,
        prefix_allowed_tokens_fn: Any = None,
        constraint: Any = None,
        **settings: Any,
    ) -> Request:
        """Puts a request in line and returns at once.

        prompt: text, token ids [length] or [1, length], or the messages of a chat. The rest as in
        `generate()`: the caller's functions are called for rows of one, in the generator's thread.

        Raises ValueError for a prompt that never fits and as generate() does, UnsupportedError for what only
        generate() does (beams).
        """
        ids = self._ids_of(prompt)
        call, rest = resolve(self.model.generation_config, generation_config, settings)
        config = call.config
        GenerationConfig.refuse(config)
        for name, (allowed, reason) in _REFUSED.items():
            value = getattr(config, name)
            if not any(type(value) is type(v) and value == v for v in allowed):
                raise UnsupportedError(f"Generator: {name}={value!r}; {reason}")
        if rest:
            raise TypeError(f"Generator.submit() got unexpected arguments: {', '.join(rest)}")
        tokens = prompts.tokens_of(config)
        place = prompts.Prompt(ids, cache=_NO_TOKENS, source=ids, shown=[0])  # type: ignore[arg-type]
        set_lengths(self.model, call, place)
        as_torch = given.uses_torch()
        masks = matchings(self.model, constraint, self.tokenizer, tokens)
        order, calls = processors.merged(
            config,
            place,
            tokens,
            list(logits_processor or ()),
            given.prefix_processor(prefix_allowed_tokens_fn, 1, as_torch),
            len(masks),
        )
        engine_settings = {
            "max_new": int(config.max_length) - place.length,
            "processors": order,
            "sample": bool(config.do_sample),
            "random": seeds(config.seed, 1, bool(config.do_sample))[0],
            "eos": tokens.eos,
        }
        texts = None
        if config.stop_strings is not None:
            engine_settings["stop_strings"], texts = stopping.stop_strings(
                config.stop_strings, self.tokenizer
            )
        process = given.process(calls, masks, as_torch)
        feed = self._work.submit(engine_settings, ids[0].tolist(), texts, process)
        return Request(feed, self._work.cancel, ids[0].tolist(), self.tokenizer)

    def generate(
        self,
        prompts: Iterable[Any],
        generation_config: Any = None,
        *,
        show_progress_bar: bool | None = None,
        **settings: Any,
    ) -> list[Completion]:
        """The completions of all prompts, in their order. One that fails raises, and cancels the others."""
        requests: list[Request] = []
        completions = []
        try:
            for prompt in prompts:
                requests.append(self.submit(prompt, generation_config, **settings))
            with progress(len(requests), "prompt", show_progress_bar) as advance:
                for request in requests:
                    completions.append(request.result())
                    advance(1)
            return completions
        finally:
            for request in requests:
                request.cancel()

    def usage(self) -> dict[str, int]:
        """running, waiting: requests. reserved_tokens, remembered_tokens: of max_tokens. bytes: of keys and
        values. steps, prompt_tokens, reused_tokens (of prompts, whose keys were there), new_tokens: so far.
        """
        return self._work.engine.usage()

    def forget(self) -> None:
        """Drops what is kept of earlier requests."""
        self._work.engine.forget()

    def close(self) -> None:
        """Cancels all requests and ends the thread. May be called again."""
        self._work.close()

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        work = getattr(self, "_work", None)
        if work is not None:
            work.close(wait=False)

    def _ids_of(self, prompt: Any) -> arrays.Array:
        """int32 [1, length]."""
        if isinstance(prompt, str) or (
            isinstance(prompt, list | tuple) and prompt and isinstance(prompt[0], dict)
        ):
            if self.tokenizer is None:
                raise ValueError("Generator: a prompt of text needs the model's tokenizer; pass tokenizer=")
            if isinstance(prompt, str):
                prompt = self.tokenizer(prompt)["input_ids"]
            else:
                prompt = self.tokenizer.apply_chat_template(
                    prompt, add_generation_prompt=True, return_dict=False
                )
        ids = arrays.integers(prompt, "prompt")
        if ids.ndim == 2 and len(ids) == 1:
            ids = ids[0]
        if ids.ndim != 1 or not ids.size:
            raise ValueError(f"prompt: shape {list(ids.shape)}; expected token ids of one row, at least one")
        return np.ascontiguousarray(ids[None], np.int32)


_NO_TOKENS: tuple[int, ...] = ()  # in the cache before the prompt


class _Work:
    """The engine's batch of requests, and the thread that runs it while there are any."""

    def __init__(self, engine: _engine.Requests) -> None:
        self.engine = engine
        self._wake = threading.Condition()
        self._feeds: dict[int, Feed] = {}
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False

    def submit(self, settings: dict[str, Any], prompt: list[int], texts: Any, process: Any) -> Feed:
        with self._wake:
            if self._closed:
                raise RuntimeError("Generator: closed")
            if self._process != os.getpid():
                raise RuntimeError("Generator: made before this process was forked; make one in this process")
            number = self.engine.submit(settings, prompt, texts, process)
            feed = self._feeds[number] = Feed(number)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fastplm-generator", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        return feed

    def cancel(self, number: int) -> None:
        self.engine.cancel(number)

    def close(self, wait: bool = True) -> None:
        with self._wake:
            self._closed = True
            for number in self._feeds:
                self.engine.cancel(number)
            self._wake.notify_all()
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._feeds and not self._closed:
                    self._wake.wait()
                if not self._feeds:
                    self.engine.forget()
                    return
            try:
                made = self.engine.step()
            except BaseException as error:  # a fault of ours: nobody may wait for ever
                self._fail_all(error)
                continue
            for number, tokens, finish, reused in made:
                failed = self._error_of(number) if finish == "failed" else None
                with self._wake:
                    feed = self._feeds.get(number) if finish is None else self._feeds.pop(number, None)
                if feed is not None:
                    feed.add(tokens, finish, failed, reused)

    def _error_of(self, number: int) -> BaseException:
        try:
            self.engine.raise_error(number)
        except BaseException as error:
            return error
        raise AssertionError("unreachable")

    def _fail_all(self, error: BaseException) -> None:
        warnings.warn(f"Generator: {type(error).__name__}: {error}; all requests end", stacklevel=2)
        with self._wake:
            feeds, self._feeds = self._feeds, {}
            for number in feeds:
                self.engine.cancel(number)
        for feed in feeds.values():
            feed.add([], "failed", error, 0)
