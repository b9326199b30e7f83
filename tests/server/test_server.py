"""The server, asked by OpenAI's own client and by clients that misbehave."""

import base64
import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("starlette")

import httpx  # noqa: E402

import fastplm  # noqa: E402
from fastplm.server.app import Limits, make_app  # noqa: E402
from tests.server.conftest import connect, post, running  # noqa: E402

KEY = "sk-secret"


@pytest.fixture(scope="module")
def server(loaded):
    with fastplm.Generator(loaded.model, loaded.tokenizer, max_requests=8) as generator:
        app = make_app({"stories": generator, "search": loaded.encoder}, Limits(body=100_000), KEY)
        with running(app) as address:
            yield address, generator


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server[0] + "/v1", api_key=KEY, max_retries=0)


def greedy(loaded, prompt, count):
    ids = loaded.tokenizer(prompt)["input_ids"]
    new = loaded.model.generate([ids], max_new_tokens=count)[0].tolist()[len(ids) :]
    return loaded.tokenizer.decode(new, skip_special_tokens=True), len(ids), len(new)


PROMPT = "Once upon a time, there was"


def test_completion(client, loaded):
    text, given, made = greedy(loaded, PROMPT, 40)
    done = client.completions.create(model="stories", prompt=PROMPT, max_tokens=40, temperature=0)
    assert done.object == "text_completion" and done.model == "stories" and done.id.startswith("cmpl-")
    (choice,) = done.choices
    assert choice.text.strip() == text.strip() and choice.finish_reason == "length" and choice.index == 0
    assert done.usage.prompt_tokens == given and done.usage.completion_tokens == made == 40
    assert done.usage.total_tokens == given + made
    short = client.completions.create(model="stories", prompt=PROMPT, temperature=0)
    assert short.usage.completion_tokens == 16 and choice.text.startswith(short.choices[0].text)
    by_ids = client.completions.create(
        model="stories", prompt=loaded.tokenizer(PROMPT)["input_ids"], max_tokens=40, temperature=0, echo=True
    )
    assert by_ids.choices[0].text == PROMPT + choice.text


