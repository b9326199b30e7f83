"""Damaged, hostile and merely odd files: each is refused with an exception that names it, or loads."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.safetensors import read_header, read_index
from tests.models.tiny import save_tiny

REFUSALS = (CheckpointError, UnsupportedError, FileNotFoundError)
PLACES = {"safetensors": "model.safetensors", "flip": "model.safetensors", "config": "config.json",
          "index": "model.safetensors.index.json"}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(data):
    return data / "malformed" / "corpus"


@pytest.fixture(scope="module")
def sound(corpus, tmp_path_factory):
    """A model folder that fits the corpus's config/ok.json."""
    folder = tmp_path_factory.mktemp("sound")
    config = transformers.BertConfig(**json.loads((corpus / "config" / "ok.json").read_text()))
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def entries(corpus, *kinds):
    manifest = json.loads((corpus / "manifest.json").read_text())
    return [(name, entry["expect"]) for name, entry in manifest.items() if entry["kind"] in kinds]


def outcome(load):
    """("accept" or "reject", message), in under two seconds; any other exception comes through."""
    start = time.perf_counter()
    try:
        load()
        verdict = "accept", ""
    except REFUSALS as error:
        verdict = "reject", str(error)
    assert time.perf_counter() - start < 2, "took two seconds or more"
    return verdict


@pytest.mark.parametrize("kind", ["safetensors", "flip"])
def test_safetensors(corpus, sound, kind, tmp_path):
    shutil.copy(sound / "config.json", tmp_path)
    weights = tmp_path / "model.safetensors"
    wrong = []
    for name, expect in entries(corpus, kind):
        shutil.copyfile(corpus / name, weights)
        header = outcome(lambda: read_header(weights))
        model = outcome(lambda: fastplm.AutoModel.from_pretrained(tmp_path))
        assert model[0] == "reject", f"{name}: not the model's weights, and yet they loaded"
        if expect not in ("either", header[0]) or weights.name not in model[1]:
            wrong.append((name, expect, header, model))
    assert not wrong


# The corpus lets a reader choose: the repository's code is not run, and the family's own class loads.
LOADS = {"config/auto_map.json"}


@pytest.mark.filterwarnings("ignore:.*does not know the setting")
def test_config(corpus, sound, tmp_path):
    shutil.copy(sound / "model.safetensors", tmp_path)
    wrong = []
    for name, expect in entries(corpus, "config"):
        expect = "accept" if name in LOADS else expect
        shutil.copyfile(corpus / name, tmp_path / "config.json")
        verdict, message = outcome(lambda: fastplm.AutoModel.from_pretrained(tmp_path))
        if verdict != expect or (verdict == "reject" and "config.json" not in message):
            wrong.append((name, expect, verdict, message))
    assert not wrong


def test_index(corpus, sound, tmp_path):
    shutil.copy(sound / "config.json", tmp_path)
    wrong = []
    for name, expect in entries(corpus, "index"):
        shutil.copyfile(corpus / name, tmp_path / "model.safetensors.index.json")
        verdict, message = outcome(lambda: fastplm.AutoModel.from_pretrained(tmp_path))
        if verdict != expect or "model.safetensors.index.json" not in message:
            wrong.append((name, expect, verdict, message))
    assert not wrong


def test_index_that_names_many_tensors_a_shard_lacks(corpus, sound, tmp_path):
    shutil.copyfile(corpus / "index" / "million.json", tmp_path / "index.json")
    shutil.copyfile(sound / "model.safetensors", tmp_path / "a.safetensors")
    verdict, message = outcome(lambda: read_index(tmp_path / "index.json"))
    assert verdict == "reject"
    assert "a.safetensors" in message and "'w0'" in message and "19997 more" in message
    assert len(message) < 500


def test_other_formats_are_refused_by_name(corpus, sound, tmp_path):
    for name, _ in entries(corpus, "other"):
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        shutil.copy(sound / "config.json", folder)
        file = shutil.copy(corpus / name, folder)
        os.chmod(file, 0)  # not even opened
        verdict, message = outcome(lambda folder=folder: fastplm.AutoModel.from_pretrained(folder))
        assert verdict == "reject" and os.path.basename(name) in message and "safetensors" in message


