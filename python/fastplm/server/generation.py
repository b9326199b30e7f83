"""/v1/completions and /v1/chat/completions."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from fastplm.errors import UnsupportedError
from fastplm.generation.generator import Generator
from fastplm.server.body import Fields, wrong
from fastplm.server.errors import ApiError
from fastplm.server.sampling import Wanted, wanted
from fastplm.server.text import Text

_COMPLETION_TOKENS = 16  # where max_tokens is not given, as in OpenAI's interface


class Shape(NamedTuple):
    """How an answer is written. whole, piece: of a choice's text."""

    prefix: str
    whole_object: str
    piece_object: str
    whole: Callable[[str], dict[str, Any]]
    piece: Callable[[str], dict[str, Any]]
    first: dict[str, Any] | None  # what a stream of a choice begins with
    last: dict[str, Any]  # and ends with


COMPLETION = Shape(
    "cmpl-", "text_completion", "text_completion",
    lambda text: {"text": text}, lambda text: {"text": text}, None, {"text": ""},
)  # fmt: skip
CHAT = Shape(
    "chatcmpl-", "chat.completion", "chat.completion.chunk",
    lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
    lambda text: {"delta": {"content": text}},
    {"delta": {"role": "assistant", "content": ""}}, {"delta": {}},
)  # fmt: skip