def test_completion_streamed(client):
    whole = client.completions.create(model="stories", prompt=PROMPT, max_tokens=40, temperature=0)
    stream = client.completions.create(
        model="stories", prompt=PROMPT, max_tokens=40, temperature=0, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    assert "".join(c.choices[0].text for c in chunks[:-1]) == whole.choices[0].text and len(chunks) > 20
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 40
    assert {c.id for c in chunks} == {chunks[0].id}


def test_several_prompts_and_choices(client, loaded):
    prompts = [PROMPT, "Lily and Tom", "The cat"]
    one = [
        client.completions.create(model="stories", prompt=p, max_tokens=9, temperature=0).choices[0].text
        for p in prompts
    ]
    done = client.completions.create(model="stories", prompt=prompts, max_tokens=9, temperature=0, n=2)
    assert [c.text for c in done.choices] == [text for text in one for _ in range(2)]
    assert [c.index for c in done.choices] == list(range(6))
    usage, given = done.usage, sum(map(len, loaded.tokenizer(prompts)["input_ids"]))
    assert usage.prompt_tokens == given and usage.prompt_tokens_details.cached_tokens <= given  # once for n
    likeliest = client.completions.create(model="stories", prompt=prompts, max_tokens=9, top_p=0)
    assert [c.text for c in likeliest.choices] == one
    drawn = client.completions.create(model="stories", prompt=PROMPT, max_tokens=20, seed=5, n=3)
    again = client.completions.create(model="stories", prompt=PROMPT, max_tokens=20, seed=5, n=3, stream=True)
    texts = ["", "", ""]
    for chunk in again:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert [c.text for c in drawn.choices] == texts and len(set(texts)) > 1


def test_chat(client, loaded):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who was there?"}]
    ids = loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    want = loaded.model.generate([ids], max_new_tokens=30)[0].tolist()[len(ids) :]
    done = client.chat.completions.create(
        model="stories", messages=messages, max_completion_tokens=30, temperature=0
    )
    both = {"max_tokens": 9, "max_completion_tokens": 3}  # the newer name counts
    few = client.chat.completions.create(model="stories", messages=messages, temperature=0, **both)
    assert few.usage.completion_tokens == 3
    message = done.choices[0].message
    text = loaded.tokenizer.decode(want, skip_special_tokens=True)
    assert message.role == "assistant" and message.content.strip() == text.strip()
    assert done.object == "chat.completion" and done.usage.prompt_tokens == len(ids)
    parts = [messages[0], {"role": "user", "content": [{"type": "text", "text": "Who was there?"}]}]
    stream = client.chat.completions.create(
        model="stories", messages=parts, max_tokens=30, temperature=0, stream=True
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == message.content
    assert chunks[-1].choices[0].finish_reason == "length"
    unbounded = client.chat.completions.create(model="stories", messages=messages, temperature=0)
    room = loaded.model.config.max_position_embeddings - len(ids)
    assert unbounded.usage.completion_tokens <= room
    assert unbounded.choices[0].finish_reason == (
        "length" if unbounded.usage.completion_tokens == room else "stop"
    )


def test_stop_strings(client):
    whole = client.completions.create(model="stories", prompt=PROMPT, max_tokens=60, temperature=0)
    text = whole.choices[0].text
    for stop in (text[20:27], ["no such text", text[33:36]], [text[24:27], text[20:27]]):
        strings = [stop] if isinstance(stop, str) else stop
        want = text[: min(at for s in strings if (at := text.find(s)) >= 0)]
        done = client.completions.create(
            model="stories", prompt=PROMPT, max_tokens=60, temperature=0, stop=stop
        )
        assert done.choices[0].text == want and done.choices[0].finish_reason == "stop"
        stream = client.completions.create(
            model="stories", prompt=PROMPT, max_tokens=60, temperature=0, stop=stop, stream=True
        )
        assert "".join(c.choices[0].text for c in stream) == want


def test_forms_and_biases(client):
    pytest.importorskip("llguidance")
    age = {"type": "integer", "minimum": 0, "maximum": 99}
    schema = {
        "type": "object",
        "properties": {"age": age},
        "required": ["age"],
        "additionalProperties": False,
    }
    done = client.chat.completions.create(
        model="stories", messages=[{"role": "user", "content": "?"}], max_tokens=60, temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )  # fmt: skip
    assert isinstance(json.loads(done.choices[0].message.content)["age"], int)
    first = client.completions.create(model="stories", prompt=PROMPT, max_tokens=1, temperature=0)
    token = 300
    biased = client.completions.create(
        model="stories", prompt=PROMPT, max_tokens=1, temperature=0, logit_bias={str(token): 100}
    )
    assert biased.choices[0].text != first.choices[0].text


def test_embeddings(client, loaded):
    texts = ["Hello World", "", "x"]
    want = loaded.encoder.encode(texts, normalize_embeddings=True)
    done = client.embeddings.create(model="search", input=texts)  # the client asks for base64
    assert np.array_equal(np.array([d.embedding for d in done.data], np.float32), want)
    assert done.usage.prompt_tokens == sum(map(len, loaded.encoder.tokenizer(texts)["input_ids"]))
    plain = client.embeddings.create(model="search", input="x", encoding_format="float", dimensions=5)
    short = loaded.encoder.encode(["x"], normalize_embeddings=True, truncate_dim=5)
    assert np.allclose(plain.data[0].embedding, short[0])
    coded = httpx.post(
        str(client.base_url) + "embeddings", headers={"Authorization": f"Bearer {KEY}"},
        json={"model": "search", "input": "x", "encoding_format": "base64"},
    )  # fmt: skip
    data = base64.b64decode(coded.json()["data"][0]["embedding"])
    assert np.array_equal(np.frombuffer(data, "<f4"), want[2])


def test_models_and_health(client, server):
    assert [m.id for m in client.models.list()] == ["stories", "search"]
    assert client.models.retrieve("search").owned_by == "fastplm"
    assert httpx.get(server[0] + "/health").json() == {"status": "ok"}


WRONG = [
    ({"prompt": None}, "prompt"),
    ({"prompt": {}}, "prompt"),
    ({"prompt": ["a", 1]}, "prompt"),
    ({"prompt": [1.5]}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": [[]]}, "prompt"),
    ({"prompt": [999999]}, None),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1 << 40}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": 4000}, None),  # more than the model takes
    ({"temperature": -1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 2}, "top_p"),
    ({"n": 0}, "n"),
    ({"stop": [""]}, "stop"),
    ({"stop": 3}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"x": 1}}, "stream_options"),
    ({"logit_bias": {"a": 1}}, "logit_bias"),
    ({"logit_bias": {"1": 200}}, "logit_bias"),
    ({"logit_bias": {"999999": 1}}, None),
    ({"logprobs": 3}, "logprobs"),
    ({"best_of": 3}, "best_of"),
    ({"suffix": "x"}, "suffix"),
    ({"seed": 1.5}, "seed"),
    ({"response_format": {"type": "xml"}}, "response_format"),
    ({"tempreature": 1}, "tempreature"),
    ({"model": 3}, "model"),
]


