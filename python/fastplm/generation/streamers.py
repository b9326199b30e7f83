"""Text as it is generated: to the screen, to an iterator, to an asynchronous iterator.

generate(streamer=...) calls put() with the prompt and then with each token, and end() at last. Text is held
back only where it may still change, by the rules of transformers' streamers.
"""

import asyncio
import unicodedata
from queue import Queue
from typing import Any

# CJK ideographs, which are words by themselves.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class BaseStreamer:
    """What generate() calls."""

    def put(self, value: Any) -> None:
        """New tokens: the prompts [B, L] first, then one of each row [B]."""
        raise NotImplementedError

    def end(self) -> None:
        """There are no more tokens."""
        raise NotImplementedError


class TextStreamer(BaseStreamer):
    """Prints the text of one sequence as soon as it forms whole words.

    skip_prompt: the prompt is not printed. decode_kwargs: of tokenizer.decode.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any) -> None:
        self.tokenizer, self.skip_prompt, self.decode_kwargs = tokenizer, skip_prompt, decode_kwargs
        self.token_cache: list[int] = []
        self.print_len = 0
        self.next_tokens_are_prompt = True

    def put(self, value: Any) -> None:
        """Takes new tokens, and prints what is whole."""
        if len(value.shape) > 1:
            if value.shape[0] > 1:
                raise ValueError(f"TextStreamer: {value.shape[0]} sequences; expected one")
            value = value[0]
        prompt, self.next_tokens_are_prompt = self.next_tokens_are_prompt, False
        if self.skip_prompt and prompt:
            return
        self.token_cache.extend(value.tolist())
        text = self._decode(self.token_cache)
        fresh = text[self.print_len :]
        if text.endswith("\n"):  # begins anew behind the last token, which says whether a space follows
            self.token_cache = self.token_cache[-1:]
            self.print_len = len(self._decode(self.token_cache))
        else:
            if not (text and _is_ideograph(text[-1])) and not all(map(_is_plain, fresh)):
                fresh = text[self.print_len : text.rfind(" ") + 1]
            self.print_len += len(fresh)
        self.on_finalized_text(fresh)

    def end(self) -> None:
        """Prints the rest."""
        rest = self._decode(self.token_cache)[self.print_len :] if self.token_cache else ""
        self.token_cache, self.print_len = [], 0
        self.next_tokens_are_prompt = True
        self.on_finalized_text(rest, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Prints text that no longer changes; to be overridden."""
        print(text, flush=True, end=None if stream_end else "")

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, **self.decode_kwargs)
        return text


class TextIteratorStreamer(TextStreamer):
    """An iterator over the text, for a program that calls generate() in another thread.

    timeout: seconds to wait for new text; queue.Empty is raised behind them.
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: Queue[str | None] = Queue()
        self.stop_signal = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Queues the text."""
        self.text_queue.put(text, timeout=self.timeout)
        if stream_end:
            self.text_queue.put(self.stop_signal, timeout=self.timeout)

    def __iter__(self) -> "TextIteratorStreamer":
        return self

    def __next__(self) -> str:
        value = self.text_queue.get(timeout=self.timeout)
        if value == self.stop_signal:
            raise StopIteration
        return value


class AsyncTextIteratorStreamer(TextStreamer):
    """An asynchronous iterator over the text. Made in the event loop that reads it; generate() runs in
    another thread.

    timeout: seconds to wait for new text; TimeoutError is raised behind them.
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.stop_signal = None
        self.timeout = timeout
        self.loop = asyncio.get_running_loop()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Queues the text."""
        self.loop.call_soon_threadsafe(self.text_queue.put_nowait, text)
        if stream_end:
            self.loop.call_soon_threadsafe(self.text_queue.put_nowait, self.stop_signal)

    def __aiter__(self) -> "AsyncTextIteratorStreamer":
        return self

    async def __anext__(self) -> str:
        async with asyncio.timeout(self.timeout):
            value = await self.text_queue.get()
        if value == self.stop_signal:
            raise StopAsyncIteration
        return value


def _is_ideograph(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)


def _is_plain(character: str) -> bool:
    """Letters with their marks, digits and spaces. Signs wait: they may be part of something longer."""
    return character.isspace() or unicodedata.category(character)[0] in "LMN"
