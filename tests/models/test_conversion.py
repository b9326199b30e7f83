"""fastplm convert: pytorch_model.bin to safetensors; hostile pickles and paths are refused."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

import fastplm
from fastplm.cli import main
from fastplm.conversion import convert, copy_files
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.tiny import save_class


def pickled(name, folder, shards=1, **save):
    """A folder as older versions of transformers wrote them: all names, tied tensors as one in memory."""
    model = save_class(name, folder)
    (folder / "model.safetensors").unlink()
    state = model.state_dict()
    if shards == 1:
        torch.save(state, folder / "pytorch_model.bin", **save)
        return model
    names = [f"pytorch_model-{i + 1:05}-of-{shards:05}.bin" for i in range(shards)]
    places = {key: names[number % shards] for number, key in enumerate(state)}
    for file in names:
        torch.save({k: v for k, v in state.items() if places[k] == file}, folder / file, **save)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return model


@pytest.mark.parametrize(
    "name, saved",
    [
        ("BertForMaskedLM", {}),
        ("BertForMaskedLM", {"_use_new_zipfile_serialization": False}),
        ("GPT2LMHeadModel", {"shards": 2}),
        ("T5ForConditionalGeneration", {}),
        ("BartForConditionalGeneration", {"shards": 3}),
    ],
)
def test_same_model(name, saved, tmp_path, capsys):
    model = pickled(name, tmp_path / "a", **saved)
    (tmp_path / "a" / "vocab.txt").write_text("a\n")
    (tmp_path / "a" / "run.py").write_text("raise SystemExit")
    with pytest.raises(UnsupportedError, match=r"pytorch_model.*\.bin.*fastplm convert .*/a OUT"):
        fastplm.AutoModel.from_pretrained(tmp_path / "a")
    assert main(["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["folder"], said["output"]) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert all((tmp_path / "b" / file).exists() for file in said["files"]) and said["tensors"] > 20
    assert (tmp_path / "b" / "vocab.txt").read_text() == "a\n" and not (tmp_path / "b" / "run.py").exists()
    theirs = getattr(transformers, name).from_pretrained(tmp_path / "b")
    for key, tensor in model.state_dict().items():
        assert torch.equal(theirs.state_dict()[key], tensor), key
    model.save_pretrained(tmp_path / "c")
    ours = [getattr(fastplm, name).from_pretrained(tmp_path / place) for place in "bc"]
    ids = np.arange(3, 12)[None]
    given = {"decoder_input_ids": ids} if ours[0].stacks == "both" else {}
    assert np.array_equal(ours[0](ids, **given).logits, ours[1](ids, **given).logits)


def test_tied_tensors_are_written_once_where_config_ties_them(tmp_path):
    pickled("GPT2LMHeadModel", tmp_path / "a")
    convert(tmp_path / "a", tmp_path / "b")
    names = load_file(tmp_path / "b" / "model.safetensors").keys()
    assert "transformer.wte.weight" in names and "lm_head.weight" not in names
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    (tmp_path / "a" / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    convert(tmp_path / "a", tmp_path / "c")
    assert "lm_head.weight" in load_file(tmp_path / "c" / "model.safetensors")


def test_every_dtype_and_layout(tmp_path):
    pickled("BertForMaskedLM", tmp_path / "a")
    whole = torch.arange(24).reshape(4, 6)
    state = {
        f"{dtype}".removeprefix("torch."): whole.to(dtype)
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.float8_e5m2)
    }
    state |= {"turned": whole.T, "part": whole[1:3, ::2], "one": torch.tensor(3.0), "none": torch.zeros(0, 4)}
    torch.save(state, tmp_path / "a" / "pytorch_model.bin")
    convert(tmp_path / "a", tmp_path / "b")
    found = load_file(tmp_path / "b" / "model.safetensors")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def test_sentence_encoders_and_adapters(tmp_path):
    model = pickled("BertForMaskedLM", tmp_path / "a")
    dense = tmp_path / "a" / "2_Dense"
    dense.mkdir()
    torch.save({"linear.weight": torch.ones(3, 4)}, dense / "pytorch_model.bin")
    (dense / "config.json").write_text("{}")
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    (tmp_path / "a" / "1_Pooling").mkdir()
    (tmp_path / "a" / "modules.json").write_text(
        json.dumps([{"path": p, "type": f"sentence_transformers.models.{k}"} for p, k in modules])
    )
    torch.save({"x.lora_A.weight": torch.ones(2, 4)}, tmp_path / "a" / "adapter_model.bin")
    done = convert(tmp_path / "a", tmp_path / "b")
    assert done.files == ["model.safetensors", "adapter_model.safetensors", "2_Dense/model.safetensors"]
    assert done.tensors == len({v.data_ptr() for v in model.state_dict().values()}) + 2
    assert (tmp_path / "b" / "2_Dense" / "config.json").exists() and (tmp_path / "b" / "1_Pooling").is_dir()


def test_chat_templates_of_a_folder_that_holds_itself(tmp_path):
    save_class("LlamaForCausalLM", tmp_path / "a")
    templates = tmp_path / "a/additional_chat_templates"
    templates.mkdir()
    (templates / "tool.jinja").write_text("{{ messages }}")
    (templates / "additional_chat_templates").symlink_to(templates)
    copy_files(tmp_path / "a", tmp_path / "a", tmp_path / "b", with_weights=False)
    copied = [str(path.relative_to(tmp_path / "b")) for path in (tmp_path / "b").rglob("*.jinja")]
    assert copied == ["additional_chat_templates/tool.jinja"]


def test_an_old_adapter_beside_new_weights(tmp_path):
    save_class("BertForMaskedLM", tmp_path / "a")
    torch.save({"x.lora_A.weight": torch.ones(2, 4)}, tmp_path / "a" / "adapter_model.bin")
    assert convert(tmp_path / "a", tmp_path / "b").files == ["adapter_model.safetensors"]
    weights = (tmp_path / name / "model.safetensors" for name in "ab")
    assert next(weights).read_bytes() == next(weights).read_bytes()


class Runs:
    def __reduce__(self):
        return os.system, ("touch /tmp/fastplm-a-pickle-ran",)


def tensors_of_one_byte(count):
    return torch.zeros(1, dtype=torch.uint8).as_strided((count,), (0,))


HOSTILE = {
    "a program": (lambda p: torch.save({"a": Runs()}, p), CheckpointError, "expected tensors"),
    "an old program": (lambda p: p.write_bytes(pickle.dumps(Runs())), CheckpointError, "expected tensors"),
    "a list": (lambda p: torch.save([torch.ones(1)], p), CheckpointError, "holds a list"),
    "words": (lambda p: torch.save({"a": "b"}, p), CheckpointError, "holds a str called 'a'"),
    "numbered": (lambda p: torch.save({3: torch.ones(1)}, p), CheckpointError, "called 3"),
    "sparse": (lambda p: torch.save({"a": torch.ones(3).to_sparse()}, p), UnsupportedError, "sparse"),
    "complex": (lambda p: torch.save({"a": torch.ones(3) * 1j}, p), UnsupportedError, "complex64"),
    "huge": (lambda p: torch.save({"a": tensors_of_one_byte(10**13)}, p), CheckpointError, "1 bytes"),
    "empty": (lambda p: p.write_bytes(b""), CheckpointError, "expected tensors"),
    "noise": (lambda p: p.write_bytes(bytes(range(256)) * 9), CheckpointError, "expected tensors"),
    "cut": (lambda p: _cut(p, 700), CheckpointError, "expected"),
    "compressed": (lambda p: _compressed(p), CheckpointError, "compressed"),
    "a pipe": (lambda p: os.mkfifo(p), CheckpointError, "not a regular file"),
}


def _cut(path, most):
    torch.save({"a": torch.ones(500)}, path)
    path.write_bytes(path.read_bytes()[:most])


def _compressed(path):
    torch.save({"a": torch.zeros(10**6)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            archive.writestr(name, raw)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles(name, tmp_path):
    make, error, message = HOSTILE[name]
    pickled("BertForMaskedLM", tmp_path / "a")
    (tmp_path / "a" / "pytorch_model.bin").unlink()
    make(tmp_path / "a" / "pytorch_model.bin")
    with pytest.raises(error, match=message) as caught:
        convert(tmp_path / "a", tmp_path / "b")
    assert "pytorch_model.bin" in str(caught.value)
    assert not os.path.exists("/tmp/fastplm-a-pickle-ran")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]  # nothing is left behind


def test_paths_that_lead_out(tmp_path):
    pickled("GPT2LMHeadModel", tmp_path / "a", shards=2)
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (tmp_path / "a" / "notes.json").symlink_to(secret)
    with pytest.raises(CheckpointError, match=r"notes\.json: a link to"):
        convert(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "notes.json").unlink()
    index = tmp_path / "a" / "pytorch_model.bin.index.json"
    sound = index.read_text()
    for bad in ("../x.bin", "/x.bin", "x.pt", "", 3):
        index.write_text(json.dumps({"weight_map": {"a": bad}}))
        with pytest.raises(CheckpointError, match="weight_map names"):
            convert(tmp_path / "a", tmp_path / "b")
    index.write_text(json.dumps({"weight_map": {"a": "gone.bin"}}))
    with pytest.raises(FileNotFoundError, match=r"shard gone\.bin is missing"):
        convert(tmp_path / "a", tmp_path / "b")
    index.write_text(sound)
    (tmp_path / "a" / "modules.json").write_text('[{"type": "sentence_transformers.models.X", "path": ".."}]')
    with pytest.raises(CheckpointError, match=r"path '\.\.'"):
        convert(tmp_path / "a", tmp_path / "b")


def test_the_cache_of_the_hub_is_made_of_links(tmp_path):
    pickled("BertForMaskedLM", tmp_path / "blobs")
    place = tmp_path / "snapshots" / "a1b2"
    place.mkdir(parents=True)
    for file in (tmp_path / "blobs").iterdir():
        (place / file.name).symlink_to(f"../../blobs/{file.name}")
    assert convert(place, tmp_path / "out").files == ["model.safetensors"]
    assert not (tmp_path / "out" / "config.json").is_symlink()


def test_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        convert(tmp_path / "a", tmp_path / "b")
    save_class("BertForMaskedLM", tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="nothing to convert"):
        convert(tmp_path / "a", tmp_path / "b")
    pickled("BertForMaskedLM", tmp_path / "c")
    with pytest.raises(FileExistsError, match="a new or an empty folder"):
        convert(tmp_path / "c", tmp_path / "a")
    (tmp_path / "empty").mkdir()
    convert(tmp_path / "c", tmp_path / "empty")
    assert (tmp_path / "empty" / "model.safetensors").exists()
