"""What is changed in backend_tokenizer is changed in the tokenizer, as in transformers."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.errors import UnsupportedError

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

KINDS = {
    "WordPiece": "wordpiece/bert-base-uncased",
    "BPE of bytes": "bpe_bytelevel/gpt2",
    "BPE of SentencePiece": "spm_bpe/phi-3-mini",
    "Unigram": "unigram/t5-small",
}
TEXTS = [
    "Hello World, how ARE you?",
    "  two  spaces\tand a tab\n",
    "Ünïcödé ﬁ ① 中国 かな 🙂",
    "<x> in 12345 words<x>and zebra zebras",
    "",
    "[SEP] <s> </s> <|endoftext|>",
]


def shortened(path: Path, count: int = 5000) -> dict[str, Any]:
    """A tokenizer.json with that many tokens, or merges, and the added tokens."""
    settings: dict[str, Any] = json.loads(path.read_text())
    model, added = settings["model"], {token["content"] for token in settings["added_tokens"]}
    if isinstance(model["vocab"], list):  # of pieces and scores
        model["vocab"] = [piece for i, piece in enumerate(model["vocab"]) if i < count or piece[0] in added]
        ids = {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    else:
        tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
        if "merges" in model:
            del model["merges"][count:]
            pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
            keep = {"".join(pair) for pair in pairs} | {side for pair in pairs for side in pair} | added
            tokens = [
                token for token in tokens if token in keep or len(token) == 1 or token.startswith("<0x")
            ]
        else:
            tokens = [token for i, token in enumerate(tokens) if i < count or token in added]
        model["vocab"] = ids = {token: i for i, token in enumerate(tokens)}
    for token in settings["added_tokens"]:
        token["id"] = ids.setdefault(token["content"], len(ids))
    if isinstance(model["vocab"], dict):
        model["vocab"] = {token: i for token, i in ids.items() if token in tokens}
    for token in (settings["post_processor"] or {}).get("special_tokens", {}).values():
        token["ids"] = [ids[content] for content in token["tokens"]]
    return settings


@pytest.fixture(scope="module")
def files(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A short tokenizer.json of each kind."""
    folder, paths = tmp_path_factory.mktemp("short"), {}
    for kind, name in KINDS.items():
        paths[kind] = str(folder / f"{kind}.json")
        short = shortened(data / "tokenizers" / name / "tokenizer.json")
        Path(paths[kind]).write_text(json.dumps(short))
    return paths


def load(path: str) -> tuple[Any, Any]:
    """Ours and transformers' of one tokenizer.json."""
    ours, reference = (
        library.PreTrainedTokenizerFast(tokenizer_file=path, pad_token="<pad>")
        for library in (fastplm, transformers)
    )
    return ours, reference


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, files: dict[str, str]) -> tuple[Any, Any]:
    return load(files[request.param])


@pytest.fixture
def gpt2(files: dict[str, str]) -> tuple[Any, Any]:
    return load(files["BPE of bytes"])


def assert_same(pair: tuple[Any, Any], texts: list[str] = TEXTS) -> list[list[int]]:
    """Ids, offsets, masks and decoded texts; returns the ids."""
    ours, reference = pair
    options = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    got, want = ours(texts, **options), reference(texts, **options)
    assert got.data == want.data
    assert ours(texts[:2], texts[2:4]).data == reference(texts[:2], texts[2:4]).data
    ids: list[list[int]] = want["input_ids"]
    for skip in (False, True):
        assert ours.decode(ids, skip_special_tokens=skip) == reference.decode(ids, skip_special_tokens=skip)
    assert ours.tokenize(texts[0]) == reference.tokenize(texts[0])
    assert [row.ids for row in ours.backend_tokenizer.encode_batch(texts)] == ids
    assert len(ours) == len(reference)
    return ids


def template(backend: Any) -> Any:
    token, token_id = "<frame>", backend.token_to_id("<frame>")
    return processors.TemplateProcessing(
        single=f"{token} $A {token}",
        pair=f"{token} $A {token} $B:1 {token}:1",
        special_tokens=[(token, token_id)],
    )


def set_post_processor(backend: Any) -> None:
    backend.add_special_tokens(["<frame>"])
    backend.post_processor = template(backend)


def set_sequence_of_processors(backend: Any) -> None:
    backend.add_special_tokens(["<frame>"])
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template(backend)])


def set_normalizer(backend: Any) -> None:
    steps = [normalizers.NFKD(), normalizers.Lowercase(), normalizers.Replace("zebra", "horse")]
    backend.normalizer = normalizers.Sequence(steps)


def put_before_the_normalizer(backend: Any) -> None:
    before = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence([normalizers.Replace("how", "who"), *before])