def test_nothing_crashes_a_process(corpus, sound, tmp_path):
    """The whole corpus once more in a process of its own, which must end by itself and in order."""
    program = textwrap.dedent("""
        import json, pathlib, shutil, sys
        import fastplm
        from fastplm.errors import CheckpointError, UnsupportedError
        corpus, sound, work = map(pathlib.Path, sys.argv[1:4])
        places = json.loads(sys.argv[4])
        seen = 0
        for name, entry in json.loads((corpus / "manifest.json").read_text()).items():
            if entry["kind"] in places:
                shutil.rmtree(work, ignore_errors=True)
                shutil.copytree(sound, work)
                if entry["kind"] == "index":
                    (work / "model.safetensors").unlink()
                shutil.copyfile(corpus / name, work / places[entry["kind"]])
                try:
                    fastplm.AutoModel.from_pretrained(work)
                except (CheckpointError, UnsupportedError, FileNotFoundError):
                    pass
                seen += 1
        print(seen)
    """)
    run = subprocess.run(
        [sys.executable, "-c", program, corpus, sound, tmp_path / "work", json.dumps(PLACES)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == len(entries(corpus, *PLACES))


def test_a_header_that_is_cut_off(sound, tmp_path):
    shutil.copy(sound / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((sound / "model.safetensors").read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"expected 1 to 92 in a file of 100 bytes \(truncated"):
        fastplm.AutoModel.from_pretrained(tmp_path)


def test_special_files_do_not_hang(sound, tmp_path):
    for kind in ("fifo", "device", "folder"):
        folder = tmp_path / kind
        folder.mkdir()
        shutil.copy(sound / "config.json", folder)
        weights = folder / "model.safetensors"
        if kind == "fifo":
            os.mkfifo(weights)
        elif kind == "device":
            weights.symlink_to("/dev/zero")
        else:
            weights.mkdir()
        verdict, message = outcome(lambda folder=folder: fastplm.AutoModel.from_pretrained(folder))
        assert verdict == "reject" and "model.safetensors" in message


def test_weights_that_contradict_the_config(tmp_path):
    save_tiny("bert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    wrong = {"vocab_size": 62, "hidden_size": 32, "num_hidden_layers": 3, "intermediate_size": 5,
             "max_position_embeddings": 4, "type_vocab_size": 9}  # fmt: skip
    for name, value in wrong.items():
        (tmp_path / "config.json").write_text(json.dumps({**config, name: value}))
        with pytest.raises(CheckpointError, match=r"embeddings|encoder") as error:
            fastplm.AutoModel.from_pretrained(tmp_path)
        assert str(tmp_path) in str(error.value)


def test_weights_of_types_that_cannot_load(tmp_path):
    """The message names the true type, whichever tensor is at fault."""
    save_tiny("bert", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    types = {torch.int8: "I8", torch.int64: "I64", torch.float8_e4m3fn: "F8_E4M3", torch.complex64: "C64",
             torch.bool: "BOOL"}  # fmt: skip
    for dtype, spelled in types.items():
        save_file({**tensors, name: tensors[name].to(dtype)}, tmp_path / "model.safetensors")
        with pytest.raises(UnsupportedError, match=f'"{name}" is {spelled}; expected F64, F32, F16, BF16'):
            fastplm.AutoModel.from_pretrained(tmp_path)
    save_file({**tensors, "unused": torch.ones(3, dtype=torch.int8)}, tmp_path / "model.safetensors")
    assert fastplm.AutoModel.from_pretrained(tmp_path)([[5]])[0].shape == (1, 1, 16)


def test_float64_of_another_shape(tmp_path):
    """The message names the file, not the memory that the engine reads."""
    save_tiny("bert", tmp_path).double().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["pooler.dense.bias"] = tensors["pooler.dense.bias"][:5].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r'model\.safetensors: tensor "pooler\.dense\.bias" has shape'):
        fastplm.AutoModel.from_pretrained(tmp_path)


def test_mechanisms_this_version_lacks(tmp_path):
    save_tiny("bert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for setting in ({"add_cross_attention": True}, {"quantization_config": {"bits": 4}},
                    {"position_embedding_type": "relative_key"}, {"model_type": "bloom"}):  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps({**config, **setting}))
        with pytest.raises(UnsupportedError, match=next(iter(setting))):
            fastplm.AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"\xff\xfe{\x00}\x00", "byte order mark"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b"[" * 300 + b"]" * 300, "nested"),
        (b'{"a": ' + b"1" * 5000 + b"}", "JSON"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{} {}", "JSON"),
        (b'{"a": 1,}', "JSON"),
        (b"{'a': 1}", "JSON"),
    ],
)
def test_json(content, complaint, tmp_path):
    file = tmp_path / "settings.json"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint) as error:
        read_json(file)
    assert "settings.json" in str(error.value)


def test_json_that_only_looks_odd(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(
        '{"deep": ' + "[" * 50 + "]" * 50 + ', "text": "[[{{\\"", "pair": "\\ud83d\\ude00", "x": NaN}'
    )
    value = read_json(file)
    assert value["text"] == '[[{{"' and value["pair"] == "\U0001f600" and value["x"] != value["x"]
    file.write_text(json.dumps(["[" * 1000] * 1000))
    assert len(read_json(file)) == 1000


def test_json_size_limit(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text("[" + "0," * 100 + "0]")
    assert len(read_json(file)) == 101
    with pytest.raises(CheckpointError, match=r"settings\.json: 203 bytes; expected at most 100"):
        read_json(file, max_bytes=100)
