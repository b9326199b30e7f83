"""Tokens added and named at run time, and saving, compared with transformers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastplm.errors import UnsupportedError
from fastplm.tokenizer import AddedToken, AutoTokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEXTS = ["the <x> cat <y>sat [MASK]", "<X>  <x>a hello<new>", "", "  <e1> on mat <img>"]


@pytest.fixture
def both(tmp_path: Path, settings: dict[str, Any]) -> tuple[Any, Any]:
    path = tmp_path / "model"
    path.mkdir()
    (path / "tokenizer.json").write_text(json.dumps(settings))
    config = {"tokenizer_class": "BertTokenizer", "image_token": "<img>", "model_max_length": 20}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)


def state(tok: Any) -> dict[str, Any]:
    names = ("bos", "eos", "unk", "sep", "pad", "cls", "mask", "image")
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {
        "length": len(tok),
        "vocab_size": tok.vocab_size,
        "vocab": tok.get_vocab(),
        "added": tok.get_added_vocab(),
        "decoder": {i: [getattr(t, f) for f in flags] for i, t in tok.added_tokens_decoder.items()},
        "named": {f"{n}{end}": getattr(tok, f"{n}_token{end}") for n in names for end in ("", "_id")},
        "map": tok.special_tokens_map,
        "extra": (tok.extra_special_tokens, tok.extra_special_tokens_ids),
        "all": (tok.all_special_tokens, tok.all_special_ids),
        "count": [tok.num_special_tokens_to_add(pair) for pair in (False, True)],
        "lengths": (tok.max_len_single_sentence, tok.max_len_sentences_pair),
        "ids": tok(TEXTS)["input_ids"],
        "texts": tok.batch_decode(tok(TEXTS)["input_ids"], skip_special_tokens=True),
        "tokens": [tok.convert_ids_to_tokens(ids) for ids in tok(TEXTS)["input_ids"]],
        "plain": [
            tok.convert_ids_to_tokens(ids, skip_special_tokens=True) for ids in tok(TEXTS)["input_ids"]
        ],
        "lookup": tok.convert_tokens_to_ids(["cat", "<x>", "nothing at all", "<img>"]),
    }


def token(kind: Any, content: str, **flags: bool) -> Any:
    return kind(content, **flags)


STEPS: list[Any] = [
    lambda tok, T: tok.add_tokens("<x>"),
    lambda tok, T: tok.add_tokens(["<x>", "<y>", "cat", "", "<y>"]),
    lambda tok, T: tok.add_tokens([T("<x>", lstrip=True), "<x>", T("<z>"), T("<z>", rstrip=True)]),
    lambda tok, T: tok.add_tokens([T("<y>", single_word=True, normalized=False)], special_tokens=True),
    lambda tok, T: tok.add_tokens([]),
    lambda tok, T: tok.add_special_tokens({"pad_token": "<new>", "bos_token": T("<bos>", rstrip=True)}),
    lambda tok, T: tok.add_special_tokens({"extra_special_tokens": ["<e1>", T("<e2>", lstrip=True)]}),
    lambda tok, T: tok.add_special_tokens(
        {"extra_special_tokens": ["<e3>", "<e1>"]}, replace_extra_special_tokens=False
    ),
    lambda tok, T: tok.add_special_tokens({"additional_special_tokens": ["<e4>"]}),
    lambda tok, T: tok.add_special_tokens({}),
    lambda tok, T: setattr(tok, "mask_token", "<x>"),
    lambda tok, T: setattr(tok, "eos_token", T("<y>", lstrip=True)),
    lambda tok, T: setattr(tok, "unk_token_id", 9),
    lambda tok, T: setattr(tok, "sep_token", None),
    lambda tok, T: setattr(tok, "cls_token", "not there"),
    lambda tok, T: setattr(tok, "pad_token_id", 10**6),
    lambda tok, T: setattr(tok, "image_token", "cat"),
    lambda tok, T: setattr(tok, "extra_special_tokens", ["cat", "<x>"]),
    lambda tok, T: setattr(tok, "extra_special_tokens_ids", [7, 8]),
    lambda tok, T: setattr(tok, "extra_special_tokens", None),
    lambda tok, T: tok.add_tokens([f"<t{i}>" for i in range(50)]),
]


def test_steps(both: tuple[Any, Any]) -> None:
    """One after the other on the same tokenizers: returned values, and everything that can be asked."""
    ours, reference = both
    assert state(ours) == state(reference)
    for i, step in enumerate(STEPS):
        assert step(ours, AddedToken) == step(reference, tokenizers.AddedToken), i
        assert state(ours) == state(reference), i
    again = pickle.loads(pickle.dumps(ours))
    assert state(again) == state(ours)


@pytest.mark.parametrize(
    "step",
    [
        lambda tok: setattr(tok, "pad_token", 3),
        lambda tok: setattr(tok, "extra_special_tokens", "abc"),
        lambda tok: tok.add_special_tokens({"shiny_token": "x"}),
        lambda tok: tok.add_special_tokens({"pad_token": 3}),
        lambda tok: tok.add_special_tokens({"extra_special_tokens": "x"}),
        lambda tok: tok.add_special_tokens({"pad_token": "<p>", "extra_special_tokens": [3]}),
    ],
)
def test_bad_names(both: tuple[Any, Any], step: Any) -> None:
    before = state(both[0])
    for tok in both:
        with pytest.raises(ValueError):
            step(tok)
    assert state(both[0]) == before


def test_ids_that_are_none(both: tuple[Any, Any]) -> None:
    ours, reference = both
    assert ours.convert_ids_to_tokens([0, 10**6, 2**31, 2**40]) == ["[PAD]", None, None, None]
    assert ours.convert_ids_to_tokens(np.array([1, 2])) == reference.convert_ids_to_tokens([1, 2])
    with pytest.raises(ValueError, match="token id is -1"):
        ours.convert_ids_to_tokens(-1)
    with pytest.raises(AttributeError, match="shiny_token"):
        ours.shiny_token  # noqa: B018 - the access is the test
    assert ours.tokenize("the <img> cat") == reference.tokenize("the <img> cat")


def models(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    words = dict(settings["model"]["vocab"])
    letters = {token: i for i, token in enumerate(["<unk>", "<s>", *"abcdeh", "ab", "abc"])}
    ends = {"Sequence": {"id": "A", "type_id": 0}}
    post = {
        "type": "TemplateProcessing", "single": [ends],
        "pair": [ends, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {},
    }  # fmt: skip
    common = {**settings, "post_processor": post, "decoder": None, "added_tokens": []}
    split = {"type": "WhitespaceSplit"}
    return {
        "WordPiece": settings,
        "WordLevel": {
            **common, "normalizer": None, "pre_tokenizer": split,
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
        },
        "BPE": {
            **common, "normalizer": {"type": "NFC"}, "pre_tokenizer": None,
            "model": {
                "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": False, "ignore_merges": False,
                "vocab": letters, "merges": [["a", "b"], ["ab", "c"]],
            },
        },
        "Unigram": {
            **common, "normalizer": None,
            "pre_tokenizer": {
                "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True,
            },
            "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            "model": {
                "type": "Unigram", "unk_id": 0, "byte_fallback": False,
                "vocab": [[piece, -float(i) / 3] for i, piece in enumerate([*letters, "▁", "▁a"])],
            },
        },
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["WordPiece", "WordLevel", "BPE", "Unigram"])
def test_saved_and_read_back(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(models(settings)[kind]))
    (tmp_path / "tokenizer_config.json").write_text(
        '{"padding_side": "left", "model_max_length": 9, "pad_token": "a", "image_token": "b"}'
    )
    ours = AutoTokenizer.from_pretrained(tmp_path)
    ours.add_tokens([AddedToken("<x>", lstrip=True), "Né"])
    ours.add_special_tokens({"bos_token": "<b>", "extra_special_tokens": ["<e>"]})
    texts = [*TEXTS, "abcab hé", "Né abc<b>"]
    saved = tmp_path / "deep/saved"
    names = ours.save_pretrained(saved)
    assert names == tuple(str(saved / name) for name in ("tokenizer_config.json", "tokenizer.json"))
    assert sorted(p.name for p in saved.iterdir()) == [
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    reference = transformers.AutoTokenizer.from_pretrained(saved)
    file = tokenizers.Tokenizer.from_file(str(saved / "tokenizer.json"))
    assert json.loads(file.to_str()) == json.loads((saved / "tokenizer.json").read_text())
    for again in (AutoTokenizer.from_pretrained(saved), reference):
        assert again(texts)["input_ids"] == ours(texts)["input_ids"]
        assert again.get_vocab() == ours.get_vocab()
        for name in ("special_tokens_map", "extra_special_tokens", "all_special_ids", "padding_side",
                     "model_max_length", "model_input_names", "image_token_id"):  # fmt: skip
            assert getattr(again, name) == getattr(ours, name), name
    assert [e.ids for e in file.encode_batch(texts)] == ours(texts)["input_ids"]
    assert reference.save_pretrained(tmp_path / "theirs") == tuple(
        str(tmp_path / "theirs" / Path(name).name) for name in names
    )
    assert AutoTokenizer.from_pretrained(tmp_path / "theirs")(texts)["input_ids"] == ours(texts)["input_ids"]


def test_what_saving_refuses(both: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both
    for option in ({"push_to_hub": True}, {"legacy_format": True}):
        with pytest.raises(UnsupportedError, match=next(iter(option))):
            ours.save_pretrained(tmp_path / "saved", **option)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        ours.save_pretrained(tmp_path / "file")
    names = ours.save_pretrained(tmp_path / "saved", legacy_format=False, filename_prefix="my")
    assert [Path(name).name for name in names] == ["my-tokenizer_config.json", "my-tokenizer.json"]
    before = (tmp_path / "saved/my-tokenizer.json").read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        ours.save_pretrained(tmp_path / "saved", filename_prefix="my")
    assert (tmp_path / "saved/my-tokenizer.json").read_bytes() == before
    assert not list((tmp_path / "saved").glob(".*"))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_streams(both: tuple[Any, Any], tmp_path: Path, size: int) -> None:
    ours, _ = both
    texts = [*TEXTS, *(f"the cat {i}" for i in range(7)), ""]
    file = tmp_path / "texts.txt"
    file.write_bytes(b"".join(text.encode() + b"\r\n" for text in texts))
    want, begin = ours.encode_packed(texts)
    for make in (lambda: texts, lambda: iter(texts), lambda: str(file), lambda: file, lambda: file.open("rb"),
                 lambda: file.open(encoding="utf-8")):  # fmt: skip
        batches = list(ours.encode_stream(make(), batch_size=size, show_progress_bar=False))
        assert [len(cu) - 1 for _, cu in batches] == [
            min(size, len(texts) - i) for i in range(0, len(texts), size)
        ]
        assert np.concatenate([ids for ids, _ in batches]).tolist() == want.tolist()
        assert np.concatenate([np.diff(cu) for _, cu in batches]).tolist() == np.diff(begin).tolist()
    options = {
        "add_special_tokens": False,
        "truncation": True,
        "max_length": 2,
        "return_token_type_ids": True,
    }
    for ids, cu, types in ours.encode_stream(texts, batch_size=size, **options):
        assert len(ids) == len(types) == cu[-1] and max(np.diff(cu)) <= 2


def test_streams_are_lazy_and_bounded(both: tuple[Any, Any]) -> None:
    ours, _ = both
    taken = 0

    def many() -> Any:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield "the cat " * 200_000

    stream = ours.encode_stream(many(), batch_size=10**9)
    ids, cu = next(stream)
    assert len(cu) - 1 < 12 and taken < 14 and len(ids)
    stream.close()


def test_stream_errors(both: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, _ = both
    with pytest.raises(FileNotFoundError):
        ours.encode_stream(tmp_path / "nothing")
    with pytest.raises(ValueError, match="batch_size is 0"):
        ours.encode_stream(["a"], batch_size=0)
    with pytest.raises(ValueError, match="errors is 'hide'"):
        ours.encode_stream(["a"], errors="hide")
    file = tmp_path / "latin.txt"
    file.write_bytes(b"a\ncaf\xe9\n")
    with pytest.raises(ValueError, match=r"latin.txt, line 2: .* at byte 3"):
        list(ours.encode_stream(file))
    assert len(next(ours.encode_stream(file, errors="replace"))[1]) == 3
    with pytest.raises(TypeError, match="text 1 is a int"):
        list(ours.encode_stream(["a", 3]))
    with pytest.raises(ValueError, match="max_length is 3 without truncation"):
        list(ours.encode_stream(["a"], max_length=3))
    assert list(ours.encode_stream([])) == []
    pytest.importorskip("tqdm")
    assert len(list(ours.encode_stream(TEXTS, batch_size=2, show_progress_bar=True))) == 2
    assert "4/4" in capsys.readouterr().err


def test_the_backend_is_the_same_tokenizer(load: Any, settings: dict[str, Any]) -> None:
    ours, _ = load(settings)
    texts = ["the cats sat", "a <x> b"]
    for _ in range(2):
        backend = ours.backend_tokenizer
        assert backend is ours.backend_tokenizer is ours._tokenizer
        assert [encoding.ids for encoding in backend.encode_batch(texts)] == ours(texts)["input_ids"]
        assert backend.model.continuing_subword_prefix == "##"
        ours.add_tokens(["<x>"])
    assert pickle.loads(pickle.dumps(ours))._link is None
