"""The classes of transformers with a byte-level BPE model."""

from fastplm.tokenizers.base.components import (
    Component,
    Ids,
    bpe,
    byte_level,
    byte_level_split,
    replace_regex,
    roberta,
    sequence,
    template,
)
from fastplm.tokenizers.classes.parts import (
    BERT_TOKENS,
    MASK,
    ROBERTA_TOKENS,
    Build,
    Parts,
    Pipeline,
    Token,
    TokenizerClass,
    begin_end,
)

_CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
_BREAKS = r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K_WORDS = _CONTRACTION + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+" + _BREAKS
QWEN2_WORDS = _CONTRACTION + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+" + _BREAKS
_QWEN3_5_WORDS = _CONTRACTION + r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+" + _BREAKS
BYTES = byte_level(prefix_space=True)  # the decoder of all byte-level models


def _gpt2(parts: Parts) -> Pipeline:
    space = parts.flag("add_prefix_space", False)
    return Pipeline(bpe(), None, byte_level(prefix_space=space), BYTES)


def _codegen(parts: Parts) -> Pipeline:
    return _gpt2(parts)._replace(post_processor=byte_level(prefix_space=True, trim_offsets=False))


def _blenderbot(parts: Parts) -> Pipeline:
    return Pipeline(bpe(), None, byte_level(prefix_space=parts.flag("add_prefix_space", True)), BYTES)


def _neox(parts: Parts) -> Pipeline:
    split = byte_level(
        prefix_space=parts.flag("add_prefix_space", False), trim_offsets=parts.flag("trim_offsets", True)
    )
    return Pipeline(bpe(), {"type": "NFC"}, split, BYTES)


def _cohere(parts: Parts) -> Pipeline:
    space = parts.flag("add_prefix_space", False)
    split = [{"type": "Digits", "individual_digits": True}, byte_level(prefix_space=space)]
    return Pipeline(bpe(), {"type": "NFC"}, sequence("pretokenizers", split), BYTES)


def _qwen(regex: str) -> Build:
    def build(parts: Parts) -> Pipeline:
        space = parts.optional_flag("add_prefix_space", False)
        return Pipeline(bpe(), {"type": "NFC"}, byte_level_split(regex, prefix_space=bool(space)), BYTES)

    return build


def _clip(parts: Parts) -> Pipeline:
    normalizer = [{"type": "NFC"}, replace_regex(r"\s+", " "), {"type": "Lowercase"}]
    return Pipeline(
        bpe(unk_token=parts.tokens.get("unk_token", "<|endoftext|>"), suffix="</w>"),
        sequence("normalizers", normalizer),
        byte_level_split(_CLIP_WORDS, removed=True),
        BYTES,
    )


def _roberta_processor(parts: Parts, ids: Ids) -> Component:
    return roberta(
        parts.token("sep_token"), parts.token("cls_token"), ids,
        trim_offsets=parts.flag("trim_offsets", True), prefix_space=parts.flag("add_prefix_space", False),
    )  # fmt: skip


def _clip_processor(parts: Parts, ids: Ids) -> Component:
    return roberta(
        parts.token("eos_token"), parts.token("bos_token"), ids, trim_offsets=False, prefix_space=False
    )


def _deberta_processor(parts: Parts, ids: Ids) -> Component:
    cls, sep = parts.token("cls_token"), parts.token("sep_token")
    return template(f"{cls}:0 $A:0 {sep}:0", f"{cls}:0 $A:0 {sep}:0 {sep}:0 $B:0 {sep}:0", ids)


MERGED = ("vocab.json", "merges.txt")
_END_OF_TEXT: dict[str, Token | None] = dict.fromkeys(
    ("unk_token", "bos_token", "eos_token"), "<|endoftext|>"
)
_END_OF_TEXT_ONLY = {**_END_OF_TEXT, "pad_token": None}
_ROBERTA = TokenizerClass(_gpt2, _roberta_processor, "BPE", MERGED, ROBERTA_TOKENS)
_QWEN_TOKENS = {**_END_OF_TEXT, "bos_token": None, "pad_token": "<|endoftext|>"}
BYTE_LEVEL = {
    "GPT2Tokenizer": TokenizerClass(_gpt2, None, "BPE", MERGED, _END_OF_TEXT_ONLY),
    "CodeGenTokenizer": TokenizerClass(_codegen, None, "BPE", MERGED, _END_OF_TEXT_ONLY),
    **dict.fromkeys(
        ("RobertaTokenizer", "BartTokenizer", "LEDTokenizer", "LongformerTokenizer", "MvpTokenizer"), _ROBERTA
    ),
    "BlenderbotTokenizer": TokenizerClass(
        _blenderbot, None, "BPE", MERGED, {**ROBERTA_TOKENS, "mask_token": MASK}
    ),
    "DebertaTokenizer": TokenizerClass(
        _gpt2, _deberta_processor, "BPE", MERGED,
        {**BERT_TOKENS, "bos_token": "[CLS]", "eos_token": "[SEP]"},
        inputs=("input_ids", "attention_mask", "token_type_ids"),
    ),
    "GPTNeoXTokenizer": TokenizerClass(
        _neox, begin_end, "BPE", MERGED, {**_END_OF_TEXT, "pad_token": "<|padding|>"}
    ),
    "CohereTokenizer": TokenizerClass(
        _cohere, None, "BPE", MERGED,
        {
            "unk_token": "<UNK>", "bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>",
            "pad_token": "<PAD>", "cls_token": "<CLS>", "sep_token": "<SEP>", "mask_token": "<MASK_TOKEN>",
        },
        readd="named", padding_side="left",
    ),
    "Qwen2Tokenizer": TokenizerClass(
        _qwen(QWEN2_WORDS), None, "BPE", MERGED, _QWEN_TOKENS, readd="plain"
    ),
    "Qwen3_5Tokenizer": TokenizerClass(_qwen(_QWEN3_5_WORDS), None, "BPE", MERGED, _QWEN_TOKENS),
    "CLIPTokenizer": TokenizerClass(
        _clip, _clip_processor, "BPE", MERGED,
        {**_QWEN_TOKENS, "bos_token": "<|startoftext|>"}, word_end="</w>",
    ),
}  # fmt: skip
