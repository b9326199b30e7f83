"""Post-processors against the reference: special tokens, type ids, trimmed offsets."""

import random
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError

tokenizers = pytest.importorskip("tokenizers")

# Tokens whose ends are white space: the byte-level space, and Unicode's.
SPACED = """
a b ab Ġ ĠĠ Ġa aĠ ĠĠa aĠĠ ĠaĠ ##Ġ ##Ġa ##aĠ ##ĠĠ ĠĠĠ aĠb é Ġé 中Ġ ▁ ▁a Ċ Ċa
"""
OTHERS = ["\u3000", "\u3000a", "a\u2003", "\u00a0Ġb\u0085", " ", " a", "##\u3000"]
TOKENS = ["[UNK]", "<s>", "</s>", *SPACED.split(), *OTHERS]


def byte_level(trim_offsets: bool, add_prefix_space: bool, **more: Any) -> dict[str, Any]:
    return {
        "type": "ByteLevel", "trim_offsets": trim_offsets, "add_prefix_space": add_prefix_space, **more,
    }  # fmt: skip


def roberta(trim_offsets: bool, add_prefix_space: bool) -> dict[str, Any]:
    return {
        "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": trim_offsets,
        "add_prefix_space": add_prefix_space,
    }  # fmt: skip


def special(token: str, type_id: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": type_id}}


def piece(sequence: str, type_id: int) -> dict[str, Any]:
    return {"Sequence": {"id": sequence, "type_id": type_id}}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "processors": list(parts)}


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [special("<s>", 5), piece("A", 3)],
    "pair": [special("<s>", 5), piece("A", 3), special("</s>", 2), piece("B", 4)],
    "special_tokens": {
        "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
        "</s>": {"id": "</s>", "ids": [2, 2], "tokens": ["</s>", "</s>"]},
    },
}
# Ids that no token has, or another one: the tokens are what the template calls them.
NAMED = {
    **TEMPLATE,
    "special_tokens": {
        "<s>": {"id": "<s>", "ids": [5000, 1], "tokens": ["<begin>", "<s>"]},
        "</s>": {"id": "</s>", "ids": [2], "tokens": ["<end>"]},
    },
}
BERT = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}
FLAGS = [(trim, prefix) for trim in (True, False) for prefix in (True, False)]
PROCESSORS: list[dict[str, Any]] = [
    *(byte_level(*flags) for flags in FLAGS),
    byte_level(True, True, use_regex=False),
    *(roberta(*flags) for flags in FLAGS),
    TEMPLATE,
    NAMED,
    BERT,
    sequence(),
    sequence(TEMPLATE),
    sequence(byte_level(True, True), TEMPLATE),
    sequence(byte_level(True, False), byte_level(True, True), BERT),
    sequence(byte_level(True, False), roberta(True, True)),
    sequence(byte_level(False, True), roberta(True, False)),
    sequence(sequence(byte_level(True, False)), sequence(), sequence(roberta(False, False))),
]


def name_of(processor: dict[str, Any]) -> str:
    flags = [str(processor[key]) for key in ("trim_offsets", "add_prefix_space") if key in processor]
    parts = map(name_of, processor.get("processors", ()))
    return "+".join(["-".join([processor["type"], *flags]), *parts])


@pytest.fixture
def both(settings: dict[str, Any], load: Any) -> Any:
    """Tokenizers of the tokens above with this processor: ours and the reference's. Words end at a "/"."""

    def make(processor: dict[str, Any] | None) -> tuple[Any, Any]:
        settings["model"]["vocab"] = {token: i for i, token in enumerate(TOKENS)}
        settings["pre_tokenizer"] = settings["normalizer"] = settings["decoder"] = None
        added = [("/", False, False, False), ("[M]", True, True, False), ("Ġ[N]Ġ", True, False, True)]
        settings["added_tokens"] = [
            {"id": i, "content": content, "single_word": False, "special": True, "lstrip": lstrip,
             "rstrip": rstrip, "normalized": normalized}
            for i, (content, lstrip, rstrip, normalized) in enumerate(added, len(TOKENS))
        ]  # fmt: skip
        settings["post_processor"] = processor
        return load(settings)

    return make


def random_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = [token.removeprefix("##") for token in TOKENS[3:]]
    words += ["[M]", " [M]", "[M]  ", "Ġ[N]Ġ", " Ġ[N]Ġ", "q", "/"]
    return [
        "".join(rng.choice(words) + rng.choice(["", "/"]) for _ in range(rng.randint(0, 8)))
        for _ in range(count)
    ]


EDGES = """Ġ|a|Ġa|ĠĠa|aĠ/Ġa|Ġ/Ġ|a/Ġa/Ġ|\u3000a/\u3000|[M]| [M] |a  [M]  b|Ġ[N]Ġ|"""
TEXTS = [*EDGES.split("|"), *random_texts(250, seed=1)]


@pytest.mark.parametrize("processor", PROCESSORS, ids=name_of)
@pytest.mark.parametrize("add_special_tokens", [True, False])
def test_every_field(
    both: Any, assert_same: Any, processor: dict[str, Any], add_special_tokens: bool
) -> None:
    ours, reference = both(processor)
    options = {"add_special_tokens": add_special_tokens}
    for is_pair in (False, True):
        assert ours.num_special_tokens_to_add(pair=is_pair) == reference.num_special_tokens_to_add(is_pair)
    assert_same(ours, reference, TEXTS, **options)
    assert_same(ours, reference, TEXTS, TEXTS[::-1], **options)
    words = [text.split("b") for text in TEXTS]
    assert_same(ours, reference, words, is_split_into_words=True, **options)


@pytest.mark.parametrize("processor", PROCESSORS, ids=name_of)
@pytest.mark.parametrize("add_special_tokens", [True, False])
def test_overflowing_rows(
    both: Any, assert_same: Any, processor: dict[str, Any], add_special_tokens: bool
) -> None:
    """The first token of a row keeps the space that add_prefix_space put there, wherever the row begins."""
    ours, reference = both(processor)
    options = {"add_special_tokens": add_special_tokens, "truncation": True}
    texts = random_texts(60, seed=2)
    for side in ("left", "right"):
        ours.truncation_side = side
        for length, stride in ((7, 0), (9, 1)):
            reference.enable_truncation(length, stride=stride, direction=side)
            limits = {"max_length": length, "stride": stride, **options}
            assert_same(ours, reference, texts, **limits)
            assert_same(ours, reference, texts, texts[::-1], **limits)


@pytest.mark.parametrize(
    "processor, error, message",
    [
        ({"type": "ByteLevel", "trim_offsets": True}, CheckpointError, "add_prefix_space"),
        ({"type": "ByteLevel", "add_prefix_space": True}, CheckpointError, "trim_offsets"),
        ({**roberta(True, True), "sep": ["</s>"]}, CheckpointError, "post_processor.sep"),
        ({**roberta(True, True), "cls": ["<s>", -1]}, CheckpointError, "token id -1"),
        ({**roberta(True, True), "cls": ["<s>", 2**31]}, CheckpointError, "token id 2147483648"),
        ({**roberta(True, True), "trim_offsets": None}, CheckpointError, "trim_offsets"),
        ({"type": "Sequence"}, CheckpointError, "processors"),
        (sequence({"type": "Evil"}), UnsupportedError, '"Evil" is unknown'),
        (sequence(TEMPLATE, byte_level(True, True)), UnsupportedError, "ByteLevel follows Template"),
        (sequence(BERT, sequence(roberta(True, True))), UnsupportedError, "RobertaProcessing follows Bert"),
    ],
)
def test_damaged_settings(both: Any, processor: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        both(processor)
