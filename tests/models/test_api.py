"""The drop-in API: names, arguments, outputs, and what wrong arguments get."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.tiny import CLASSES, FAMILIES, Tiny, random_batch, save_class, save_tiny
from tests.tolerance import assert_layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    save_tiny("bert", path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return fastplm.AutoModel.from_pretrained(folder)


def test_import_is_light():
    """numpy and the engine, not torch, transformers or anything else that takes long."""
    heavy = ("torch", "transformers", "tokenizers", "huggingface_hub", "tqdm")
    program = f"import fastplm, sys; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_using_a_model_needs_no_torch(folder):
    program = (
        "import fastplm, sys; m = fastplm.AutoModel.from_pretrained(sys.argv[1]); "
        "out = m([[5, 6]]); print(type(out[0]).__module__, m.device, m.dtype, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["numpy", "cpu", "float32", "False"]


def test_errors_are_value_errors():
    assert issubclass(UnsupportedError, ValueError) and issubclass(CheckpointError, ValueError)


def test_names():
    for name in fastplm.__all__:
        assert getattr(fastplm, name) is not None and name in dir(fastplm)
    for name, _ in FAMILIES.values():
        assert getattr(fastplm, name) is getattr(fastplm, name)
        assert getattr(fastplm, name).__name__ == name
    for name in (
        "RobertaForNextSentencePrediction",
        "XLMForQuestionAnswering",
        "AutoModelForObjectDetection",
        "BloomModel",
        "nothing",
        "Nothing",
    ):
        assert not hasattr(fastplm, name)
    for name in CLASSES:
        assert getattr(fastplm, name).__name__ == name
    with pytest.raises(AttributeError, match=r"no 'GteForMultipleChoice'; of gte it has GteModel, GteFor"):
        fastplm.GteForMultipleChoice  # noqa: B018
    for name, reason in {
        "BertPreTrainedModel": "no base class of their own; expected PreTrainedModel",
        "GPTNeoXLayer": "no part of a model leaves the engine",
        "Gemma3Model": "does not run images beside text; expected Gemma3TextModel",
    }.items():
        with pytest.raises(AttributeError, match=f"no '{name}': .*{reason}"):
            getattr(fastplm, name)
    with pytest.raises(
        AttributeError, match=r"does not run its beams .*expected XLMForQuestionAnsweringSimple"
    ):
        fastplm.XLMForQuestionAnswering  # noqa: B018


@pytest.mark.parametrize("family", FAMILIES)
def test_auto_model_gives_the_familys_class(family, tmp_path):
    save_tiny(family, tmp_path)
    model = fastplm.AutoModel.from_pretrained(str(tmp_path))
    assert type(model) is getattr(fastplm, FAMILIES[family][0])
    assert type(type(model).from_pretrained(tmp_path)) is type(model)
    assert isinstance(model, fastplm.PreTrainedModel)
    assert family in fastplm.architectures()


def test_every_family_is_tested():
    of_classes = {getattr(fastplm, name).model_type for name in CLASSES}
    assert set(FAMILIES) | of_classes == set(fastplm.architectures())


def test_class_of_another_family(folder):
    with pytest.raises(UnsupportedError, match=r"'bert'; RobertaModel loads 'roberta'"):
        fastplm.RobertaModel.from_pretrained(folder)
    with pytest.raises(TypeError, match="from_pretrained"):
        fastplm.AutoModel(folder)


def test_the_encoder_of_an_encoder_decoder(tmp_path):
    reference = save_class("T5ForConditionalGeneration", tmp_path)
    assert type(fastplm.AutoModel.from_pretrained(tmp_path)) is fastplm.T5Model
    ids = torch.tensor([[3, 4, 1]])
    with torch.no_grad():
        want = reference.encoder(ids)[0]
    assert_layers([fastplm.T5EncoderModel.from_pretrained(tmp_path)(ids)[0]], [want])


def test_where_models_come_from(folder, tmp_path):
    for name in (
        tmp_path / "absent",
        str(tmp_path / "absent"),
        "./absent",
        "a/b/c",
        "..",
        "a//b",
        "-x",
        "a b",
        "a..b",
        "a--b",
    ):
        if name == "..":
            name = "../" * 20 + "absent"
        with pytest.raises(FileNotFoundError, match="no such folder, and not a hub id"):
            fastplm.AutoModel.from_pretrained(name)
    with pytest.raises(FileNotFoundError, match="hub"):  # offline: tests/conftest.py
        fastplm.AutoModel.from_pretrained("nobody/no-such-model-here")
    with pytest.raises(ValueError, match="expected a folder"):
        fastplm.AutoModel.from_pretrained(folder / "model.safetensors")
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        fastplm.AutoModel.from_pretrained(tmp_path)


def test_hub_needs_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match="pip install huggingface_hub"):
        fastplm.AutoModel.from_pretrained("owner/name")


def test_hub_snapshot(folder, monkeypatch):
    """A hub id is fetched once, by name and revision, without weights in other formats."""
    import huggingface_hub

    calls = []
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *args, **kwargs: calls.append((args, kwargs)) or str(folder),
    )
    fastplm.AutoModel.from_pretrained("owner/name", revision="v2", local_files_only=True)
    ((args, kwargs),) = calls
    assert args == ("owner/name",) and kwargs["revision"] == "v2" and kwargs["local_files_only"] is True
    assert "*.safetensors" in kwargs["allow_patterns"] and "*.bin" not in kwargs["allow_patterns"]


def test_subfolder(folder, tmp_path, monkeypatch):
    """Of a folder and of a hub id, of which nothing else is fetched."""
    import huggingface_hub

    shutil.copytree(folder, tmp_path / "encoder")
    want = fastplm.AutoModel.from_pretrained(folder)([[1, 2, 3]])[0]
    assert np.array_equal(
        fastplm.AutoModel.from_pretrained(tmp_path, subfolder="encoder")([[1, 2, 3]])[0], want
    )
    calls = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **kwargs: calls.append(kwargs) or str(tmp_path)
    )
    model = fastplm.AutoModel.from_pretrained("owner/name", subfolder="encoder", force_download=True)
    assert np.array_equal(model([[1, 2, 3]])[0], want)
    assert calls[0]["force_download"] is True
    assert all(pattern.startswith("encoder/") for pattern in calls[0]["allow_patterns"])
    with pytest.raises(FileNotFoundError, match="no folder decoder in it"):
        fastplm.AutoModel.from_pretrained(tmp_path, subfolder="decoder")


def test_results_come_as_the_input_did(model):
    ids, mask = random_batch(61, (5, 3))
    arrays = model(ids, attention_mask=mask, output_hidden_states=True)
    lists = model(ids.tolist(), attention_mask=mask.tolist(), output_hidden_states=True)
    tensors = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), output_hidden_states=True)
    assert isinstance(arrays[0], np.ndarray) and isinstance(lists[0], np.ndarray)
    assert isinstance(tensors[0], torch.Tensor) and isinstance(tensors.hidden_states[1], torch.Tensor)
    assert arrays[0].dtype == np.float32 and tensors[0].dtype == torch.float32
    assert np.array_equal(arrays[0], lists[0]) and np.array_equal(arrays[0], tensors[0].numpy())


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64])
def test_integer_types(model, dtype):
    ids, mask = random_batch(61, (5, 3))
    want = model(ids, mask)[0]
    assert np.array_equal(model(ids.astype(dtype), mask.astype(dtype))[0], want)
    assert np.array_equal(model(np.asfortranarray(ids), np.asfortranarray(mask))[0], want)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
def test_masks_of_other_types(model, dtype):
    ids, mask = random_batch(61, (5, 3))
    assert np.array_equal(model(ids, mask.astype(dtype))[0], model(ids, mask)[0])


def test_output(model):
    ids, _ = random_batch(61, (4,))
    out = model(ids, output_hidden_states=True, output_attentions=True)
    names = ["last_hidden_state", "pooler_output", "hidden_states", "attentions", "cross_attentions"]
    assert list(out) == names and out.cross_attentions == ()
    assert out[0] is out.last_hidden_state is out["last_hidden_state"] is out.to_tuple()[0]
    assert out[:2] == (out.last_hidden_state, out.pooler_output)
    assert len(out.hidden_states) == 3 and out.hidden_states[-1].shape == (1, 4, 16)
    assert len(out.attentions) == 2 and out.attentions[0].shape == (1, 2, 4, 4)
    plain = model(ids)
    assert plain.hidden_states is None and "hidden_states" not in plain and len(plain.to_tuple()) == 2
    as_tuple = model(ids, return_dict=False)
    assert isinstance(as_tuple, tuple) and np.array_equal(as_tuple[0], plain[0])
    with pytest.raises(AttributeError, match="logits"):
        plain.logits  # noqa: B018


def test_output_switches_of_the_config(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "output_hidden_states": True, "return_dict": False})
    )
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    assert len(model([[5]])) == 3
    assert model([[5]], output_hidden_states=False, return_dict=True).hidden_states is None


def test_pooling_layer_can_be_left_out(folder):
    assert fastplm.BertModel.from_pretrained(folder, add_pooling_layer=False)([[5]]).pooler_output is None


def test_bfloat16(folder):
    model = fastplm.AutoModel.from_pretrained(folder, dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model([[5, 6]])[0].dtype == np.float32
    assert model(torch.tensor([[5, 6]]))[0].dtype == torch.bfloat16
    for same in ("bfloat16", "torch.bfloat16"):
        assert fastplm.AutoModel.from_pretrained(folder, dtype=same).dtype == torch.bfloat16
    assert fastplm.AutoModel.from_pretrained(folder, torch_dtype="bfloat16").dtype == torch.bfloat16


def test_auto_dtype(tmp_path):
    for stored, expected in ((torch.bfloat16, torch.bfloat16), (torch.float16, torch.float32)):
        save_tiny("bert", tmp_path).to(stored).save_pretrained(tmp_path)
        assert fastplm.AutoModel.from_pretrained(tmp_path, dtype="auto").dtype == expected
        config = json.loads((tmp_path / "config.json").read_text())
        del config["dtype"]  # then the weights tell
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert fastplm.AutoModel.from_pretrained(tmp_path, dtype="auto").dtype == expected


def test_other_dtypes_and_devices(folder, model):
    for wrong in ("float16", torch.float64, np.int16, "int3"):
        with pytest.raises(UnsupportedError, match="expected one of float32, bfloat16, int8, int4"):
            fastplm.AutoModel.from_pretrained(folder, dtype=wrong)
    with pytest.raises(TypeError, match="dtype"):
        fastplm.AutoModel.from_pretrained(folder, dtype=3.5)
    if fastplm.cuda_status()["available"]:
        pytest.skip("this machine has a usable GPU")
    for refuse in (
        lambda: fastplm.AutoModel.from_pretrained(folder, device="cuda"),
        lambda: fastplm.AutoModel.from_pretrained(folder, device=torch.device("cuda:1")),
        lambda: model.to("cuda"), lambda: model.to(torch.device("cuda")), lambda: model.cuda(),
    ):  # fmt: skip
        with pytest.raises(UnsupportedError) as error:
            refuse()
        assert fastplm.cuda_status()["reason"] in str(error.value)
    with pytest.raises(UnsupportedError, match="mps"):
        model.to("mps")


def test_methods_of_a_torch_module(model):
    assert (
        model.eval() is model.to("cpu") is model.to(torch.device("cpu")) is model.to(torch.float32) is model
    )
    assert model.to(device="cpu", non_blocking=True) is model.cpu() is model.train(False) is model
    assert model.device == torch.device("cpu") and not model.training
    with pytest.raises(UnsupportedError, match="dtype= to from_pretrained"):
        model.to(torch.bfloat16)
    for train in (
        model.train,
        model.parameters,
        model.named_parameters,
        model.state_dict,
        lambda: model([[5]], labels=[1]),
    ):
        with pytest.raises(UnsupportedError, match=r"fastplm\.accelerate"):
            train()


def test_config(model, folder, tmp_path):
    assert model.config.hidden_size == 16 and model.config.model_type == "bert"
    assert model.config.to_dict() == json.loads((folder / "config.json").read_text())
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"} and model.config.label2id["LABEL_1"] == 1
    assert model.config.get("nothing", 3) == 3 and not hasattr(model.config, "nothing")
    with pytest.raises(AttributeError, match="cannot be changed"):
        model.config.hidden_size = 17
    model.config.pad_token_id = 3
    assert model.config.pad_token_id == 3
    model.config.pad_token_id = 0
    with pytest.raises(CheckpointError, match="use_cache is 3; expected true or false"):
        model.config.use_cache = 3
    save_tiny("t5", tmp_path)
    config = fastplm.PretrainedConfig.from_pretrained(tmp_path)
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (19, 2, 2)


@pytest.mark.parametrize("family", fastplm.architectures())
def test_settings_that_the_file_does_not_name(family):
    """Are those of transformers' config."""
    reference = transformers.AutoConfig.for_model(family)
    config = fastplm.PretrainedConfig({"model_type": family})
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "problem_type", "num_labels", "id2label"):
        assert getattr(config, name) == getattr(reference, name, None), name


