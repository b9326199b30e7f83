"""Tiny random models and their tokenizers, the same in every version of transformers."""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

_SIZES = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=64,
)
ENTITIES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC", 5: "X-MISC"}
FEELINGS = {0: "bad", 1: "fair", 2: "good"}
TASKS = {
    "summarization": {"prefix": "the cat ", "min_length": 3, "max_length": 5, "num_beams": 2},
    "translation_en_to_fr": {"prefix": "in paris ", "max_length": 12},
}
RELATIONS = {0: "contradiction", 1: "neutral", 2: "entailment"}
_MANY = {"problem_type": "multi_label_classification"}

# Name: the kind of its tokenizer, its class, and what its config says of its head.
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "features": ("bert", "BertModel", {}),
    "mask": ("bert", "BertForMaskedLM", {}),
    "feelings": ("bert", "BertForSequenceClassification", {"id2label": FEELINGS}),
    "many": ("bert", "BertForSequenceClassification", {"id2label": FEELINGS, **_MANY}),
    "one": ("bert", "BertForSequenceClassification", {"id2label": {0: "joy"}}),
    "size": (
        "bert",
        "BertForSequenceClassification",
        {"id2label": {0: "size"}, "problem_type": "regression"},
    ),
    "relations": ("bert", "BertForSequenceClassification", {"id2label": RELATIONS}),
    "entities": ("bert", "BertForTokenClassification", {"id2label": ENTITIES}),
    "answers": ("bert", "BertForQuestionAnswering", {}),
    "bpe mask": ("bpe", "BertForMaskedLM", {}),
    "bpe entities": ("bpe", "BertForTokenClassification", {"id2label": ENTITIES}),
    "bpe answers": ("bpe", "BertForQuestionAnswering", {}),
    "bart relations": ("bart", "BartForSequenceClassification", {"id2label": RELATIONS}),
    "gpt2 feelings": ("gpt2", "GPT2ForSequenceClassification", {"id2label": FEELINGS}),
    "gpt2 text": ("gpt2", "GPT2LMHeadModel", {"generation": {"eos_token_id": [2, 120]}}),
    "llama chat": (
        "llama",
        "LlamaForCausalLM",
        {"generation": {"max_length": 40, "temperature": 0.3, "do_sample": True, "top_k": 1}},
    ),
    "bart text": ("bart", "BartForConditionalGeneration", {"task_specific_params": TASKS}),
    "bart long": (
        "bart",
        "BartForConditionalGeneration",
        {"generation": {"num_beams": 2, "max_length": 9, "no_repeat_ngram_size": 2}, "prefix": "a "},
    ),
    "mbart text": ("mbart", "BartForConditionalGeneration", {}),
}

_TEXT = """
[PAD] [UNK] [CLS] [SEP] [MASK] the a cat sat on mat paris is in my name anna and i live where who
do does 😀 é ##é . , ! ? ' - cafe this example about sport politics 中 国
"""
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_MERGES = [
    "Ġ t",
    "h e",
    "Ġt he",
    "Ġ a",
    "i n",
    "Ġ c",
    "a t",
    "Ġc at",
    "Ġ P",
    "a r",
    "i s",
    "e r",
    "o u",
    "Ġ l",
]


_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def save(name: str, folder: Path) -> None:
    """The model and its tokenizer in a folder."""
    kind, class_name, head = MODELS[name]
    savers = {"bert": _save_wordpiece, "mbart": _save_unigram}
    size = savers.get(kind, _save_bpe)(kind, folder)
    head = dict(head)
    generation = head.pop("generation", {})
    model_class = getattr(transformers, class_name)
    config = model_class.config_class(vocab_size=size, **_SETTINGS[kind], **_labels(head))
    model = model_class(config).float().eval()
    _fill(model)
    for setting, value in generation.items():
        setattr(model.generation_config, setting, value)
    model.save_pretrained(folder)


def _labels(head: dict[str, Any]) -> dict[str, Any]:
    names = head.get("id2label", {})
    return {**head, "label2id": {name: number for number, name in names.items()}} if names else head


_SETTINGS: dict[str, dict[str, Any]] = {
    "bert": _SIZES,
    "bpe": {**_SIZES, "pad_token_id": 1},
    "bart": dict(
        d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=64, bos_token_id=0, pad_token_id=1,
        eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None,
    ),
    "llama": dict(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=24, max_position_embeddings=128, bos_token_id=0, eos_token_id=2, pad_token_id=1,
        tie_word_embeddings=False,
    ),
    "gpt2": dict(
        n_embd=16, n_layer=2, n_head=2, n_inner=24, n_positions=64, bos_token_id=2, eos_token_id=2,
        pad_token_id=None,
    ),
}  # fmt: skip
_SETTINGS["mbart"] = _SETTINGS["bart"]