@pytest.mark.parametrize(("change", "param"), WRONG)
def test_wrong_fields(server, change, param):
    body = {"model": "stories", "prompt": "a", "max_tokens": 3, **change}
    answer = httpx.post(server[0] + "/v1/completions", headers={"Authorization": f"Bearer {KEY}"}, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error" and error["param"] == param and error["message"]


def test_wrong_chats_and_embeddings(client):
    for messages in ([], [{"role": "user"}], [{"content": "a"}], ["a"], [{"role": "nobody", "content": "a"}],
                     [{"role": "user", "content": [{"type": "image_url"}]}]):  # fmt: skip
        with pytest.raises(openai.BadRequestError, match="messages"):
            client.chat.completions.create(model="stories", messages=messages)
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(
            model="stories", messages=[{"role": "user", "content": "a"}],
            tools=[{"type": "function", "function": {"name": "f"}}],
        )  # fmt: skip
    for given in ([], [1, 2], [""] * 3000):
        with pytest.raises(openai.BadRequestError, match="input"):
            client.embeddings.create(model="search", input=given)
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="search", input="a", dimensions=10_000)
    with pytest.raises(openai.BadRequestError, match="makes no completions"):
        client.completions.create(model="search", prompt="a")
    with pytest.raises(openai.BadRequestError, match="makes no embeddings"):
        client.embeddings.create(model="stories", input="a")
    with pytest.raises(openai.NotFoundError, match="not served"):
        client.completions.create(model="other", prompt="a")


def test_keys_bodies_and_routes(server):
    address, headers = server[0], {"Authorization": f"Bearer {KEY}"}
    for wrong in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": KEY},
        {"Authorization": "Basic " + KEY},
    ):
        answer = httpx.get(address + "/v1/models", headers=wrong)
        assert answer.status_code == 401 and answer.json()["error"]["type"] == "authentication_error"
    assert httpx.get(address + "/v1/models", headers={"Authorization": f"bearer  {KEY}"}).status_code == 200
    for content in (b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"[" * 50_000, b'{"model": NaN'):
        answer = httpx.post(address + "/v1/completions", headers=headers, content=content)
        assert answer.status_code == 400 and "body" in answer.json()["error"]["message"]
    answer = httpx.post(address + "/v1/completions", headers=headers, content=b" " * 1_000_000)
    assert answer.status_code == 413
    answer = httpx.post(address + "/v1/completions", headers=headers, content=iter([b" " * 60_000] * 3))
    assert answer.status_code == 413
    assert httpx.get(address + "/v1/nothing", headers=headers).json()["error"]["type"] == "not_found_error"
    assert httpx.get(address + "/v1/completions", headers=headers).status_code == 405


@contextlib.contextmanager
def serving(loaded, limits=None, **options):
    """A server of its own: its generator, and its address."""
    with (
        fastplm.Generator(loaded.model, loaded.tokenizer, **options) as generator,
        running(make_app({"m": generator}, limits)) as address,
    ):
        yield generator, address


def idle(generator, seconds=20):
    """Waits until nothing runs or waits."""
    deadline = time.monotonic() + seconds
    while (used := generator.usage())["running"] or used["waiting"] or used["reserved_tokens"]:
        assert time.monotonic() < deadline, used
        time.sleep(0.01)


def test_clients_that_go_away_cost_nothing(loaded):
    body = {"model": "m", "prompt": PROMPT, "max_tokens": 400, "min_tokens": 400, "temperature": 0}
    with serving(loaded, max_requests=2) as (generator, address):
        before = generator.usage()["new_tokens"]
        for stream in (False, True, False, True):
            with connect(address) as connection:
                data = post("/v1/completions", json.dumps({**body, "stream": stream}).encode())
                connection.sendall(data)
                if stream:
                    assert b"200 OK" in connection.recv(4096)
                else:
                    time.sleep(0.02)
        with connect(address) as connection:  # gone before the body has come
            connection.sendall(post("/v1/completions", b"{", length=1000))
        idle(generator)
        assert generator.usage()["new_tokens"] - before < 4 * 400
        done = httpx.post(address + "/v1/completions", json={**body, "max_tokens": 5, "min_tokens": 5})
        assert done.json()["usage"]["completion_tokens"] == 5


