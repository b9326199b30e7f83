"""Vocabularies learned here and by the reference: the same tokens, ids and merges."""

import json
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer

tokenizers = pytest.importorskip("tokenizers")

MODELS: dict[str, dict[str, Any]] = {
    "BPE": {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {}, "merges": [],
    },
    "WordPiece": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {},
    },
    "WordLevel": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {}},
    "Unigram": {"type": "Unigram", "unk_id": None, "vocab": [], "byte_fallback": False},
}  # fmt: skip
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BERT = {"type": "BertPreTokenizer"}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
LOWER = {
    "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
    "lowercase": True,
}  # fmt: skip


def describe(model: str, pre_tokenizer: Any = None, normalizer: Any = None) -> str:
    """A tokenizer.json of an untrained tokenizer."""
    parts = {
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": None,
    }
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            **parts,
            "model": MODELS[model],
        }
    )


def saved(tokenizer: Any, folder: Path) -> dict[str, Any]:
    """tokenizer.json as a tokenizer, ours or the reference's, writes it."""
    if isinstance(tokenizer, Tokenizer):
        tokenizer.save_pretrained(folder)
        return json.loads((folder / "tokenizer.json").read_text("utf-8"))
    return json.loads(tokenizer.to_str())


def by_id(vocabulary: dict[str, int]) -> list[str]:
    return sorted(vocabulary, key=vocabulary.__getitem__)


TRAINERS = {
    "BPE": BpeTrainer, "WordPiece": WordPieceTrainer, "WordLevel": WordLevelTrainer, "Unigram": UnigramTrainer
}  # fmt: skip


def learn(description: str, texts: Any, kind: str, **options: Any) -> Tokenizer:
    ours = Tokenizer.from_str(description)
    ours.train_from_iterator(texts, TRAINERS[kind](**options))
    return ours


def assert_learns_the_same(
    folder: Path, description: str, texts: Any, kind: str, *, fix_alphabet: bool = False, **options: Any
) -> tuple[dict[str, int], list[list[str]]]:
    """Trains both.

    fix_alphabet: the reference numbers characters with a prefix or suffix in the order of its hash map, anew
    in every run. It is given our alphabet in our order, as special tokens, and then has no choice left.
    """
    got = saved(learn(description, texts, kind, **options), folder)["model"]
    if fix_alphabet:
        alphabet = learn(description, texts, kind, **{**options, "vocab_size": 0})
        options["special_tokens"] = by_id(alphabet.get_vocab())
    reference = tokenizers.Tokenizer.from_str(description)
    reference_trainer = getattr(tokenizers.trainers, TRAINERS[kind].__name__)
    reference.train_from_iterator(texts, reference_trainer(show_progress=False, **options))
    assert got == saved(reference, folder)["model"]
    return got["vocab"], got.get("merges", [])


def awkward_texts(seed: int, characters: str, texts: int = 60) -> list[str]:
    """Few letters, so that the same tokens come out of different merges and counts are often equal."""
    random_ = random.Random(seed)
    words = [
        "".join(random_.choices(characters, k=random_.choice((1, 2, 3, 5, 8, 13, 21)))) for _ in range(90)
    ]
    weights = [1 / (i + 1) for i in range(len(words))]
    return [" ".join(random_.choices(words, weights, k=random_.randrange(12))) for _ in range(texts)]