def _fill(model: Any) -> None:
    """Weights drawn by name, so that their order does not matter."""
    with torch.no_grad():
        for key, weight in model.named_parameters():
            random = np.random.default_rng(zlib.crc32(key.encode()))
            values = random.standard_normal(tuple(weight.shape))
            if weight.ndim == 1:
                is_norm = ("norm" in key.lower() or ".ln_" in key) and key.endswith("weight")
                values = values * 0.3 + is_norm
            elif "embed" not in key and "shared" not in key and "wte" not in key and "wpe" not in key:
                values = values * 2 / math.sqrt(weight.shape[1])
            weight.copy_(torch.from_numpy(values.astype(np.float32)))


def checksum(folder: Path) -> int:
    """Of the weights in a folder, whatever their order in the file."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(name.encode() + tensors[name].tobytes(), total)
    return total


def _save_wordpiece(_: str, folder: Path) -> int:
    letters = [*_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    words = list(dict.fromkeys([*_TEXT.split(), *letters]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    _write(folder, "tokenizer_config", {"tokenizer_class": "BertTokenizer", "model_max_length": 48})
    return len(words)


def _save_bpe(kind: str, folder: Path) -> int:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [*special, *_bytes(), *(merge.replace(" ", "") for merge in _MERGES), "<mask>"]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "vocab", {word: number for number, word in enumerate(words)})
    lines = ["#version: 0.2", *_MERGES]
    (folder / "merges.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    name = {
        "bpe": "RobertaTokenizer",
        "bart": "BartTokenizer",
        "gpt2": "GPT2Tokenizer",
        "llama": "GPT2Tokenizer",
    }[kind]
    config: dict[str, Any] = {"tokenizer_class": name, "model_max_length": 60}
    if kind == "bpe":  # versions of transformers differ in what they make of a mask that the file leaves out
        flags = {"lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}
        config["mask_token"] = {"__type": "AddedToken", "content": "<mask>", **flags}
    if kind in ("gpt2", "llama"):
        config.update(bos_token="</s>", eos_token="</s>", unk_token="<unk>")
    if kind == "llama":
        config.update(pad_token="<pad>", chat_template=_TEMPLATE, model_max_length=128)
    _write(folder, "tokenizer_config", config)
    return len(words)


def _save_unigram(_: str, folder: Path) -> int:
    """The tokenizer of MBart, whose texts end with the code of their language."""
    codes = ["en_XX", "de_DE", "fr_XX"]
    words = sorted({f"▁{word}" for word in _TEXT.split() if word.isalpha()} | set(_LETTERS) | {"▁"})
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *words, *codes, "<mask>"]
    scores = [0.0 if piece[0] == "<" or piece in codes else -float(10 - len(piece)) for piece in pieces]
    marks = {"replacement": "▁", "prepend_scheme": "always", "split": True}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    ends = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ("</s>", "en_XX")]
    known = {name: pieces.index(name) for name in ("</s>", "en_XX")}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": number, "content": piece, **special, "lstrip": piece == "<mask>"}
            for number, piece in enumerate(pieces)
            if piece[0] == "<" or piece in codes
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", **marks},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, *ends],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, *ends],
            "special_tokens": {
                name: {"id": name, "ids": [number], "tokens": [name]} for name, number in known.items()
            },
        },
        "decoder": {"type": "Metaspace", **marks},
        "model": {
            "type": "Unigram", "unk_id": 3, "byte_fallback": False,
            "vocab": [list(pair) for pair in zip(pieces, scores, strict=True)],
        },
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "tokenizer", tokenizer)
    config = {"tokenizer_class": "MBartTokenizer", "model_max_length": 60, "src_lang": "en_XX"}
    special_names = ("bos", "pad", "eos", "unk", "mask", "sep", "cls")
    tokens = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "</s>", "<s>")
    config |= {f"{name}_token": token for name, token in zip(special_names, tokens, strict=True)}
    _write(folder, "tokenizer_config", config)
    return len(pieces)


def _bytes() -> list[str]:
    """The characters that stand for bytes in byte-level BPE, in the order of the bytes."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(256)]


def _write(folder: Path, name: str, values: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
