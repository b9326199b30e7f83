"""`fastplm train`: every task learns from a file, and what it saves loads."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import transformers
from sklearn import metrics

import fastplm
from fastplm.cli import main
from fastplm.training.recipes import TASKS, Settings, curve, labels, language, questions, sentences, train
from fastplm.training.recipes.files import columns, read

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertForPreTraining", "wordpiece/bert-base-uncased", {"vocab_size": 30522, **SMALL}),
    "gpt2": ("GPT2LMHeadModel", "bpe_bytelevel/gpt2", {"n_embd": 16, "n_layer": 1, "n_head": 2}),
    "t5": (
        "T5ForConditionalGeneration", "unigram/t5-small",
        {"vocab_size": 32128, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2,
         "decoder_start_token_id": 0},
    ),
}  # fmt: skip
WORDS = ("a fine film", "a dull film", "fine music", "dull music", "what a fine day", "what a dull day")
ROWS: dict[str, list[dict[str, Any]]] = {
    "text": [{"text": f"{w}, said the critic of the town"} for w in WORDS * 4],
    "classification": [{"text": w, "label": "good" if "fine" in w else "bad"} for w in WORDS * 4],
    "ner": [
        {"tokens": ["Anna", "Smith", "lives", "in", city], "tags": ["B-PER", "I-PER", "O", "O", "B-LOC"]}
        for city in ("Paris", "Berlin", "Reykjavik") * 6
    ],
    "qa": [
        {
            "question": "where?", "context": f"It stands in {city}.",
            "answers": {"text": [city], "answer_start": [13]},
        }
        for city in ("Paris", "Berlin") * 8
    ],
    "pairs": [
        {"anchor": f"a {w} day", "positive": f"{w}, {w}", "negative": f"not {w}"}
        for w in ("red", "blue", "old", "new", "cold", "warm", "long", "dark") * 2
    ],
    "seq2seq": [{"source": f"translate: {w}", "target": w} for w in WORDS * 3],
}  # fmt: skip
CASES = {
    "mlm": ("bert", "text"), "mlm-nsp": ("bert", "text"), "clm": ("gpt2", "text"),
    "span-corruption": ("t5", "text"), "seq2seq": ("t5", "seq2seq"),
    "classification": ("bert", "classification"), "ner": ("bert", "ner"), "qa": ("bert", "qa"),
    "sentence-embeddings": ("bert", "pairs"),
}  # fmt: skip
QUICK = Settings(epochs=2, batch_size=8, learning_rate=5e-3, max_length=16)


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder of the model of that name."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            cls, tokenizer, settings = MODELS[name]
            folder = made[name] = tmp_path_factory.mktemp(name)
            network = getattr(transformers, cls)
            torch.manual_seed(0)
            network(network.config_class(**settings)).save_pretrained(folder)
            for file in (data / "tokenizers" / tokenizer).iterdir():
                shutil.copy(file, folder)
        return made[name]

    return make


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("task", TASKS)
def test_every_task(task: str, model: Any, tmp_path: Path) -> None:
    family, rows = CASES[task]
    file = write(tmp_path / "train.jsonl", ROWS[rows])
    found = train(task, str(model(family)), tmp_path / "out", file, file, QUICK)
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    curve = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert curve[1] < curve[0] and np.isfinite(found["train_loss"])
    again = getattr(transformers, TASKS[task].model).from_pretrained(tmp_path / "out")
    assert sum(p.numel() for p in again.parameters()) > 0
    picture = ElementTree.parse(tmp_path / "out" / "curve.svg").getroot()
    assert len(picture.findall("{*}polyline")) == ("loss" in log[0]) + 1
    wanted = {
        "classification": "f1",
        "ner": "f1",
        "qa": "exact_match",
        "sentence-embeddings": "accuracy",
    }.get(task, "perplexity")
    assert f"eval_{wanted}" in found
    if wanted == "perplexity":
        assert found["eval_perplexity"] == pytest.approx(np.exp(found["eval_loss"]))
    if task == "classification":
        assert again.config.label2id == {"bad": 0, "good": 1}


@pytest.mark.parametrize(
    ("task", "rows", "cls", "last"),
    [("classification", "classification", "AutoModelForSequenceClassification", 6),
     ("sentence-embeddings", "pairs", "AutoModel", 4)],
)  # fmt: skip
def test_resumed_is_uninterrupted(
    task: str, rows: str, cls: str, last: int, model: Any, tmp_path: Path
) -> None:
    """Stopped after one epoch of two, then resumed: the weights of a run in one go."""
    file = write(tmp_path / "train.jsonl", ROWS[rows])
    options = {"epochs": 2, "batch_size": 8, "max_length": 16}
    arguments = (task, str(model("bert")))
    train(*arguments, tmp_path / "whole", file, None, Settings(**options))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / f"checkpoint-{last}")
    begun = tmp_path / "cut" / f"checkpoint-{last // 2}" / "model.safetensors"
    before = begun.stat().st_mtime_ns
    train(*arguments, tmp_path / "cut", file, None, Settings(**options, resume=True))
    assert begun.stat().st_mtime_ns == before, "the first epoch ran again"
    first, second = (
        getattr(transformers, cls).from_pretrained(tmp_path / name).state_dict() for name in ("whole", "cut")
    )
    assert all(torch.equal(t, second[name]) for name, t in first.items())


def test_the_best_of_the_evaluations_is_kept(model: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "train.jsonl", ROWS["classification"])
    arguments = ("classification", str(model("bert")), tmp_path / "out", file)
    with pytest.raises(ValueError, match="patience needs an evaluation file"):
        train(*arguments, None, Settings(patience=1))
    found = train(*arguments, file, Settings(epochs=6, batch_size=8, learning_rate=0.5, patience=2))
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    curve = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert min(curve) < curve[-2] and found["eval_loss"] == pytest.approx(min(curve))


def test_an_encoder_of_sentences(model: Any, tmp_path: Path) -> None:
    """Trained on pairs from a CSV file, evaluated on scored ones; both libraries load what is saved, with
    equal vectors, and it is trained on as it is pooled.
    """
    from sentence_transformers import SentenceTransformer

    pairs = tmp_path / "pairs.csv"
    pairs.write_text("anchor,positive\n" + "".join(f"{r['anchor']},{r['positive']}\n" for r in ROWS["pairs"]))
    scored = write(
        tmp_path / "scored.jsonl",
        [{"anchor": "a red day", "positive": "red, red", "score": 1.0},
         {"anchor": "a red day", "positive": "warm, warm", "score": 0.2},
         {"anchor": "a cold day", "positive": "cold, cold", "score": 0.9}],
    )  # fmt: skip
    command = [
        "train",
        "sentence-embeddings",
        str(model("bert")),
        str(pairs),
        "--eval",
        str(scored),
        "--steps",
        "3",
    ]
    assert main([*command, "--max-length", "9", "-o", str(tmp_path / "out")]) == 0
    texts = ["a red day", "not so warm, and very much longer than nine tokens", ""]
    for pooling, normalize in (("mean", False), ("cls", True)):
        if normalize:
            sentences.write_modules(tmp_path / "out", 16, pooling, normalize, 9)
        ours, theirs = fastplm.SentenceEncoder(tmp_path / "out"), SentenceTransformer(str(tmp_path / "out"))
        np.testing.assert_allclose(ours.encode(texts), theirs.encode(texts), atol=2e-5)
        assert ours.max_seq_length == 9 and sentences.pooling_of(str(tmp_path / "out")) == (
            pooling,
            normalize,
        )
    found = train("sentence-embeddings", str(tmp_path / "out"), tmp_path / "again", pairs, scored, QUICK)
    assert -1 <= found["eval_spearman"] <= 1 and 0 <= found["eval_accuracy"] <= 1
    again = fastplm.SentenceEncoder(tmp_path / "again").encode(texts)
    np.testing.assert_allclose(np.linalg.norm(again, axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="example 1 has a score; expected pairs that belong together"):
        train("sentence-embeddings", str(tmp_path / "out"), tmp_path / "no", scored, None, QUICK)


def test_the_encoders_loss_is_sentence_transformers(model: Any) -> None:
    from sentence_transformers import SentenceTransformer, losses, models

    from fastplm.training.recipes.encoder import PairedEncoder

    word = models.Transformer(str(model("bert")))
    reference = SentenceTransformer(modules=[word, models.Pooling(16)], device="cpu").eval()
    network = PairedEncoder(word.auto_model, "mean").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model("bert"))
    rows = ROWS["pairs"][:8]
    batch = sentences.collated(sentences.together(rows, tokenizer, 16, False), tokenizer.pad_token_id)
    texts = [reference.preprocess([r[k] for r in rows]) for k in ("anchor", "positive", "negative")]
    with torch.no_grad():
        want = losses.MultipleNegativesRankingLoss(reference)(texts, None)
        got = network(**batch)
        a, b = (
            reference.encode([r[k] for r in rows], convert_to_tensor=True) for k in ("anchor", "positive")
        )
    torch.testing.assert_close(got["loss"], want, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got["logits"][:, 0], torch.cosine_similarity(a, b), atol=1e-5, rtol=1e-4)


def test_ranks_are_spearmans() -> None:
    from scipy.stats import spearmanr

    cosines, scores = np.array([0.1, 0.5, 0.5, 0.9, 0.2]), np.array([1.0, 2.0, 3.0, 3.0, 0.0])
    prediction = transformers.EvalPrediction(np.stack([cosines, cosines > 0.3], 1), scores)
    found = sentences.figures(prediction)
    assert found == {"accuracy": 0.6, "spearman": pytest.approx(spearmanr(cosines, scores).statistic)}


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"anchor": "a", "positive": "b", "negative": "c"}, {"anchor": "a", "positive": "b"}],
         "example 2: negatives of some examples"),
        ([{"anchor": "a", "positive": "b", "score": 1}], "example 1 has a score"),
        ([{"anchor": "a", "positive": "b", "negative": "c", "score": ""}, {"anchor": "a", "positive": "b",
          "negative": ""}], "example 2: negatives of some examples"),
    ],
)  # fmt: skip
def test_pairs_that_are_refused(rows: list[dict[str, Any]], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        sentences.together(rows, lambda texts, **_: {"input_ids": [[1]] * len(texts)}, 8, False)


def test_other_encoders_are_refused(model: Any, tmp_path: Path) -> None:
    sentences.write_modules(tmp_path, 16, "mean", False, 9)
    (tmp_path / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 16, "pooling_mode": "max"}'
    )
    with pytest.raises(fastplm.UnsupportedError, match="itself, pooling by max; expected a Transformer"):
        sentences.pooling_of(str(tmp_path))
    file = write(tmp_path / "pairs.jsonl", ROWS["pairs"])
    with pytest.raises(
        ValueError, match="T5Model is an encoder and a decoder; expected a model of one stack"
    ):
        train("sentence-embeddings", str(model("t5")), tmp_path / "out", file, None, QUICK)


def test_curves() -> None:
    """Also of one point, of none, and of losses that are not finite."""
    log = [{"step": 10, "loss": 3.5}, {"step": 20, "loss": 2.5}, {"step": 20, "eval_loss": 0.5}]
    picture = ElementTree.fromstring(curve.svg(log, "a < b"))
    first, second = (line.attrib["points"].split() for line in picture.findall("{*}polyline"))
    (x1, y1), (x2, y2) = (tuple(map(float, point.split(","))) for point in first)
    assert len(second) == 1 and x1 < x2 and y1 < y2  # a smaller loss stands lower
    texts = [text.text for text in picture.findall("{*}text")]
    assert "a < b" in texts and "training loss" in texts and "evaluation loss" in texts and "20" in texts
    for other in ([], [{"step": 1, "loss": float("nan")}], [{"step": 0, "loss": 0.0}]):
        assert ElementTree.fromstring(curve.svg(other, "")).tag.endswith("svg")


def test_the_command(model: Any, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in ROWS["classification"]))
    command = ["train", "classification", str(model("bert")), str(file), "--eval", str(file), "--steps", "2"]
    assert main([*command, "-o", str(tmp_path / "out"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 <= figures["eval_accuracy"] <= 1 and (tmp_path / "out" / "model.safetensors").exists()
    assert main(["train", "qa", str(model("bert")), str(file), "-o", str(tmp_path)]) == 2
    assert "example 1 has no 'question'; expected question, context, answers" in capsys.readouterr().err
    (tmp_path / "plan").mkdir()
    for part in model("bert").iterdir():
        if part.suffix != ".safetensors":
            shutil.copy(part, tmp_path / "plan")
    command[2:3] = [str(tmp_path / "plan"), "--from-scratch"]
    assert main([*command, "-o", str(tmp_path / "new")]) == 0


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.doc", b"", r"ends in '\.doc'; expected one of \.txt"),
        ("a.txt", b"\n", "no examples"),
        ("a.txt", b"\xff", "not UTF-8 at byte 0"),
        ("a.jsonl", b"{}\n[]\n", "line 2 is a list; expected a JSON object"),
        ("a.jsonl", b"{", "line 1: .*; expected a JSON object"),
    ],
)
def test_bad_files(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=text):
        read(tmp_path / name)


def test_files_of_examples(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"x\ty"\t1\n')
    assert read(tmp_path / "a.tsv") == [{"text": "x\ty", "label": "1"}]
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    assert read(tmp_path / "a.txt") == [{"text": "one"}, {"text": "two"}]
    with pytest.raises(ValueError, match="example 2 has no 'text'; expected text"):
        columns(tmp_path / "a", [{"text": "a"}, {"text": None}], ["text"])


@pytest.fixture(scope="module")
def words(data: Path) -> Any:
    return transformers.BertTokenizer.from_pretrained(data / "tokenizers" / "wordpiece" / "bert-base-uncased")


def test_blocks(words: Any) -> None:
    """Each text and a separator behind it; what is left over is left out."""
    texts = ["a fine film", "dull", "what a dull day"]
    rows = [{"text": text} for text in texts]
    whole = [
        i for text in texts for i in (*words(text, add_special_tokens=False).input_ids, words.sep_token_id)
    ]
    assert [block["input_ids"] for block in language.blocks(rows, words, 4)] == [whole[:4], whole[4:8]]
    assert language.blocks(rows, words, 99) == [{"input_ids": whole}]


def test_pairs_of_sentences(words: Any) -> None:
    rows = [{"text": chr(ord("a") + i % 26) + chr(ord("a") + i // 26)} for i in range(200)]
    pairs = language.sentence_pairs(rows, words, 16, seed=0)
    assert len(pairs) == 199
    for i, pair in enumerate(pairs):
        follows = pair["input_ids"] == words(rows[i]["text"], rows[i + 1]["text"]).input_ids
        assert pair["next_sentence_label"] == int(not follows)
    assert 60 < sum(pair["next_sentence_label"] for pair in pairs) < 140


def test_labels_of_texts_and_words(words: Any) -> None:
    assert labels.classes([{"label": label} for label in ("b", 10, 9, "a", 9)]) == ["9", "10", "a", "b"]
    rows = [{"tokens": ["Reykjavik", "is", "unaffordable"], "tags": ["B-LOC", "O", "O"]}]
    (feature,) = labels.tagged(rows, words, 32, labels.tags(rows))
    told = [(i, label) for i, label in enumerate(feature["labels"]) if label != -100]
    found = words(rows[0]["tokens"], is_split_into_words=True).word_ids()
    assert told == [(found.index(0), 1), (found.index(1), 0), (found.index(2), 0)]


def test_figures_of_classes_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    right, logits = rng.integers(0, 3, 50), rng.standard_normal((50, 4))
    got = labels.class_figures(SimpleNamespace(predictions=logits, label_ids=right))
    want = metrics.precision_recall_fscore_support(
        right, logits.argmax(-1), average="macro", labels=[0, 1, 2], zero_division=0
    )
    assert [got[name] for name in ("precision", "recall", "f1")] == pytest.approx(want[:3])
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(right, logits.argmax(-1)))


def test_entities_are_counted_whole() -> None:
    assert labels.entities(["B-A", "I-A", "B-A", "O", "I-B", "I-A"]) == {
        ("A", 0, 2), ("A", 2, 3), ("B", 4, 5), ("A", 5, 6),
    }  # fmt: skip


def test_squads_scores() -> None:
    compare = questions._compare
    assert compare("The Eiffel Tower!", ["eiffel tower"]) == (1.0, 1.0)
    assert compare("Paris in France", ["Paris", "London"]) == (0.0, 0.5)
    assert compare("", [""]) == (1.0, 1.0) and compare("", ["x"]) == (0.0, 0.0)


def test_answers_in_pieces(words: Any) -> None:
    """Each piece that has the whole answer says where; the best one of an example's pieces counts."""
    context = "He lives here. " * 6 + "She lives in Reykjavik now. " + "They live there. " * 6
    answer = {"text": ["in Reykjavik"], "answer_start": [context.index("in Reykjavik")]}
    rows = [{"question": "where?", "context": context, "answers": answer}]
    features, places = questions.pieces(rows, words, 32)
    with_answer = []
    for feature, place in zip(features, places, strict=True):
        begin, end = feature["start_positions"], feature["end_positions"]
        if whole := bool(begin):
            found = place["offsets"][begin][0], place["offsets"][end][1]
            assert context[slice(*found)] == "in Reykjavik"
        else:
            cut = [o for o in place["offsets"] if o]
            assert not (cut[0][0] <= answer["answer_start"][0] and cut[-1][1] >= found_end(answer))
        with_answer.append(whole)
    assert 0 < sum(with_answer) < len(with_answer)
    offsets = [None, (0, 2), (3, 5), (6, 9)]
    for answer_at, tokens in (
        ((3, 9), (2, 3)),
        ((4, 5), (2, 2)),
        ((0, 5), (1, 2)),
        ((-1, 2), (0, 0)),
        ((3, 12), (0, 0)),
        ((12, 15), (0, 0)),
    ):
        assert questions._tokens(offsets, *answer_at) == tokens
    starts, ends = np.zeros((2, len(features), 32))
    for i, feature in enumerate(features):
        if with_answer[i]:
            starts[i, feature["start_positions"]] = ends[i, feature["end_positions"]] = 9
    assert questions.figures(rows, places, SimpleNamespace(predictions=(starts, ends))) == {
        "exact_match": 1.0, "f1": 1.0,
    }  # fmt: skip