CHARACTERS = [
    "ab",
    "abc",
    "aaab",
    "abcdefgh",
    "a\u0301e\u4e2d\u56fd\U0001f44d\u200d\uac00\u0e01",
    "xyz,.!? \t\n",
]


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 25},
        {"min_frequency": 9},
        {"max_token_length": 3},
        {"max_token_length": 6, "min_frequency": 3},
        {"max_token_length": 0},
        {"special_tokens": ["<s>", "ab", "a", "<s>"], "vocab_size": 60},
        {"initial_alphabet": ["z", "yes", "", "\u00e9"], "vocab_size": 50},
        {"vocab_size": 0},
    ],
    ids=str,
)
def test_bpe(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed, pre_tokenizer in enumerate((None, {"type": "WhitespaceSplit"}, BYTES)):
        texts = awkward_texts(seed, characters)
        assert_learns_the_same(tmp_path, describe("BPE", pre_tokenizer), texts, "BPE", **options)


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {"continuing_subword_prefix": "##"},
        {"end_of_word_suffix": "</w>"},
        {"continuing_subword_prefix": "\u00b7", "end_of_word_suffix": "\u00b6", "vocab_size": 80},
        {"continuing_subword_prefix": "##", "max_token_length": 5},
        {"continuing_subword_prefix": "", "end_of_word_suffix": ""},
    ],
    ids=str,
)
def test_bpe_with_prefix_and_suffix(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed in range(3):
        texts = awkward_texts(seed, characters)
        description = describe("BPE", {"type": "WhitespaceSplit"})
        assert_learns_the_same(tmp_path, description, texts, "BPE", fix_alphabet=True, **options)


@pytest.mark.parametrize("characters", CHARACTERS[:4])
@pytest.mark.parametrize(
    "options",
    [
        {"continuing_subword_prefix": "a"},
        {"end_of_word_suffix": "b"},
        {"continuing_subword_prefix": "a", "end_of_word_suffix": "a", "max_token_length": 4},
        {"continuing_subword_prefix": "ab", "end_of_word_suffix": "b", "min_frequency": 2},
    ],
    ids=str,
)
def test_bpe_with_tokens_made_in_two_ways(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    """The same pair is in the queue twice then. If both are equally frequent, the reference takes either
    first, as its heap happens to lie: one of its results is ours.
    """
    texts = awkward_texts(0, characters)
    for attempt in range(12):
        try:
            description = describe("BPE", {"type": "WhitespaceSplit"})
            assert_learns_the_same(tmp_path, description, texts, "BPE", fix_alphabet=True, **options)
            return
        except AssertionError:
            if attempt == 11:
                raise


@pytest.mark.parametrize("kind", ["BPE", "WordPiece"])
def test_the_most_frequent_characters_are_kept(tmp_path: Path, kind: str) -> None:
    texts = awkward_texts(5, "aaaaaaaabbbbbbbccccccdddddeeeefffgghi", 200)
    counts = sorted(Counter("".join(texts).replace(" ", "")).values(), reverse=True)
    assert len(set(counts)) == len(counts)  # ties would be left to the reference's hash map
    for limit in range(len(counts) + 2):
        assert_learns_the_same(
            tmp_path, describe(kind, {"type": "WhitespaceSplit"}), texts, kind, fix_alphabet=True,
            vocab_size=70, limit_alphabet=limit,
        )  # fmt: skip


def test_of_equally_frequent_characters_the_smaller_are_kept() -> None:
    ours = Tokenizer.from_str(describe("BPE", {"type": "WhitespaceSplit"}))
    ours.train_from_iterator(["ab dc ee"], BpeTrainer(limit_alphabet=3, vocab_size=0))
    assert by_id(ours.get_vocab()) == ["a", "b", "e"]


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 40, "special_tokens": ["[PAD]", "[UNK]"]},
        {"min_frequency": 4, "initial_alphabet": ["q"]},
        {"continuing_subword_prefix": "@@", "end_of_word_suffix": "</w>"},
    ],
    ids=str,
)
def test_wordpiece(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed in range(2):
        texts = awkward_texts(seed, characters)
        assert_learns_the_same(
            tmp_path, describe("WordPiece", BERT, LOWER), texts, "WordPiece", fix_alphabet=True, **options
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 7, "special_tokens": ["[UNK]", "a", "[UNK]"]},
        {"min_frequency": 3},
        {"vocab_size": 1, "special_tokens": ["[UNK]", "[PAD]"]},
    ],
    ids=str,
)
def test_word_level(tmp_path: Path, options: dict[str, Any]) -> None:
    for characters in CHARACTERS:
        texts = ["", "a [UNK] a", *awkward_texts(1, characters)]
        for pre_tokenizer in (None, BERT, METASPACE):
            assert_learns_the_same(
                tmp_path, describe("WordLevel", pre_tokenizer), texts, "WordLevel", **options
            )


