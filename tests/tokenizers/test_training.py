"""Training as a call: what its result does not depend on, the tokenizer around it, errors."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer
from tests.tokenizers.training import (
    BERT,
    BYTES,
    CHARACTERS,
    LOWER,
    METASPACE,
    TRAINERS,
    awkward_texts,
    by_id,
    describe,
    learn,
    saved,
)

tokenizers = pytest.importorskip("tokenizers")

# --- what results do not depend on -------------------------------------------------------------------

SMALL = {
    "BPE": BpeTrainer(vocab_size=300, continuing_subword_prefix="+", special_tokens=["<s>"]),
    "WordPiece": WordPieceTrainer(vocab_size=300, limit_alphabet=20),
    "WordLevel": WordLevelTrainer(vocab_size=50),
    "Unigram": UnigramTrainer(vocab_size=90, unk_token="<unk>"),
}


@pytest.fixture
def threads() -> Iterator[None]:
    before = fastplm.num_threads()
    yield
    fastplm.set_num_threads(before)


@pytest.mark.parametrize("kind", TRAINERS)
@pytest.mark.usefixtures("threads")
def test_threads_and_chunks_make_no_difference(tmp_path: Path, kind: str) -> None:
    texts = [
        text + "\n"
        for seed, characters in enumerate(CHARACTERS[:4])
        for text in awkward_texts(seed, characters, 900)
    ]

    def train(corpus: Any, n: int) -> dict[str, Any]:
        fastplm.set_num_threads(n)
        ours = Tokenizer.from_str(describe(kind, METASPACE))
        if isinstance(corpus, list) and isinstance(corpus[0], Path):
            ours.train(corpus, SMALL[kind])
        else:
            ours.train_from_iterator(corpus, SMALL[kind])
        return saved(ours, tmp_path / "out")

    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    files[0].write_text("".join(texts[:700]), newline="\n")
    files[1].write_text("".join(texts[700:]), newline="\n")
    want = train(texts, 1)
    assert train(texts, 4) == want
    assert train(iter(reversed(texts)), 3) == want
    assert train([texts[:5], *texts[5:100], tuple(texts[100:])], 2) == want
    assert train(files, 2) == want
    assert train(files[::-1], 1) == want


def test_lines_that_do_not_fit_into_a_chunk(tmp_path: Path) -> None:
    """Files are read in chunks of 1 MiB."""
    long = "ab cd " * (1 << 19)
    file = tmp_path / "long.txt"
    file.write_text(f"ab\n{long}\n\r\n{long}", newline="\n")
    ours = Tokenizer.from_str(describe("WordLevel"))
    ours.train([file], WordLevelTrainer())
    assert by_id(ours.get_vocab()) == ["\r\n", "ab\n", long, long + "\n"]


def test_files_are_read_as_the_reference_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes("a b\r\n c  d\n\tb\nb\u2028c\x0bd\n\n\ufeffe a\0b\n\n\U0001f44d".encode())
    for pre_tokenizer in (None, BERT, BYTES, {**BYTES, "add_prefix_space": True}, METASPACE):
        ours = Tokenizer.from_str(describe("WordLevel", pre_tokenizer))
        reference = tokenizers.Tokenizer.from_str(describe("WordLevel", pre_tokenizer))
        ours.train([file, file], WordLevelTrainer(special_tokens=["[UNK]"]))
        reference_trainer = tokenizers.trainers.WordLevelTrainer(
            special_tokens=["[UNK]"], show_progress=False
        )
        reference.train([str(file), str(file)], reference_trainer)
        assert saved(ours, tmp_path / "out")["model"] == saved(reference, tmp_path)["model"]


def test_words_at_the_start_of_a_text_that_is_normalized(tmp_path: Path) -> None:
    """Metaspace marks them; not those whose first characters the normalizer has dropped."""
    first = {**METASPACE, "prepend_scheme": "first"}
    texts = ["a b", "\u0000a c", "\u0301d e", "A", " a", "a"]
    for normalizer in (None, LOWER, {"type": "NFC"}):
        description = describe("WordLevel", first, normalizer)
        ours = Tokenizer.from_str(description)
        reference = tokenizers.Tokenizer.from_str(description)
        ours.train_from_iterator(texts, WordLevelTrainer())
        reference.train_from_iterator(texts, tokenizers.trainers.WordLevelTrainer(show_progress=False))
        assert saved(ours, tmp_path / "out")["model"] == saved(reference, tmp_path)["model"]


def test_long_words_take_linear_time() -> None:
    """The reference looks through whole words for every merge."""
    word = "".join(random.Random(0).choices("abcdefgh", k=300_000))
    ours = Tokenizer.from_str(describe("BPE"))
    begin = time.perf_counter()
    ours.train_from_iterator([word], BpeTrainer(vocab_size=3000))
    assert time.perf_counter() - begin < 20
    assert len(ours) == 3000


# --- the tokenizer around it -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_trained_tokenizer_is_read_back(tmp_path: Path, kind: str) -> None:
    texts = awkward_texts(7, "abcdefgh")
    special = ["<s>", AddedToken("[UNK]", lstrip=True, normalized=True)]
    more = {"unk_token": "[UNK]"} if kind == "Unigram" else {}
    ours = learn(describe(kind, METASPACE), texts, kind, vocab_size=120, special_tokens=special, **more)
    ours.save_pretrained(tmp_path)
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ours_again = fastplm.AutoTokenizer.from_pretrained(tmp_path)
    texts = [*texts, "<s>a [UNK] b<s>", "new words: zebra"] if kind != "BPE" else texts
    want = [encoding.ids for encoding in reference.encode_batch(texts)]
    assert ours(texts)["input_ids"] == want
    assert ours_again(texts)["input_ids"] == want
    flags = {token.content: token for token in ours.added_tokens_decoder.values()}
    assert flags["<s>"].special and not flags["<s>"].normalized
    assert flags["[UNK]"].special and flags["[UNK]"].normalized and flags["[UNK]"].lstrip


def test_training_again_replaces_the_vocabulary() -> None:
    ours = Tokenizer.from_str(describe("BPE", BYTES))
    ours.train_from_iterator(["hello hello"])
    assert ours.tokenize("hello") == ["hello"]
    ours.train_from_iterator(["abab"], BpeTrainer(vocab_size=3))
    assert ours.get_vocab() == {"a": 0, "b": 1, "ab": 2}


REAL = ["bpe_bytelevel/gpt2", "bpe_bytelevel/roberta-base", "spm_bpe/phi-3-mini", "wordpiece/bert-base-cased"]


@pytest.mark.parametrize("name", REAL)
def test_train_new_from_iterator(wikitext: list[str], data: Path, tmp_path: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    texts = wikitext[:700]
    folder = data / "tokenizers" / name
    options: dict[str, Any] = {
        "new_special_tokens": ["<new>"], "special_tokens_map": {"[CLS]": "[BEGIN]", "<s>": "<start>"}
    }  # fmt: skip
    ours = fastplm.AutoTokenizer.from_pretrained(folder)
    got = ours.train_new_from_iterator(texts, 1500, **options)
    if name.startswith("wordpiece"):  # see assert_learns_the_same
        alphabet = by_id(ours.train_new_from_iterator(texts, 0, **options).get_vocab())
        options["new_special_tokens"] = [token for token in alphabet if token not in ours.get_added_vocab()]
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    want = reference.train_new_from_iterator(texts, 1500, show_progress=False, **options)
    assert got.get_vocab() == want.get_vocab()
    if not name.startswith("wordpiece"):
        assert got.all_special_tokens == want.all_special_tokens
    assert got.special_tokens_map == want.special_tokens_map
    probes = [*texts[:50], "a <new> b", "<s>[CLS] <start> [BEGIN]", "", "x </s><|endoftext|> \U0001f44d"]
    got.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    if name.startswith("wordpiece"):  # its alphabet is not made of special tokens
        want = again
    for pairs in (None, probes[::-1]):
        assert got(probes, pairs)["input_ids"] == want(probes, pairs)["input_ids"]
        assert again(probes, pairs)["input_ids"] == want(probes, pairs)["input_ids"]
    assert ours("the same as before")["input_ids"] == reference("the same as before")["input_ids"]


@pytest.mark.parametrize("name", ["unigram/t5-small", "unigram/xlnet-base-cased"])
def test_train_new_unigram_from_iterator(wikitext: list[str], data: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    texts = wikitext[:600]
    folder = data / "tokenizers" / name
    ours, reference = (library.AutoTokenizer.from_pretrained(folder) for library in (fastplm, transformers))
    for tokenizer in (ours, reference):
        tokenizer.add_tokens(["[mine]"])  # stays, though it is not special
    got = ours.train_new_from_iterator(texts, 900)
    want = reference.train_new_from_iterator(texts, 900, show_progress=False)
    assert got.special_tokens_map == want.special_tokens_map
    assert {t.content: i for i, t in got.added_tokens_decoder.items()} == {
        t.content: i for i, t in want.added_tokens_decoder.items()
    }
    assert len(got) == len(want)
    assert len(got(texts[1])["input_ids"]) <= 1.05 * len(want(texts[1])["input_ids"]) + 5


# --- errors ------------------------------------------------------------------------------------------


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    ours = Tokenizer.from_str(describe("BPE", BYTES))
    before = ours.get_vocab()
    with pytest.raises(ValueError, match=r"WordPieceTrainer trains a WordPiece model.*is BPE.*BpeTrainer"):
        ours.train_from_iterator(["a"], WordPieceTrainer())
    with pytest.raises(TypeError, match="trainer is a dict"):
        ours.train_from_iterator(["a"], {"vocab_size": 3})  # type: ignore[arg-type]
    for empty in ([], [""], [[], ""]):  # type: list[Any]
        with pytest.raises(ValueError, match="the corpus is empty"):
            ours.train_from_iterator(empty)
    for wrong, message in (
        ([1], "holds a int"),
        ([b"a"], "holds a bytes"),
        ([["a", 1]], "a list with a int"),
    ):
        with pytest.raises(TypeError, match=message):
            ours.train_from_iterator(wrong)
    with pytest.raises(ValueError, match="lone surrogate"):
        ours.train_from_iterator(["a", "\ud800"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ours.train([tmp_path / "nowhere.txt"])
    with pytest.raises(TypeError, match="expected a list of paths"):
        ours.train("a.txt")
    with pytest.raises(IsADirectoryError):
        ours.train([tmp_path])
    file = tmp_path / "latin.txt"
    file.write_bytes(b"fine\nstill fine\nnot \xe9 fine\n")
    with pytest.raises(ValueError, match=r"latin\.txt, line 3: .* at byte 4; expected UTF-8"):
        ours.train([file])
    file.write_bytes(b"fine\n" * 300_000 + b"not \xe9 fine\n")  # behind the first chunk
    with pytest.raises(ValueError, match=r"latin\.txt, line 300001: .* at byte 4; expected UTF-8"):
        ours.train([file])
    file.write_bytes(b"cut \xe4\xb8")
    with pytest.raises(ValueError, match=r"latin\.txt, line 1: unexpected end of data at byte 4"):
        ours.train([file])
    assert ours.get_vocab() == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"vocab_size": -1}, ValueError, "vocab_size is -1"),
        ({"vocab_size": "9"}, TypeError, "vocab_size is '9'"),
        ({"min_frequency": True}, TypeError, "min_frequency is True"),
        ({"limit_alphabet": -3}, ValueError, "limit_alphabet is -3"),
        ({"max_token_length": 1.5}, TypeError, "max_token_length is 1.5"),
        ({"special_tokens": "<s>"}, TypeError, "special_tokens is '<s>'"),
        ({"special_tokens": [3]}, TypeError, "an added token is 3"),
        ({"initial_alphabet": "abc"}, TypeError, "initial_alphabet is 'abc'"),
        ({"initial_alphabet": [1]}, TypeError, "initial_alphabet holds 1"),
        ({"initial_alphabet": ["\ud800"]}, ValueError, "lone surrogate"),
        ({"end_of_word_suffix": 7}, TypeError, "end_of_word_suffix is 7"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BpeTrainer(**arguments)
    trainer = BpeTrainer()
    for name, value in arguments.items():
        setattr(trainer, name, value)
    with pytest.raises(error, match=message):
        Tokenizer.from_str(describe("BPE")).train_from_iterator(["a"], trainer)


def test_an_error_of_the_iterator_is_passed_on() -> None:
    def texts() -> Iterator[str]:
        yield "some text"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Tokenizer.from_str(describe("BPE")).train_from_iterator(texts())


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
@pytest.mark.alone
def test_interrupts_stop_training(kind: str, request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    random_ = random.Random(1)
    texts = ["".join(random_.choices("abcdefghijklmnop", k=14)) for _ in range(150_000)]
    ours = Tokenizer.from_str(describe(kind))
    trainer = (
        BpeTrainer(vocab_size=500_000)
        if kind == "BPE"
        else UnigramTrainer(vocab_size=3000, shrinking_factor=0.99)
    )
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ours.train_from_iterator(texts, trainer)
        time.sleep(30)
    assert time.perf_counter() - sent[0] < 2  # 0.2 on a quiet machine
    timer.join()
