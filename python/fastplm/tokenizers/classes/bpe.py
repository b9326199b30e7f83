"""The classes of transformers with a BPE model over characters."""

from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    Ids,
    bert_normalizer,
    bpe,
    fallback_decoder,
    metaspace,
    one_space,
    replace,
)
from fastplm.tokenizers.classes.byte_level import MERGED
from fastplm.tokenizers.classes.parts import ROBERTA_TOKENS, SENTENCE_TOKENS, Parts, Pipeline, TokenizerClass


def _openai(parts: Parts) -> Pipeline:
    return Pipeline(
        bpe(unk_token=parts.tokens.get("unk_token", "<unk>"), suffix="</w>"),
        bert_normalizer(lowercase=True),
        {"type": "BertPreTokenizer"},
        {"type": "BPEDecoder", "suffix": "</w>"},
    )


def _herbert(parts: Parts) -> Pipeline:
    return Pipeline(
        bpe(unk_token=parts.tokens.get("unk_token", "<unk>"), prefix=None, suffix="</w>"),
        bert_normalizer(lowercase=False, strip_accents=False),
        {"type": "BertPreTokenizer"},
        {"type": "BPEDecoder", "suffix": "</w>"},
    )


def _herbert_processor(parts: Parts, ids: Ids) -> Component:
    return {
        "type": "BertProcessing",
        "sep": [parts.token("sep_token"), 2],
        "cls": [parts.token("cls_token"), 0],
    }


def _llama(parts: Parts) -> Pipeline:
    space = parts.optional_flag("add_prefix_space", True)
    scheme = ("always" if parts.flag("legacy", False) else "first") if space else "never"
    return Pipeline(
        bpe(prefix=None, suffix=None, fuse_unk=True, byte_fallback=True),
        None,
        metaspace(scheme, split=False),
        fallback_decoder(strip_first=bool(space)),
    )


def _gemma(parts: Parts) -> Pipeline:
    split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    unknown = parts.tokens.get("unk_token", "<unk>")
    return Pipeline(
        bpe(unk_token=unknown, prefix=None, suffix=None, fuse_unk=True, byte_fallback=True),
        replace(" ", SPACE),
        split,
        fallback_decoder(strip_first=False),
    )


def spaced_bpe(parts: Parts) -> Pipeline:
    """With spaces as SentencePiece writes them, and an unknown token for what it does not know."""
    return Pipeline(
        bpe(unk_token=parts.tokens.get("unk_token", "<unk>"), prefix=None, suffix=None, fuse_unk=True),
        None if parts.charsmap is None else one_space(parts.charsmap),
        metaspace("always"),
        metaspace("always"),
    )


OTHER_BPE = {
    "OpenAIGPTTokenizer": TokenizerClass(_openai, None, "BPE", MERGED, {"unk_token": "<unk>"}),
    "HerbertTokenizer": TokenizerClass(
        _herbert, _herbert_processor, "BPE", MERGED,
        {k: v for k, v in ROBERTA_TOKENS.items() if k not in ("bos_token", "eos_token")},
    ),
    "ReformerTokenizer": TokenizerClass(
        spaced_bpe, None, "BPE", ("spiece.model",), {"eos_token": "</s>", "unk_token": "<unk>"},
        readd="named",
    ),
    "LlamaTokenizer": TokenizerClass(
        _llama, None, "BPE", ("tokenizer.model",), SENTENCE_TOKENS, padding_side="left"
    ),
    "GemmaTokenizer": TokenizerClass(
        _gemma, None, "BPE", ("tokenizer.model",),
        {
            "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
        padding_side="left",
    ),
}  # fmt: skip
