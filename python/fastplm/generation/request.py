"""One request of a Generator, as its owner sees it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple


class Completion(NamedTuple):
    """token_ids: what was generated, eos included. text: without special tokens; None without a tokenizer.
    finish_reason: "stop" (eos or a stop string), "length" or "cancelled". reused_tokens: of the prompt, whose
    keys and values an earlier request had left.
    """

    token_ids: list[int]
    text: str | None
    finish_reason: str
    prompt_tokens: int
    reused_tokens: int


class Feed:
    """The tokens of a request so far. Written by the generator's thread, read by any."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tokens: list[int] = []
        self.finish: str | None = None
        self.error: BaseException | None = None
        self.reused = 0
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    def add(self, tokens: list[int], finish: str | None, error: BaseException | None, reused: int) -> None:
        """New tokens, and how it ended if it did."""
        with self._changed:
            self.tokens += tokens
            self.error, self.finish, self.reused = error, finish, reused
            self._changed.notify_all()
            for listener in self._listeners:
                listener()

    def wait(self, count: int, timeout: float | None) -> None:
        """Until there are more than `count` tokens or it has ended. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.tokens) > count or self.finish, timeout):
                raise TimeoutError(f"request: nothing new within {timeout} seconds")

    def listen(self, listener: Callable[[], None], on: bool) -> None:
        """Calls it at every change, or does so no more."""
        with self._changed:
            (self._listeners.append if on else self._listeners.remove)(listener)


class Request:
    """Iterate over it for token ids as they come (also with `async for`), over `text()` for pieces of text,
    or ask for the `result()`. Each iteration begins at the first token. A request that nobody holds any more
    is cancelled.
    """

    def __init__(
        self, feed: Feed, cancel: Callable[[int], None], prompt_ids: list[int], tokenizer: Any
    ) -> None:
        self._feed, self._cancel = feed, cancel
        self.prompt_ids, self._tokenizer = prompt_ids, tokenizer

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._feed.finish is not None

    def cancel(self) -> None:
        """Ends it before the next step; the tokens so far stay. Does nothing if it has ended."""
        if not self.done:
            self._cancel(self._feed.number)

    def result(self, timeout: float | None = None) -> Completion:
        """Waits for the end. Raises TimeoutError, after which it goes on, and what made the request fail."""
        self._feed.wait(1 << 62, timeout)
        self._raise()
        return self._completion()

    def __iter__(self) -> Iterator[int]:
        at = 0
        while True:
            self._feed.wait(at, None)
            fresh = self._feed.tokens[at:]
            yield from fresh
            at += len(fresh)
            if self._feed.finish is not None and at == len(self._feed.tokens):
                self._raise()
                return

    def text(self, skip_special_tokens: bool = True) -> Iterator[str]:
        """Its text, in pieces that no longer change. Raises ValueError without a tokenizer."""
        pieces: Iterator[str] = self._decoder().decode_stream(iter(self), skip_special_tokens)
        return pieces

    async def stream_text(self, skip_special_tokens: bool = True) -> AsyncIterator[str]:
        """As text(), for event loops."""
        step = self._decoder().decode_steps(skip_special_tokens)
        async for token in self:
            piece = step(token)
            if piece is not None:
                yield piece

    async def __aiter__(self) -> AsyncIterator[int]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def listener() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        self._feed.listen(listener, True)
        try:
            at = 0
            while True:
                changed.clear()
                finished = self._feed.finish is not None  # asked first: then all tokens are there
                fresh = self._feed.tokens[at:]
                for token in fresh:
                    yield token
                at += len(fresh)
                if finished:
                    self._raise()
                    return
                if not fresh:
                    await changed.wait()
        finally:
            self._feed.listen(listener, False)

    async def completion(self) -> Completion:
        """As result(), for event loops."""
        async for _ in self:
            pass
        return self._completion()

    def __del__(self) -> None:
        if hasattr(self, "_cancel"):
            self.cancel()

    def _raise(self) -> None:
        if self._feed.error is not None:
            raise self._feed.error

    def _completion(self) -> Completion:
        tokens, feed = list(self._feed.tokens), self._feed
        text = None if self._tokenizer is None else self._tokenizer.decode(tokens, skip_special_tokens=True)
        return Completion(tokens, text, str(feed.finish), len(self.prompt_ids), feed.reused)

    def _decoder(self) -> Any:
        if self._tokenizer is None:
            raise ValueError("request: text needs the model's tokenizer; pass it to the Generator")
        return self._tokenizer