def test_labels(tmp_path):
    """One of num_labels and id2label in place of the file's makes the other anew, as in transformers."""
    names = {0: "a", 1: "b", 2: "c"}
    save_class("BertForSequenceClassification", tmp_path, Tiny(extra={"id2label": names}))
    load = fastplm.BertForSequenceClassification.from_pretrained
    reference = transformers.AutoConfig.from_pretrained
    assert load(tmp_path).config.id2label == names
    for given in ({"num_labels": 3}, {"id2label": {0: "x", 1: "y", 2: "z"}}, {"num_labels": 5}):
        config = fastplm.PretrainedConfig.from_pretrained(tmp_path, **given)
        want = reference(tmp_path, **given)
        assert (config.num_labels, config.id2label) == (want.num_labels, want.id2label)
    with pytest.raises(CheckpointError, match="num_labels is 2, but id2label has 3 names"):
        load(tmp_path, id2label=names, num_labels=2)
    with pytest.raises(CheckpointError, match="id2label has a name for 'x'; expected integers"):
        load(tmp_path, id2label={"x": "a"})


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (dict(), ValueError, "got neither"),
        (dict(input_ids=[[1]], inputs_embeds=np.zeros((1, 1, 16), "f")), ValueError, "got both"),
        (dict(input_ids=[[1, 2], [3]]), ValueError, "input_ids: rows of different lengths"),
        (dict(input_ids=[1, 2]), ValueError, r"input_ids: shape \[2\]; expected \[batch, length\]"),
        (dict(input_ids=[[1.0]]), TypeError, "input_ids: dtype float64; expected integers"),
        (dict(input_ids=[[True]]), TypeError, "input_ids: dtype bool"),
        (dict(input_ids=[["a"]]), TypeError, "input_ids: .*expected numbers"),
        (dict(input_ids=[[None]]), TypeError, "input_ids: .*expected numbers"),
        (dict(input_ids=[[61]]), ValueError, r"input_ids.*61"),
        (dict(input_ids=[[5, -1]]), ValueError, r"input_ids.*-1"),
        (dict(input_ids=[[2**40]]), ValueError, "input_ids.*1099511627776"),
        (dict(input_ids=[[5] * 49]), ValueError, "49.*48"),
        (dict(input_ids=[[5]], attention_mask=[[1, 1]]), ValueError, r"attention_mask: shape \[1, 2\]"),
        (dict(input_ids=[[5]], attention_mask=[1]), ValueError, r"attention_mask: shape \[1\]"),
        (dict(input_ids=[[5]], attention_mask=[[[[0.0, 0.0]]]]), ValueError, r"shape \[1, 1, 1, 2\]"),
        (dict(input_ids=[[5]], attention_mask=[[[[0.0]], [[0.0]]]]), ValueError, r"shape \[1, 2, 1, 1\]"),
        (dict(input_ids=[[5]], attention_mask=[[[[-1.0]]]]), ValueError, "the engine adds nothing else"),
        (dict(input_ids=[[5]], attention_mask=[[[[1.0]]]]), ValueError, "the engine adds nothing else"),
        (dict(input_ids=[[5]], attention_mask=[[[[float("nan")]]]]), ValueError, "adds nothing else"),
        (dict(input_ids=[[5]], attention_mask=[[[[1]]]]), TypeError, "int64 in four dimensions"),
        (dict(input_ids=[[5]], attention_mask={"full_attention": None}), TypeError, "attention_mask"),
        (dict(input_ids=[[5]], attention_mask=[["x"]]), TypeError, "attention_mask"),
        (dict(input_ids=[[5]], token_type_ids=[[3]]), ValueError, "token_type_ids.*3"),
        (dict(input_ids=[[5]], token_type_ids=[[0, 0]]), ValueError, r"token_type_ids: shape \[1, 2\]"),
        (dict(input_ids=[[5]], position_ids=[[48]]), ValueError, "position_ids.*48"),
        (dict(input_ids=[[5]], position_ids=[[-1]]), ValueError, "position_ids.*-1"),
        (dict(input_ids=[[5]], position_ids=[[0.5]]), TypeError, "position_ids"),
        (dict(inputs_embeds=np.zeros((1, 2, 3), "f")), ValueError, r"inputs_embeds: .*\[batch, length, 16\]"),
        (dict(inputs_embeds=np.zeros((1, 2, 16), "i")), TypeError, "inputs_embeds: dtype int32"),
        (dict(input_ids=[[5]], output_hidden_states="all"), TypeError, "output_hidden_states: 'all'"),
        (dict(input_ids=[[5]], output_hidden_states=[0.5]), TypeError, "output_hidden_states"),
        (dict(input_ids=[[5]], output_attentions=1), TypeError, "output_attentions: 1; expected True or"),
        (dict(input_ids=[[5]], return_dict="no"), TypeError, "return_dict"),
        (dict(input_ids=torch.zeros((1, 1), device="meta")), ValueError, "input_ids: .*meta"),
    ],
)  # fmt: skip
def test_wrong_arguments_leave_the_model_usable(model, arguments, error, complaint):
    before = model([[5, 6]])[0]
    with pytest.raises(error, match=complaint):
        model(**arguments)
    assert np.array_equal(model([[5, 6]])[0], before)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_to_do(family, tmp_path):
    save_tiny(family, tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    width = model.config.hidden_size
    assert model(np.zeros((0, 5), np.int64), output_hidden_states=True).hidden_states[1].shape == (
        0,
        5,
        width,
    )
    for nothing in (np.zeros((2, 0), np.int64), [[], []]):
        assert model(nothing).last_hidden_state.shape == (2, 0, width)
    ids, mask = random_batch(61, (4, 4, 4))
    mask[1] = 0
    out = model(ids, mask, output_hidden_states=True, output_attentions=True)
    assert not out.last_hidden_state[1].any()
    assert_layers([out.last_hidden_state[[0, 2]]], [model(ids[[0, 2]])[0]])
    assert not model(ids, np.zeros_like(mask))[0].any()


def test_longest_input(tmp_path):
    """As many tokens as the model has positions; without learned positions there is no such limit."""
    for family, longest in (("bert", 48), ("roberta", 46)):
        save_tiny(family, tmp_path / family)
        model = fastplm.AutoModel.from_pretrained(tmp_path / family)
        assert model([[5] * longest])[0].shape[1] == longest
        with pytest.raises(ValueError, match=f"{longest + 1}.*{longest}"):
            model([[5] * (longest + 1)])
    reference = save_tiny("t5", tmp_path / "t5")
    with torch.no_grad():
        want = reference(torch.full((1, 300), 5)).last_hidden_state
    assert_layers([fastplm.AutoModel.from_pretrained(tmp_path / "t5")([[5] * 300])[0]], [want])


def test_runtime():
    info = fastplm.cpu_info()
    assert info["threads"] == fastplm.num_threads() >= 1
    before = fastplm.num_threads()
    fastplm.set_num_threads(before + 1)
    assert fastplm.num_threads() == before + 1
    fastplm.set_num_threads(before)
    for wrong in (0, -1, 1025):
        with pytest.raises(ValueError, match=str(wrong)):
            fastplm.set_num_threads(wrong)
    assert fastplm.cuda_status()["available"] is False and fastplm.cuda_status()["reason"]


def test_damaged_folder_then_a_sound_one(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        fastplm.AutoModel.from_pretrained(tmp_path)
    assert fastplm.AutoModel.from_pretrained(folder)([[5]])[0].shape == (1, 1, 16)