def set_pre_tokenizer(backend: Any) -> None:
    before = [] if backend.pre_tokenizer is None else [backend.pre_tokenizer]
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("l", "isolated"), *before])


def set_decoder(backend: Any) -> None:
    backend.decoder = decoders.Sequence([decoders.Replace("Ġ", "_"), decoders.Fuse()])


def set_nothing(backend: Any) -> None:
    backend.normalizer = backend.pre_tokenizer = backend.post_processor = backend.decoder = None


def add_tokens(backend: Any) -> None:
    assert backend.add_tokens(["<x>", tokenizers.AddedToken("zebra", single_word=True, lstrip=True)]) == 2
    assert backend.add_tokens(["<x>"]) == 0


def add_special_tokens(backend: Any) -> None:
    assert backend.add_special_tokens(["<x>", tokenizers.AddedToken("zebra", rstrip=True)]) == 2


def make_a_token_special(backend: Any) -> None:
    backend.add_tokens(["<x>"])
    backend.add_special_tokens(["<x>"])


EDITS = (
    set_post_processor, set_sequence_of_processors, set_normalizer, put_before_the_normalizer,
    set_pre_tokenizer,
    set_decoder, set_nothing, add_tokens, add_special_tokens,
)  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edit(pair: tuple[Any, Any], edit: Callable[[Any], None]) -> None:
    before = [
        pair[1](TEXTS)["input_ids"],
        pair[1].decode(pair[1](TEXTS)["input_ids"]),
        pair[1].tokenize("<x>"),
    ]
    for tokenizer in pair:
        edit(tokenizer.backend_tokenizer)
    ids = assert_same(pair)
    assert before != [ids, pair[1].decode(ids), pair[1].tokenize("<x>")]
    again = pickle.loads(pickle.dumps(pair[0]))
    assert again(TEXTS).data == pair[0](TEXTS).data


@pytest.mark.parametrize("first", [set_post_processor, add_tokens], ids=lambda edit: edit.__name__)
def test_an_edit_after_others(pair: tuple[Any, Any], first: Callable[[Any], None]) -> None:
    for tokenizer in pair:
        backend = tokenizer._tokenizer
        first(backend)
        tokenizer.add_tokens(["words"])
        set_normalizer(backend)
        tokenizer.add_special_tokens({"additional_special_tokens": ["horse"]})
    assert_same(pair)
    assert pair[0]._tokenizer.get_vocab() == pair[1]._tokenizer.get_vocab()


def change_a_step(backend: Any) -> None:
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()])
    backend.normalizer[0] = normalizers.Replace("a", "A")


def change_a_setting(backend: Any) -> None:
    backend.pre_tokenizer.add_prefix_space = True


def change_a_template(backend: Any) -> None:
    set_sequence_of_processors(backend)
    backend.post_processor[1].single = "$A <frame>"


def change_what_was_assigned(backend: Any) -> None:
    backend.pre_tokenizer = step = pre_tokenizers.ByteLevel(add_prefix_space=False)
    step.add_prefix_space = True


def change_the_decoder(backend: Any) -> None:
    backend.decoder = decoders.WordPiece(prefix="e")
    backend.decoder.prefix = "o"


@pytest.mark.parametrize(
    "edit",
    [change_a_step, change_a_setting, change_a_template, change_what_was_assigned, change_the_decoder,
     make_a_token_special],
    ids=lambda edit: edit.__name__,
)  # fmt: skip
def test_a_part_that_was_given_out_is_changed(gpt2: tuple[Any, Any], edit: Callable[[Any], None]) -> None:
    before = gpt2[1](TEXTS)["input_ids"], gpt2[1].decode(gpt2[1](TEXTS)["input_ids"])
    for tokenizer in gpt2:
        edit(tokenizer.backend_tokenizer)
    ids = assert_same(gpt2)
    assert before != (ids, gpt2[1].decode(ids))


def test_a_part_kept_while_the_tokenizer_is_changed(gpt2: tuple[Any, Any]) -> None:
    for tokenizer in gpt2:
        part = tokenizer.backend_tokenizer.pre_tokenizer
        tokenizer.add_tokens(["<x>"])
        part.add_prefix_space = True
    assert_same(gpt2)
    assert gpt2[0]("a")["input_ids"] == gpt2[0](" a")["input_ids"]


def test_a_setting_of_the_model(files: dict[str, str]) -> None:
    pair = load(files["WordPiece"])
    for tokenizer in pair:
        tokenizer.backend_tokenizer.model.max_input_chars_per_word = 4
        tokenizer.backend_tokenizer.model.unk_token = "[PAD]"
    assert 0 in assert_same(pair)[0]


