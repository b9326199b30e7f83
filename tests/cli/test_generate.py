"""fastplm generate, chat and perplexity."""

import io
import json
import math
import sys
from pathlib import Path

import pytest
import torch
import transformers

import fastplm
from fastplm.cli import main
from tests.pipelines import tiny
from tests.pipelines.cases import LONG, TEXT


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    for name in ("gpt2 text", "llama chat", "bart text", "features"):
        tiny.save(name, folder / name)
    return folder


def stdin(monkeypatch, text):
    raw = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))


def follows(folder, text, **settings):
    """What model.generate gives for a text."""
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="np")
    ids = model.generate(**inputs, **settings)[0]
    return tokenizer.decode(ids[inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_prompts_files_and_stdin(root, capsys, monkeypatch, tmp_path):
    model = str(root / "gpt2 text")
    want = [follows(model, text, max_new_tokens=9) for text in (TEXT, "a\nb")]
    file = tmp_path / "prompt.txt"
    file.write_text("a\nb\n", encoding="utf-8")
    assert main(["generate", model, TEXT, "-f", str(file), "--max-new-tokens", "9"]) == 0
    assert capsys.readouterr().out == "".join(text + "\n" for text in want)
    stdin(monkeypatch, "a\nb\n")
    assert main(["generate", model, "--max-new-tokens", "9", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["results"] == [{"prompt": "a\nb", "text": want[1], "tokens": 9}]


def test_settings(root, capsys):
    model = str(root / "gpt2 text")
    settings = ["--temperature", "0.8", "--top-p", "0.9", "--seed", "3", "--max-new-tokens", "9"]
    want = follows(model, TEXT, do_sample=True, temperature=0.8, top_p=0.9, seed=3, max_new_tokens=9)
    for _ in range(2):
        assert main(["generate", model, TEXT, *settings]) == 0
        assert capsys.readouterr().out == want + "\n"
    for settings, same in (
        (["--num-beams", "2"], {"num_beams": 2}), (["--temperature", "0"], {}),
        (["--repetition-penalty", "1.4"], {"repetition_penalty": 1.4}),
    ):  # fmt: skip
        assert main(["generate", model, TEXT, "--max-new-tokens", "6", *settings]) == 0
        assert capsys.readouterr().out == follows(model, TEXT, max_new_tokens=6, **same) + "\n"
    assert follows(model, "the cat", max_new_tokens=9) == "]" * 9
    assert main(["generate", model, "the cat", "--stop", "]]]"]) == 0
    assert capsys.readouterr().out == "]]]\n"
    assert main(["generate", model, "the cat", "--json"]) == 0  # as much as the model has room for
    tokens = json.loads(capsys.readouterr().out)["results"][0]["tokens"]
    assert tokens == 64 - len(fastplm.AutoTokenizer.from_pretrained(model)("the cat")["input_ids"])


def test_an_encoder_decoder(root, capsys):
    folder = str(root / "bart text")
    assert main(["generate", folder, TEXT, "--max-new-tokens", "6", "--num-beams", "2"]) == 0
    pipe = fastplm.pipeline("text2text-generation", folder, num_beams=2, max_new_tokens=6)
    assert capsys.readouterr().out == pipe(TEXT)[0]["generated_text"] + "\n"


def test_chat(root, capsys, monkeypatch):
    folder = str(root / "llama chat")
    pipe = fastplm.pipeline("text-generation", folder, max_new_tokens=5, do_sample=False)
    chat = [{"role": "system", "content": "in paris"}]
    for line in ("where is anna ?", "who ?"):
        chat = pipe([*chat, {"role": "user", "content": line}])[0]["generated_text"]
    want = [message for message in chat if message["role"] == "assistant"]
    options = ["chat", folder, "--system", "in paris", "--max-new-tokens", "5", "--temperature", "0"]
    stdin(monkeypatch, "where is anna ?\nwho ?\n")
    assert main(options) == 0
    assert capsys.readouterr().out == "".join(message["content"] + "\n" for message in want)
    stdin(monkeypatch, "where is anna ?\nwho ?")
    assert main([*options, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{**message, "tokens": 5} for message in want]


@pytest.mark.parametrize("context, stride", [(16, 8), (16, 16), (20, 3), (64, 32)])
def test_perplexity(root, capsys, tmp_path, context, stride):
    folder = root / "gpt2 text"
    file = tmp_path / "text.txt"
    file.write_text(LONG, encoding="utf-8")
    arguments = ["--context", str(context), "--stride", str(stride), "--json"]
    assert main(["perplexity", str(folder), str(file), *arguments]) == 0
    result = json.loads(capsys.readouterr().out)["results"][0]
    ids = fastplm.AutoTokenizer.from_pretrained(folder)(LONG, verbose=False)["input_ids"]
    model = transformers.GPT2LMHeadModel.from_pretrained(folder)
    losses = []
    for place in range(1, len(ids)):  # each from the first window that reaches it
        begin = next(begin for begin in range(0, len(ids), stride) if begin + context >= place)
        with torch.no_grad():
            scores = model(torch.tensor([ids[begin:place]])).logits[0, -1].double()
        losses.append(-scores.log_softmax(-1)[ids[place]])
    assert result["tokens"] == len(ids) - 1
    assert result["perplexity"] == pytest.approx(math.exp(sum(losses) / result["tokens"]), rel=1e-5)


def test_perplexity_of_stdin(root, capsys, monkeypatch):
    stdin(monkeypatch, LONG)
    assert main(["perplexity", str(root / "gpt2 text")]) == 0
    assert capsys.readouterr().out.startswith("stdin: perplexity ")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["generate", "features", "a"], "runs as an encoder"),
        (["generate", "nowhere", "a"], "no such folder"),
        (["generate", "gpt2 text", "a", "--max-new-tokens", "0"], "max_new_tokens"),
        (["generate", "gpt2 text", "a", "--temperature", "-1"], "temperature"),
        (["generate", "gpt2 text"], "invalid start byte at byte 1"),
        (["chat", "gpt2 text"], "no chat template"),
        (["perplexity", "gpt2 text", "--context", "900"], "--context: 900"),
        (["perplexity", "gpt2 text", "--stride", "65"], "--stride: 65"),
        (["perplexity", "gpt2 text"], "expected UTF-8"),
        (["perplexity", "features"], "perplexity: BertLMHeadModel runs as an encoder"),
    ],
)
def test_errors(root, capsys, monkeypatch, arguments, message):
    stdin(monkeypatch, b"a\xff")
    command, model, *rest = arguments
    assert main([command, str(root / model), *rest]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err
