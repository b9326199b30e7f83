"""pipeline(): tasks, models, tokenizers, and arguments that are honoured or refused by name."""

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.errors import UnsupportedError
from fastplm.pipelines import TASKS, Pipeline
from fastplm.pipelines.loading import REFUSED
from fastplm.pipelines.table import ALIASES
from fastplm.pipelines.text_classification import TextClassificationPipeline
from fastplm.settings import WITHOUT_EFFECT
from tests.pipelines.cases import TEXT

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize(
    "model", ["features", "mask", "feelings", "entities", "answers", "gpt2 text", "bart text"]
)
def test_the_task_of_a_model(model: str, folder: Any) -> None:
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder(model))
    pipe = fastplm.pipeline(model=folder(model))
    assert pipe.task in TASKS and isinstance(pipe, TASKS[pipe.task].pipeline_class())
    again = fastplm.pipeline(model=pipe.model, tokenizer=tokenizer)
    assert (again.task, again.model, again.tokenizer) == (pipe.task, pipe.model, tokenizer)


@pytest.mark.parametrize("task", [*TASKS, *ALIASES])
def test_without_a_model(task: str) -> None:
    """The default model is not here, and the error says which it is and what is needed."""
    name, _ = TASKS[ALIASES.get(task, task)].default
    task = "translation_en_to_de" if task == "translation" else task
    with pytest.raises(
        (FileNotFoundError, ModuleNotFoundError), match=f"{name}, is not here.*expected model="
    ):
        fastplm.pipeline(task)


def test_translations(folder: Any) -> None:
    """The task names the languages; transformers' model is for three pairs of them."""
    with pytest.raises(ValueError, match=r"translation_en_to_ja.*expected model="):
        fastplm.pipeline("translation_en_to_ja")
    with pytest.raises(KeyError, match=r"translation_en.*translation_XX_to_YY"):
        fastplm.pipeline("translation_en", folder("bart text"))
    pipe = fastplm.pipeline("translation", folder("mbart text"), max_new_tokens=3)
    with pytest.raises(ValueError, match="no src_lang or no tgt_lang"):
        pipe(TEXT, src_lang="en_XX")
    with pytest.raises(ValueError, match="xx_YY"):
        pipe(TEXT, src_lang="en_XX", tgt_lang="xx_YY")
    assert pipe.tokenizer.src_lang == "en_XX"
    german = pipe(TEXT, src_lang="de_DE", tgt_lang="fr_XX", return_tensors="np")[0]
    assert german["translation_token_ids"][1] == pipe.tokenizer.convert_tokens_to_ids("fr_XX")
    assert pipe.tokenizer.src_lang == "en_XX"  # each call has languages of its own
    own = pipe(TEXT, src_lang="de_DE", tgt_lang="fr_XX", return_tensors="np", forced_bos_token_id=5)[0]
    assert own["translation_token_ids"][1] == 5


def test_a_tokenizer_of_its_own(folder: Any) -> None:
    place = folder("feelings")
    want = fastplm.pipeline("text-classification", place)(TEXT)
    for tokenizer in (place, str(place), (place, {"model_max_length": 20})):
        pipe = fastplm.pipeline("text-classification", place, tokenizer=tokenizer)
        assert pipe(TEXT) == want
    assert pipe.tokenizer.model_max_length == 20


def test_a_folder_inside(folder: Any, tmp_path: Path) -> None:
    """Where the model is found, its tokenizer is."""
    place = folder("feelings")
    shutil.copytree(place, tmp_path / "inner")
    pipe = fastplm.pipeline("text-classification", tmp_path, model_kwargs={"subfolder": "inner"})
    assert pipe(TEXT) == fastplm.pipeline("text-classification", place)(TEXT)


def test_a_revision_of_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(name: str, revision: str, token: Any) -> None:
        asked.append((name, revision))
        raise FileNotFoundError("not here")

    monkeypatch.setattr("fastplm.hub.resolve", resolve)
    name, revision = TASKS["fill-mask"].default
    for given in (None, "main"):
        with pytest.raises(FileNotFoundError, match="not here"):
            fastplm.pipeline("fill-mask", revision=given)
    assert asked == [(name, revision), (name, "main")]