def test_a_step_of_the_normalizer_that_added_tokens_pass(gpt2: tuple[Any, Any]) -> None:
    ours, _ = gpt2
    backend = ours.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase()])
    backend.normalizer[0] = normalizers.Replace("o", "0")
    with pytest.raises(UnsupportedError, match=r"makes the added token '<\|endoftext\|>' another; expected"):
        ours("a")
    for tokenizer in gpt2:
        tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.Replace("o", "0")])
    assert_same(gpt2)


def test_training() -> None:
    pair = tuple(
        library.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(models.BPE(unk_token="<unk>")))
        for library in (fastplm, transformers)
    )
    for tokenizer in pair:
        kind = trainers.BpeTrainer(vocab_size=60, show_progress=False, special_tokens=["<unk>", "<x>"])
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.backend_tokenizer.train_from_iterator(
            ["to be or not to be, that is the question"] * 3, kind
        )
    assert_same(pair)
    assert pair[0].get_vocab() == pair[1].get_vocab()
    assert len(pair[0]) > 30


def test_training_that_moves_added_tokens(gpt2: tuple[Any, Any]) -> None:
    ours, _ = gpt2
    before = ours(TEXTS).data
    with pytest.raises(UnsupportedError, match=r"added token '<\|endoftext\|>' has the id [0-9]+, and"):
        ours.backend_tokenizer.train_from_iterator(["to be"], trainers.BpeTrainer(show_progress=False))
    assert ours(TEXTS).data == before
    assert ours.backend_tokenizer.get_vocab_size() == len(ours)


def test_another_model(gpt2: tuple[Any, Any]) -> None:
    vocab = {token: i for i, token in enumerate(["<unk>", *"Helowrd", "Ġ", "He", "lo"])}
    end = {"<|endoftext|>": gpt2[1].convert_tokens_to_ids("<|endoftext|>")}
    for tokenizer in gpt2:
        model = models.BPE({**vocab, **end}, [("H", "e"), ("l", "o")], unk_token="<unk>")
        tokenizer.backend_tokenizer.model = model
    assert_same(gpt2)
    assert gpt2[0].convert_ids_to_tokens([8, 9, 10]) == ["Ġ", "He", "lo"]


def test_a_model_that_moves_added_tokens(gpt2: tuple[Any, Any]) -> None:
    ours, _ = gpt2
    before = ours(TEXTS).data
    with pytest.raises(
        UnsupportedError, match=r"added token '<\|endoftext\|>' has the id [0-9]+, and 3 where"
    ):
        ours.backend_tokenizer.model = models.BPE({"a": 0, "b": 1, "c": 2, "<|endoftext|>": 3}, [])
    assert ours(TEXTS).data == before
    assert ours.backend_tokenizer.get_vocab_size() == len(ours)


def test_the_whole_object_is_replaced(pair: tuple[Any, Any], files: dict[str, str]) -> None:
    for tokenizer in pair:
        tokenizer._tokenizer = tokenizers.Tokenizer.from_file(files["WordPiece"])
    assert_same(pair)
    with pytest.raises(TypeError, match="_tokenizer: tokenizer_object is a int"):
        pair[0]._tokenizer = 3
    with pytest.raises(AttributeError):
        pair[0].backend_tokenizer = pair[0].backend_tokenizer


class Custom:
    def normalize(self, text: Any) -> None: ...


def test_what_cannot_be_followed_is_refused_by_name(gpt2: tuple[Any, Any]) -> None:
    ours, _ = gpt2
    backend = ours.backend_tokenizer
    backend.normalizer = normalizers.Lowercase()
    before = ours(TEXTS).data
    with pytest.raises(UnsupportedError, match="normalizer is a Normalizer that cannot be written"):
        backend.normalizer = normalizers.Normalizer.custom(Custom())
    with pytest.raises(TypeError, match="Digits"):
        backend.normalizer = pre_tokenizers.Digits()
    assert str(backend.normalizer) == str(normalizers.Lowercase())
    assert ours(TEXTS).data == before

    for name, value in (("dropout", 0.5), ("continuing_subword_prefix", "##")):
        usual = getattr(backend.model, name)
        setattr(backend.model, name, value)
        with pytest.raises(UnsupportedError, match=rf"model.{name} "):
            ours(TEXTS)
        setattr(backend.model, name, usual)
        assert ours(TEXTS).data == before

    backend.normalizer = normalizers.Sequence([normalizers.Lowercase()])
    backend.normalizer[0] = normalizers.Normalizer.custom(Custom())
    with pytest.raises(UnsupportedError, match="normalizer is a Sequence that cannot be written"):
        ours(TEXTS)
    backend.normalizer = normalizers.Lowercase()
    assert ours(TEXTS).data == before


def test_sampling_of_unigram_is_refused(files: dict[str, str]) -> None:
    ours, _ = load(files["Unigram"])
    ours.backend_tokenizer.model.alpha = 0.1
    with pytest.raises(UnsupportedError, match=r"model.alpha was set to 0.1"):
        ours("a")