def test_a_slow_reader_gets_everything(loaded):
    body = {"model": "m", "prompt": PROMPT, "max_tokens": 300, "min_tokens": 300, "temperature": 0,
            "stream": True}  # fmt: skip
    with fastplm.Generator(loaded.model, loaded.tokenizer) as generator:
        with running(make_app({"m": generator})) as address, connect(address) as connection:
            connection.sendall(post("/v1/completions", json.dumps(body).encode()))
            data = b""
            while part := connection.recv(2048):
                data += part
                time.sleep(0.002)
        assert data.count(b'"finish_reason": "length"') == 1 and b"[DONE]" in data


def test_too_many_requests(loaded):
    body = {"model": "m", "prompt": PROMPT, "max_tokens": 400, "min_tokens": 400}
    with serving(loaded, Limits(requests=1), max_requests=1) as (generator, address):
        with connect(address) as connection:
            long = {**body, "stream": True, "n": 40}
            connection.sendall(post("/v1/completions", json.dumps(long).encode()))
            assert b"200 OK" in connection.recv(4096)
            answer = httpx.post(address + "/v1/completions", json=body)
            assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
            assert answer.json()["error"]["type"] == "rate_limit_error"
        idle(generator)
        body |= {"max_tokens": 2, "min_tokens": 2}
        deadline = time.monotonic() + 20
        while httpx.post(address + "/v1/completions", json=body).is_error:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def many_clients(loaded, clients, each):
    """How many answers were right."""
    prompts = [PROMPT, "Lily", "The dog and the", "One day"]
    want = [greedy(loaded, p, 12)[0].strip() for p in prompts]
    with serving(loaded, Limits(requests=1000), max_requests=16) as (generator, address):
        client = openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0, timeout=120)

        def ask(number: int) -> int:
            right = 0
            for i in range(each):
                which, stream = (number + i) % 4, (number + i) % 3 == 0
                done = client.completions.create(
                    model="m", prompt=prompts[which], max_tokens=12, temperature=0, stream=stream
                )
                text = "".join(c.choices[0].text for c in done) if stream else done.choices[0].text
                right += text.strip() == want[which]
            return right

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            right = sum(pool.map(ask, range(clients)))
        idle(generator)
        generator.forget()
        assert generator.usage()["bytes"] == 0
    return right


def test_many_clients(loaded):
    assert many_clients(loaded, 20, 3) == 60


@pytest.mark.slow
def test_two_hundred_clients(loaded):
    before = threading.active_count()
    assert many_clients(loaded, 200, 20) == 4000
    assert threading.active_count() == before


def test_the_command_stops_without_losing_a_request(loaded, tmp_path):
    command = [sys.executable, "-m", "fastplm", "serve", f"m={loaded.folder}", f"s={loaded.encoder_folder}",
               "--port", "0"]  # fmt: skip
    environment = {**os.environ, "FASTPLM_API_KEY": KEY}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stderr.readline()
        assert line.startswith("serving m, s at http://127.0.0.1:"), line
        client = openai.OpenAI(base_url=line.split()[-1], api_key=KEY, max_retries=0)
        assert len(client.embeddings.create(model="s", input="a").data) == 1
        stream = client.completions.create(
            model="m", prompt=PROMPT, max_tokens=400, temperature=0, stream=True,
            extra_body={"min_tokens": 400}, stream_options={"include_usage": True},
        )  # fmt: skip
        first = next(stream)
        process.send_signal(signal.SIGTERM)
        rest = list(stream)
        assert rest[-1].usage.completion_tokens == 400 and first.choices[0].text is not None
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_command_refuses(capsys, loaded, tmp_path):
    from fastplm.cli import main

    folder = str(loaded.folder)
    assert main(["serve", folder, folder]) == 2
    assert "two models are called hf" in capsys.readouterr().err
    (tmp_path / "a=b").symlink_to(loaded.folder)  # a folder, not a name
    assert main(["serve", str(tmp_path / "a=b"), str(tmp_path / "a=b")]) == 2
    assert "two models are called a=b" in capsys.readouterr().err
    assert main(["serve", folder, "--queue", "-1"]) == 2
    assert "--queue: -1" in capsys.readouterr().err
    assert main(["serve", "no/such/folder"]) == 2