def test_one_label_alone_is_a_probability(folder: Any, tmp_path: Path) -> None:
    shutil.copytree(folder("size"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["problem_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    task = "text-classification"
    ours, theirs = (library.pipeline(task, str(tmp_path)) for library in (fastplm, transformers))
    assert ours(TEXT)[0]["score"] == pytest.approx(theirs(TEXT)[0]["score"], abs=1e-5)


@pytest.mark.parametrize("names", [["entailment", "neutral", "contradiction"], ["no", "maybe", "entailment"]])
def test_where_entailment_stands(names: list[str], folder: Any, tmp_path: Path) -> None:
    shutil.copytree(folder("relations"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"], config["label2id"] = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    task, labels = "zero-shot-classification", ["cat", "dog"]
    ours, theirs = (library.pipeline(task, str(tmp_path)) for library in (fastplm, transformers))
    for several in (False, True):
        got, want = (pipe(TEXT, labels, multi_label=several) for pipe in (ours, theirs))
        assert got["labels"] == want["labels"] and got["scores"] == pytest.approx(want["scores"], abs=1e-5)


def test_lengths_count_a_prefix(folder: Any) -> None:
    """A text's own min_length and max_length; the prefix is on top of them."""
    pipe = fastplm.pipeline("text-generation", folder("gpt2 text"), do_sample=False)
    prefix = len(pipe.tokenizer("the cat", add_special_tokens=False)["input_ids"])
    given = {"min_length": 20, "max_length": 20}
    made = pipe(TEXT, prefix="the cat", return_tensors=True, **given)[0]["generated_token_ids"]
    assert len(made) == 20 + prefix


def test_arguments_that_change_nothing_or_the_model(folder: Any) -> None:
    place = folder("feelings")
    others = dict.fromkeys(WITHOUT_EFFECT["pipeline"])
    pipe = fastplm.pipeline(
        "sentiment-analysis", place, framework="pt", device=-1, torch_dtype="bfloat16", processor=None,
        trust_remote_code=False, pipeline_class=TextClassificationPipeline, batch_size=7,
        model_kwargs={"local_files_only": True}, **others,
    )  # fmt: skip
    assert pipe.model.engine.dtype == "bfloat16" and str(pipe.device) == "cpu" and pipe.framework == "pt"
    assert pipe.predict(TEXT) == pipe.transform(TEXT) == pipe(TEXT, num_workers=3)
    pipe = fastplm.pipeline("ner", folder("entities"), model_kwargs={"dtype": "bfloat16"}, config=None)
    assert pipe.model.engine.dtype == "bfloat16"


def test_every_argument_of_transformers_is_known() -> None:
    names = inspect.signature(transformers.pipeline).parameters.keys()
    assert names <= inspect.signature(fastplm.pipeline).parameters.keys() | REFUSED.keys()


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "task": ({"task": "poetry"}, KeyError, "poetry.*fill-mask"),
    "device": ({"device": 0}, UnsupportedError, "cuda:0"),
    "device by name": ({"device": "mps"}, UnsupportedError, "mps"),
    "framework": ({"framework": "tf"}, UnsupportedError, "framework='tf'"),
    "feature_extractor": ({"feature_extractor": "x"}, UnsupportedError, "feature_extractor"),
    "image_processor": ({"image_processor": "x"}, UnsupportedError, "image_processor"),
    "processor": ({"processor": "x"}, UnsupportedError, "processor"),
    "binary_output": ({"binary_output": True}, UnsupportedError, "binary_output"),
    "args_parser": ({"args_parser": print}, UnsupportedError, "args_parser"),
    "dtype": ({"dtype": "float16"}, UnsupportedError, "float16"),
    "dtype twice": ({"dtype": "float32", "model_kwargs": {"dtype": "float32"}}, ValueError, "once"),
    "pipeline_class": ({"pipeline_class": dict}, TypeError, "subclass of TextClassificationPipeline"),
    "model": ({"model": 3}, TypeError, "model is a int"),
    "tokenizer": ({"tokenizer": 3}, TypeError, "tokenizer is a int"),
    "option": ({"truncatoin": True}, TypeError, "truncatoin"),
    "batch_size": ({"batch_size": "many"}, ValueError, "batch_size='many'"),
    "model_kwargs": ({"model_kwargs": {"no_such_setting": 1}}, TypeError, "no_such_setting"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name: str, folder: Any) -> None:
    given, error, message = BAD[name]
    with pytest.raises(error, match=message):
        fastplm.pipeline(**{"task": "text-classification", "model": folder("feelings"), **given})


def test_models_that_do_not_fit(folder: Any) -> None:
    model = fastplm.BertForPreTraining.from_pretrained(folder("mask"))
    with pytest.raises(
        ValueError, match=r"a BertForPreTraining; fill-mask expects one of fastplm\.AutoModelFor"
    ):
        fastplm.pipeline("fill-mask", model=model, tokenizer=folder("mask"))
    model = fastplm.AutoModel.from_pretrained(folder("features"))
    with pytest.raises(ValueError, match="without tokenizer="):
        fastplm.pipeline("feature-extraction", model=model)
    with pytest.raises(ValueError, match=r"BertModel; ner expects one of fastplm.AutoModelForToken"):
        fastplm.pipeline("ner", model=model, tokenizer=folder("features"))
    with pytest.raises(UnsupportedError, match="dtype=bfloat16; the model given computes in float32"):
        fastplm.pipeline(model=model, tokenizer=folder("features"), dtype="bfloat16")
    with pytest.raises(TypeError, match="BertModel; expected a folder"):
        fastplm.pipeline("ner", model=transformers.BertModel.from_pretrained(folder("features")))
    with pytest.raises(TypeError, match="tokenizer is a BertTokenizer"):
        other = transformers.AutoTokenizer.from_pretrained(folder("features"))
        fastplm.pipeline(model=model, tokenizer=other)
    with pytest.raises(RuntimeError, match="neither task nor model"):
        fastplm.pipeline()


def test_a_tokenizer_without_a_mask(folder: Any) -> None:
    with pytest.raises(ValueError, match="no mask_token"):
        fastplm.pipeline("fill-mask", folder("mask"), tokenizer=folder("gpt2 feelings"))


def test_a_model_that_knows_no_entailment(folder: Any) -> None:
    with pytest.warns(UserWarning, match="entail"):
        pipe = fastplm.pipeline("zero-shot-classification", folder("feelings"))
    assert pipe.entailment_id == -1 and len(pipe(TEXT, "a, b")["labels"]) == 2


def test_every_task_is_a_pipeline() -> None:
    for task in TASKS.values():
        assert issubclass(task.pipeline_class(), Pipeline) and hasattr(fastplm, task.auto)
    assert set(ALIASES.values()) <= set(TASKS)
