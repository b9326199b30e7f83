"""A server on loopback, with a small trained decoder and a tiny sentence encoder."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import fastplm
from tests.models.sentence_folder import SentenceFolder

CHAT = (
    "{% for m in messages %}{% if m.role == 'nobody' %}{{ raise_exception('no such role') }}{% endif %}"
    "{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
)


@contextlib.contextmanager
def running(app) -> Iterator[str]:
    """The address at which app is served, for the time of the `with` block."""
    uvicorn = pytest.importorskip("uvicorn")
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
    server, listening = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def loaded(data, tmp_path_factory):
    folder = data / "stories260k" / "hf"
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    encoder = tmp_path_factory.mktemp("served") / "encoder"
    encoder.mkdir()
    SentenceFolder(encoder)
    return SimpleNamespace(
        model=fastplm.AutoModelForCausalLM.from_pretrained(folder),
        tokenizer=tokenizer,
        encoder=fastplm.SentenceEncoder(encoder),
        encoder_folder=encoder,
        folder=folder,
    )


@pytest.fixture
def generator(loaded) -> Iterator[fastplm.Generator]:
    with fastplm.Generator(loaded.model, loaded.tokenizer) as made:
        yield made


def connect(address: str) -> socket.socket:
    """A plain connection to the server."""
    return socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), timeout=30)


def post(path: str, body: bytes, length: int | None = None) -> bytes:
    """A request as it goes over the line. length: what it claims to be."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body
