"""The ASGI application: routes, keys, limits, and clients that go away."""

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fastplm.generation.generator import Generator
from fastplm.sentence_encoder import SentenceEncoder
from fastplm.server import embeddings, generation
from fastplm.server.body import Fields, read_body
from fastplm.server.errors import ApiError
from fastplm.server.generation import Answer, as_api_error

_NO_MODEL = "model_not_found"  # OpenAI's code of the error


class Limits(NamedTuple):
    """body: bytes. tokens: the most that a request may ask for. requests: that a model has at once, those
    that wait included; more are told to come again.
    """

    body: int = 1 << 20
    tokens: int = 4096
    requests: int = 256


class Served:
    """A model under its name."""

    def __init__(self, name: str, model: Generator | SentenceEncoder, limits: Limits) -> None:
        self.name, self.model, self._limits = name, model, limits
        self.created = int(time.time())
        self._running = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """For the time of a request. Raises ApiError 429 where there are too many."""
        if self._running >= self._limits.requests:
            raise ApiError(
                429, f"{self.name} has {self._running} requests; try again", headers={"Retry-After": "1"}
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def about(self) -> dict[str, Any]:
        """As /v1/models lists it."""
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "fastplm"}


class Gone(Exception):
    """The client has closed its connection."""


def make_app(
    models: dict[str, Generator | SentenceEncoder], limits: Limits | None = None, api_key: str | None = None
) -> Starlette:
    """An application that serves `models` by name; it closes the generators when it stops. api_key: what
    clients must send; None: nothing.
    """
    bounds = limits or Limits()
    served = {name: Served(name, model, bounds) for name, model in models.items()}

    def find(fields: Fields, kind: type, what: str) -> Served:
        name = fields.text("model")
        if name not in served:
            raise ApiError(
                404,
                f"model {name!r} is not served; there are {', '.join(served)}",
                "model",
                _NO_MODEL,
            )
        if not isinstance(served[name].model, kind):
            raise ApiError(400, f"model {name!r} makes no {what}", "model")
        return served[name]

    def generating(make: Callable[..., Answer]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def endpoint(request: Request) -> Response:
            fields = await read_body(request, bounds.body)
            own = find(fields, Generator, "completions")
            with contextlib.ExitStack() as stack:
                stack.enter_context(own.place())
                answer = await run_in_threadpool(make, own.name, own.model, fields, bounds.tokens)
                stack.callback(answer.cancel)
                if not answer.wants.stream:
                    return JSONResponse(await _while_there(request, answer.whole()))
                held = stack.pop_all()  # until the stream has ended

            async def stream() -> AsyncIterator[str]:
                with held:
                    async for event in answer.stream():
                        yield event

            return StreamingResponse(
                stream(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
            )

        return endpoint

    async def embed(request: Request) -> Response:
        fields = await read_body(request, bounds.body)
        own = find(fields, SentenceEncoder, "embeddings")
        with own.place():
            encoder: Any = own.model
            texts, arguments, as_base64 = embeddings.prepare(encoder, fields)
            work = run_in_threadpool(embeddings.answer, own.name, encoder, texts, arguments, as_base64)
            return JSONResponse(await _while_there(request, work))

    async def list_models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [own.about() for own in served.values()]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in served:
            raise ApiError(404, f"model {name!r} is not served", "model", _NO_MODEL)
        return JSONResponse(served[name].about())

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for model in models.values():
            if isinstance(model, Generator):
                await run_in_threadpool(model.close)

    def guarded(
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]],
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def checked(request: Request) -> Response:
            try:
                if api_key is not None:
                    _check_key(request, api_key)
                return await endpoint(request)
            except Gone:
                return Response(status_code=499)  # nobody reads it
            except Exception as error:
                told = as_api_error(error)
                return JSONResponse(told.body(), told.status, told.headers)

        return checked

    async def other_errors(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        told = ApiError(error.status_code, str(error.detail))
        return JSONResponse(told.body(), told.status, error.headers)

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/models", guarded(list_models)),
            Route("/v1/models/{name:path}", guarded(one_model)),
            Route("/v1/completions", guarded(generating(generation.completion)), methods=["POST"]),
            Route("/v1/chat/completions", guarded(generating(generation.chat)), methods=["POST"]),
            Route("/v1/embeddings", guarded(embed), methods=["POST"]),
        ],
        exception_handlers={HTTPException: other_errors},
        lifespan=lifespan,
    )


def _check_key(request: Request, api_key: str) -> None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), api_key.encode()):
        raise ApiError(
            401, "missing or wrong API key; expected Authorization: Bearer KEY", code="invalid_api_key"
        )


async def _while_there(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of work, unless the client goes away before. Raises Gone."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        leaving.cancel()
        task.cancel()