# --- real text ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wikitext(data: Path) -> list[str]:
    return [
        line for name in ("test", "valid") for line in (data / f"wikitext2/{name}.txt").open(encoding="utf-8")
    ]


def test_byte_level_bpe_of_wikitext(wikitext: list[str], tmp_path: Path) -> None:
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    vocabulary, merges = assert_learns_the_same(
        tmp_path,
        describe("BPE", BYTES),
        wikitext,
        "BPE",
        initial_alphabet=alphabet,
        special_tokens=["<|endoftext|>"],
    )
    print(
        f"byte-level BPE of WikiText-2: {len(vocabulary)} tokens and {len(merges)} merges are the reference's"
    )
    assert len(merges) > 20000


def test_bpe_of_wikitext_with_other_options(wikitext: list[str], tmp_path: Path) -> None:
    vocabulary, merges = assert_learns_the_same(
        tmp_path, describe("BPE", METASPACE, {"type": "NFKC"}), wikitext, "BPE", vocab_size=12000,
        min_frequency=3, max_token_length=9, special_tokens=["<unk>", "<s>"],
    )  # fmt: skip
    print(f"BPE of WikiText-2: {len(vocabulary)} tokens and {len(merges)} merges are the reference's")
    assert len(merges) > 7000


def test_wordpiece_of_wikitext(wikitext: list[str], tmp_path: Path) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary, _ = assert_learns_the_same(
        tmp_path,
        describe("WordPiece", BERT, LOWER),
        wikitext,
        "WordPiece",
        fix_alphabet=True,
        special_tokens=special,
    )
    print(f"WordPiece of WikiText-2: {len(vocabulary)} tokens are the reference's")
    assert len(vocabulary) > 20000


# --- Unigram -----------------------------------------------------------------------------------------


def likelihood(words: dict[str, int], vocabulary: list[list[Any]]) -> float:
    """The log probability of the words, each cut in the best way."""
    scores = dict(vocabulary)
    longest = max(map(len, scores))
    total = 0.0
    for word, count in words.items():
        best = [0.0] + [-math.inf] * len(word)
        for begin in range(len(word)):
            for end in range(begin + 1, min(begin + longest, len(word)) + 1):
                if (score := scores.get(word[begin:end])) is not None:
                    best[end] = max(best[end], best[begin] + score)
        total += count * best[-1]
    assert math.isfinite(total)
    return total


def pieces(texts: list[str], folder: Path, **options: Any) -> tuple[list[list[Any]], list[list[Any]]]:
    """Ours and the reference's, without special tokens."""
    description = describe("Unigram", METASPACE)
    ours, reference = Tokenizer.from_str(description), tokenizers.Tokenizer.from_str(description)
    ours.train_from_iterator(texts, UnigramTrainer(**options))
    reference.train_from_iterator(texts, tokenizers.trainers.UnigramTrainer(show_progress=False, **options))
    special = len(options.get("special_tokens", ()))
    return saved(ours, folder)["model"]["vocab"][special:], saved(reference, folder)["model"]["vocab"][
        special:
    ]


def words_of(texts: list[str]) -> Counter[str]:
    cut = tokenizers.Tokenizer.from_str(describe("Unigram", METASPACE)).pre_tokenizer.pre_tokenize_str
    return Counter(word for text in texts for word, _ in cut(text))


@pytest.mark.parametrize("size", [600, 8000])
def test_unigram_of_wikitext_is_at_least_as_likely(wikitext: list[str], tmp_path: Path, size: int) -> None:
    texts = [line.rstrip("\n") for line in wikitext[: 500 if size < 1000 else None]]
    ours, reference = pieces(texts, tmp_path, vocab_size=size, special_tokens=["<unk>"], unk_token="<unk>")
    words = words_of(texts)
    got, want = likelihood(words, ours), likelihood(words, reference)
    print(f"Unigram of {size}: log likelihood {got:.4g}, the reference's {want:.4g}")
    assert len(ours) <= len(reference) == size - 1
    assert got >= want
    assert sum(math.exp(score) for _, score in ours) == pytest.approx(1)