class Answer:
    """One request to the server: its requests to the generator, and what is sent back."""

    def __init__(
        self, shape: Shape, model: str, requests: list[Any], echoes: list[str], wants: Wanted
    ) -> None:
        self._shape, self._requests, self.wants = shape, requests, wants
        self._echoes = echoes  # what each choice's text begins with
        self._texts = [Text(request, wants.stop) for request in requests]
        self._head = {
            "id": shape.prefix + secrets.token_hex(12),
            "created": int(time.time()),
            "model": model,
        }

    def cancel(self) -> None:
        """Ends what still runs."""
        for request in self._requests:
            request.cancel()

    async def whole(self) -> dict[str, Any]:
        """As one object."""

        async def read(text: Text) -> str:
            return "".join([piece async for piece in text])

        texts = await asyncio.gather(*map(read, self._texts))
        choices = [
            self._choice(i, self._shape.whole(self._echoes[i] + text), self._texts[i].finish_reason)
            for i, text in enumerate(texts)
        ]
        return {
            **self._head,
            "object": self._shape.whole_object,
            "choices": choices,
            "usage": await self._usage(),
        }

    async def stream(self) -> AsyncIterator[str]:
        """As server-sent events. What goes wrong on the way is the last event."""
        pieces: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue(maxsize=64)

        async def read(index: int) -> None:
            text = self._texts[index]
            try:
                if self._shape.first is not None:
                    await pieces.put(self._choice(index, self._shape.first, None))
                if self._echoes[index]:
                    await pieces.put(self._choice(index, self._shape.piece(self._echoes[index]), None))
                async for piece in text:
                    await pieces.put(self._choice(index, self._shape.piece(piece), None))
                await pieces.put(self._choice(index, self._shape.last, text.finish_reason))
                await pieces.put(None)
            except Exception as error:
                await pieces.put(error)

        tasks = [asyncio.create_task(read(index)) for index in range(len(self._texts))]
        try:
            left = len(tasks)
            while left:
                piece = await pieces.get()
                if isinstance(piece, BaseException):
                    yield _event(as_api_error(piece).body())
                    return
                if piece is None:
                    left -= 1
                else:
                    yield self._chunk([piece])
            if self.wants.usage:
                yield self._chunk([], await self._usage())
            yield "data: [DONE]\n\n"
        finally:
            self.cancel()
            for task in tasks:
                task.cancel()

    def _chunk(self, choices: list[Any], usage: Any = None) -> str:
        chunk = {**self._head, "object": self._shape.piece_object, "choices": choices}
        if self.wants.usage:
            chunk["usage"] = usage
        return _event(chunk)

    def _choice(self, index: int, text: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": index, **text, "logprobs": None, "finish_reason": reason}

    async def _usage(self) -> dict[str, Any]:
        done = [await request.completion() for request in self._requests]
        prompts = sum(d.prompt_tokens for d in done[:: self.wants.choices])  # choices share a prompt
        made = sum(len(d.token_ids) for d in done)
        return {
            "prompt_tokens": prompts,
            "completion_tokens": made,
            "total_tokens": prompts + made,
            "prompt_tokens_details": {
                "cached_tokens": sum(d.reused_tokens for d in done[:: self.wants.choices])
            },
        }


def completion(model: str, generator: Generator, fields: Fields, most_tokens: int) -> Answer:
    """The answer to /v1/completions. Raises ApiError."""
    prompts = _prompts(fields.take("prompt"))
    wants = wanted(fields, most_tokens)
    echo = fields.flag("echo")
    fields.refuse("logprobs", 0)
    fields.refuse("best_of", wants.choices)
    fields.refuse("suffix", "")
    fields.finish()
    ids = [_tokens(generator, prompt) for prompt in prompts]
    count = _COMPLETION_TOKENS if wants.max_tokens is None else wants.max_tokens
    echoes = [
        generator.tokenizer.decode(row, skip_special_tokens=True) if echo else ""
        for row in ids
        for _ in range(wants.choices)
    ]
    return Answer(COMPLETION, model, _submit(generator, ids, wants, [count] * len(ids)), echoes, wants)


def chat(model: str, generator: Generator, fields: Fields, most_tokens: int) -> Answer:
    """The answer to /v1/chat/completions. Raises ApiError."""
    messages = _messages(fields.take("messages"))
    wants = wanted(fields, most_tokens)
    fields.refuse("logprobs", False)
    for name in ("tools", "functions"):
        fields.refuse(name, [])
    for name, neutral in (("tool_choice", "none"), ("function_call", "none"), ("top_logprobs", 0)):
        fields.refuse(name, neutral)
    for name in ("audio", "modalities", "prediction", "reasoning_effort", "verbosity", "web_search_options"):
        fields.refuse(name, ["text"] if name == "modalities" else None)
    fields.finish()
    try:
        ids = generator.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    except Exception as error:  # the template's own, too
        raise ApiError(400, f"messages: {error}", "messages") from None
    if not ids:
        raise ApiError(400, "messages: the chat template makes no tokens of them", "messages")
    room = most_tokens
    limit = generator.model.config.get("max_position_embeddings")
    if limit is not None:
        room = max(1, min(room, int(limit) - len(ids)))
    count = room if wants.max_tokens is None else wants.max_tokens
    requests = _submit(generator, [ids], wants, [count])
    return Answer(CHAT, model, requests, [""] * len(requests), wants)


def as_api_error(error: BaseException) -> ApiError:
    """What went wrong on the way, as clients are told."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValueError | TypeError | UnsupportedError):
        return ApiError(400, str(error))
    if isinstance(error, MemoryError):
        return ApiError(503, "out of memory")
    return ApiError(500, f"{type(error).__name__}: {error}")


def _submit(generator: Generator, prompts: list[Any], wants: Wanted, counts: list[int]) -> list[Any]:
    requests: list[Any] = []
    limit = generator.model.config.get("max_position_embeddings")
    try:
        for ids, count in zip(prompts, counts, strict=True):
            if limit is not None and len(ids) + count > limit:
                raise ApiError(
                    400,
                    f"the prompt has {len(ids)} tokens and may get {count} new ones; the model takes {limit}",
                    code="context_length_exceeded",
                )
            for choice in range(wants.choices):
                seed = None if wants.seed is None else (wants.seed + choice) % (1 << 63)
                requests.append(generator.submit(ids, max_new_tokens=count, seed=seed, **wants.settings))
    except Exception as error:
        for request in requests:
            request.cancel()
        raise as_api_error(error) from None
    return requests


def _tokens(generator: Generator, prompt: Any) -> list[int]:
    ids: list[int] = generator.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
    if not ids:
        raise ApiError(400, "prompt: has no tokens; expected at least one", "prompt")
    return ids


def _prompts(value: Any) -> list[Any]:
    """Each a text or token ids."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and 0 < len(value) <= 2048:
        if all(isinstance(item, str) for item in value):
            return value
        if all(type(item) is int for item in value):
            return [value]
        if all(isinstance(item, list) and all(type(i) is int for i in item) for item in value):
            return value
    raise wrong("prompt", value, "a string, token ids, or a list of either")


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise wrong("messages", value, "a list of messages, at least one")
    messages = []
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong("messages", message, '{"role": ..., "content": ...}')
        content = message.get("content")
        if isinstance(content, list):  # parts
            if not all(
                isinstance(p, dict) and p.get("type") == "text" and isinstance(p.get("text"), str)
                for p in content
            ):
                raise wrong("messages", content, "parts of text")
            content = "".join(part["text"] for part in content)
        if not isinstance(content, str):
            raise wrong("messages", message, "content that is text")
        messages.append({**message, "content": content})
    return messages


def _event(value: Any) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