def found_end(answer: dict[str, Any]) -> int:
    return answer["answer_start"][0] + len(answer["text"][0])  # type: ignore[no-any-return]


@pytest.mark.parametrize("tokens", [questions.LONGEST_ANSWER, questions.LONGEST_ANSWER + 1])
def test_the_longest_answer(tokens: int) -> None:
    context = "x" * 40
    starts, ends = np.zeros((2, 40))
    starts[3], ends[3 + tokens - 1] = 9, 9
    found = questions._answer(context, [(i, i + 1) for i in range(40)], starts, ends)
    assert (len(found[1]) == tokens) == (tokens == questions.LONGEST_ANSWER)


def test_spans_are_given_back(data: Path) -> None:
    """What source and target say together is the text."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(data / "tokenizers" / "unigram" / "t5-small")
    ids = list(range(100, 164))
    collate = language.SpanCorruption(tokenizer, seed=1)
    batch = collate([{"input_ids": ids}, {"input_ids": ids[:9]}, {"input_ids": ids[:1]}])
    for row, want in enumerate((ids, ids[:9], ids[:1])):
        source = batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist()
        target = batch["labels"][row][batch["labels"][row] != -100].tolist()
        assert source[-1] == target[-1] == tokenizer.eos_token_id
        spans: dict[int, list[int]] = {}
        for token in target[:-1]:
            if token in collate.sentinels:
                last = spans.setdefault(token, [])
            else:
                last.append(token)
        told = [t for token in source[:-1] for t in spans.get(token, [token])]
        assert told == want
        assert sum(map(len, spans.values())) == (0 if len(want) == 1 else max(1, round(len(want) * 0.15)))