@pytest.mark.parametrize("characters", CHARACTERS)
def test_unigram_of_awkward_texts(tmp_path: Path, characters: str) -> None:
    for seed in range(3):
        texts = awkward_texts(seed, characters)
        ours, reference = pieces(
            texts, tmp_path, vocab_size=40, special_tokens=["<unk>", "<s>"], unk_token="<unk>"
        )
        words = words_of(texts)
        assert {c for word in words for c in word} <= {piece for piece, _ in ours}
        assert len(ours) <= 38 and len({piece for piece, _ in ours}) == len(ours)
        if len(reference) <= len(ours):
            assert likelihood(words, ours) >= likelihood(words, reference)


def test_unigram_options(tmp_path: Path) -> None:
    texts = awkward_texts(3, "abcdefgh", 300)

    def train(**options: Any) -> dict[str, Any]:
        ours = Tokenizer.from_str(describe("Unigram", METASPACE))
        ours.train_from_iterator(texts, UnigramTrainer(**options))
        return saved(ours, tmp_path)

    plain = train(vocab_size=60)
    assert plain["model"]["unk_id"] is None and len(plain["model"]["vocab"]) == 60
    unknown = train(vocab_size=60, unk_token="<u>")
    assert unknown["model"]["unk_id"] == 0 and unknown["model"]["vocab"][0] == ["<u>", 0.0]
    assert len(unknown["model"]["vocab"]) == 60 and unknown["added_tokens"] == []
    named = train(
        vocab_size=60, unk_token="<u>", special_tokens=["<p>", "<u>", "ab"], initial_alphabet=["\u00e9", "q"]
    )
    tokens = [token for token, _ in named["model"]["vocab"]]
    assert tokens[:3] == ["<p>", "<u>", "ab"] and named["model"]["unk_id"] == 1
    assert len(tokens) == len(set(tokens)) == 60 and {"\u00e9", "q"} <= set(tokens)
    assert [token["content"] for token in named["added_tokens"]] == ["<p>", "<u>", "ab"]
    short = train(vocab_size=100, max_piece_length=3)
    assert max(len(piece) for piece, _ in short["model"]["vocab"]) == 3
    assert max(len(piece) for piece, _ in train(vocab_size=100)["model"]["vocab"]) > 3
    assert (
        train(vocab_size=30, shrinking_factor=0.3, n_sub_iterations=1)["model"]
        != train(vocab_size=30)["model"]
    )
    with pytest.raises(ValueError, match=r"9 different characters.*leaves room for 5"):
        train(vocab_size=6, unk_token="<u>")


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
    file.write_bytes("a b\r\nb\u2028c\x0bd\n\n\ufeffe a\0b\n\n\U0001f44d".encode())
    for pre_tokenizer in (None, BERT, BYTES, METASPACE):
        ours = Tokenizer.from_str(describe("WordLevel", pre_tokenizer))
        reference = tokenizers.Tokenizer.from_str(describe("WordLevel", pre_tokenizer))
        ours.train([file, file], WordLevelTrainer(special_tokens=["[UNK]"]))
        reference_trainer = tokenizers.trainers.WordLevelTrainer(
            special_tokens=["[UNK]"], show_progress=False
        )
        reference.train([str(file), str(file)], reference_trainer)
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
    got = fastplm.AutoTokenizer.from_pretrained(folder).train_new_from_iterator(texts, 900)
    reference = transformers.AutoTokenizer.from_pretrained(folder)
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


def test_wrong_arguments_of_unigram() -> None:
    for arguments in ({"shrinking_factor": 1}, {"max_piece_length": 0}, {"n_sub_iterations": 0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            UnigramTrainer(**arguments)


def test_an_error_of_the_iterator_is_passed_on() -> None:
    def texts() -> Iterator[str]:
        yield "some text"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Tokenizer.from_str(describe("BPE")).train_from_iterator(texts())


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
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