def test_truncation_and_padding_are_the_calls_own(gpt2: tuple[Any, Any]) -> None:
    for tokenizer in gpt2:
        tokenizer.backend_tokenizer.enable_truncation(max_length=3, stride=1, direction="left")
        tokenizer.backend_tokenizer.enable_padding(length=5, pad_id=7, pad_token="!")
    for name in ("truncation", "padding"):
        ours, reference = (getattr(tokenizer.backend_tokenizer, name) for tokenizer in gpt2)
        assert ours == reference is not None
    ours, reference = (tokenizer.backend_tokenizer.encode(TEXTS[0]) for tokenizer in gpt2)
    assert ours.ids == reference.ids
    assert gpt2[0](TEXTS).data == gpt2[1](TEXTS).data


def test_truncation_and_padding_of_a_file_alone(files: dict[str, str], tmp_path: Path) -> None:
    path = files["WordPiece"]
    ours, reference = fastplm.AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(path)
    backend = ours.backend_tokenizer

    def same() -> list[list[int]]:
        rows: list[list[int]] = ours(TEXTS)["input_ids"]
        assert rows == [row.ids for row in reference.encode_batch(TEXTS)]
        assert backend.truncation == reference.truncation
        assert backend.padding == reference.padding
        return rows

    for each in (backend, reference):
        each.enable_truncation(max_length=6, stride=2, strategy="only_first", direction="left")
    assert {len(row) for row in same()} >= {6, 2}
    for each in (backend, reference):
        each.enable_padding(direction="left", pad_id=9, pad_type_id=1, pad_token="[X]", pad_to_multiple_of=8)
    assert {len(row) for row in same()} == {8}
    ours.save_pretrained(tmp_path)
    saved = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert (saved.truncation, saved.padding) == (reference.truncation, reference.padding)
    for each in (backend, reference):
        each.enable_padding(length=10)
        each.no_truncation()
    same()
    for each in (backend, reference):
        each.no_padding()
        each.encode_special_tokens = True
    same()


def test_reading_changes_nothing_and_costs_nothing(gpt2: tuple[Any, Any]) -> None:
    ours, reference = gpt2
    ours.backend_tokenizer.add_tokens(["<x>"])
    reference.backend_tokenizer.add_tokens(["<x>"])
    assert ours.backend_tokenizer.encode("a").ids == ours.encode("a")
    assert {"_source", "_engine"} <= ours.__dict__.keys()  # calls do not ask whether anything changed
    engine = ours._engine
    assert type(ours.backend_tokenizer.model).__name__ == "BPE"
    assert isinstance(ours.backend_tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel)
    assert ours.decoder.__getstate__() == reference.decoder.__getstate__()
    assert ours._engine is engine


def test_the_object_passes_for_the_library_s_own(gpt2: tuple[Any, Any]) -> None:
    ours, reference = gpt2
    backend = ours.backend_tokenizer
    assert backend is ours._tokenizer
    assert isinstance(backend, tokenizers.Tokenizer)
    assert set(dir(reference.backend_tokenizer)) <= set(dir(backend))
    assert repr(backend) == repr(reference.backend_tokenizer)
    assert backend.to_str() == reference.backend_tokenizer.to_str()
    for copied in (copy.deepcopy(backend), pickle.loads(pickle.dumps(backend))):
        copied.add_tokens(["<x>"])
        assert type(copied) is tokenizers.Tokenizer
    assert ours.tokenize("<x>") != ["<x>"]
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=backend)
    assert wrapped(TEXTS).data == ours(TEXTS).data
    with pytest.raises(AttributeError, match="no_such"):
        _ = backend.no_such


def test_edits_are_saved(pair: tuple[Any, Any], tmp_path: Path) -> None:
    ours, reference = pair
    for tokenizer in pair:
        set_post_processor(tokenizer._tokenizer)
        set_normalizer(tokenizer._tokenizer)
    ours.save_pretrained(tmp_path)
    for library in (fastplm, transformers):
        again = library.AutoTokenizer.from_pretrained(tmp_path)
        assert again(TEXTS)["input_ids"] == reference(TEXTS)["input_ids"]


def test_targets_of_translation_follow_the_edit() -> None:
    vocab = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "a", "\u2581", "\u2581a"])}
    ours = fastplm.NllbTokenizer(vocab=vocab, merges=[("\u2581", "a")])
    different = ours(text_target=["A", "a"])["input_ids"]
    assert different[0] != different[1]
    ours.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert ours.backend_tokenizer.post_processor is not None
    engine = ours._engine
    same = ours(text_target=["A", "a"])["input_ids"]
    assert same[0] == same[1] == different[1]
    assert ours._engine is engine
