"""The classes of transformers with a WordPiece model."""

from dataclasses import replace

from fastplm.tokenizers.base.components import Component, Ids, bert_normalizer, roberta, template, wordpiece
from fastplm.tokenizers.classes.parts import (
    BERT_TOKENS,
    MASK,
    ROBERTA_TOKENS,
    Parts,
    Pipeline,
    TokenizerClass,
    Tokens,
    cls_sep,
)


def _words(parts: Parts, *, clean: bool = True, prefix: str = "##") -> Pipeline:
    """prefix: what the decoder takes off the inside of words."""
    return Pipeline(
        wordpiece(parts.tokens.get("unk_token", "[UNK]")),
        bert_normalizer(
            clean=clean,
            chinese=parts.flag("tokenize_chinese_chars", True),
            strip_accents=parts.optional_flag("strip_accents"),
            lowercase=parts.flag("do_lower_case", True),
        ),
        {"type": "BertPreTokenizer"},
        {"type": "WordPiece", "prefix": prefix, "cleanup": True},
    )


def _bert(parts: Parts) -> Pipeline:
    return _words(parts)


def _funnel(parts: Parts) -> Pipeline:
    prefix = parts.text("wordpieces_prefix")
    return _words(parts, clean=parts.flag("clean_text", True), prefix="##" if prefix is None else prefix)


def _dpr(parts: Parts) -> Pipeline:
    """Lower case whatever do_lower_case says."""
    return _bert(parts._replace(settings={**parts.settings, "do_lower_case": True}))


def _mpnet_processor(parts: Parts, ids: Ids) -> Component:
    sep, cls = parts.tokens.get("sep_token", "</s>"), parts.tokens.get("cls_token", "<s>")
    return roberta(sep, cls, ids, trim_offsets=True, prefix_space=False)


def _splinter_processor(parts: Parts, ids: Ids) -> Component:
    full_stop = "." if "." in parts.vocabulary else parts.token("unk_token")
    side = parts.text("padding_side") or "right"
    return splinter_frame(parts.tokens, side, lambda token: ids(full_stop if token == "." else token))


def splinter_frame(tokens: Tokens, padding_side: str, ids: Ids) -> Component:
    """The question comes with a mark and a full stop, on the side that is not padded."""
    cls, sep, question = (tokens[f"{name}_token"] for name in ("cls", "sep", "question"))
    asked = f"{question}:0 .:0"
    if padding_side == "right":
        pair = f"{cls}:0 $A:0 {asked} {sep}:0 $B:1 {sep}:1"
    else:
        pair = f"{cls}:0 $A:0 {sep}:0 $B:1 {asked} {sep}:1"
    return template(f"{cls}:0 $A:0 {sep}:0", pair, ids)


_ALL_INPUTS = ("input_ids", "token_type_ids", "attention_mask")
_BERT = TokenizerClass(_bert, cls_sep(), "WordPiece", ("vocab.txt",), BERT_TOKENS, inputs=_ALL_INPUTS)
WORDPIECE = {
    **dict.fromkeys(
        (
            "BertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer", "LxmertTokenizer",
            "MobileBertTokenizer", "SqueezeBertTokenizer",
        ),
        _BERT,
    ),
    **dict.fromkeys(
        ("DPRContextEncoderTokenizer", "DPRQuestionEncoderTokenizer"), replace(_BERT, build=_dpr)
    ),
    **dict.fromkeys(
        ("ConvBertTokenizer", "DPRContextEncoderTokenizerFast", "DPRQuestionEncoderTokenizerFast"),
        replace(_BERT, file_as_it_is=True),
    ),
    "DistilBertTokenizer": TokenizerClass(_bert, cls_sep(), "WordPiece", ("vocab.txt",), BERT_TOKENS),
    "FunnelTokenizer": TokenizerClass(
        _funnel, cls_sep(2), "WordPiece", ("vocab.txt",),
        {
            "unk_token": "<unk>", "sep_token": "<sep>", "pad_token": "<pad>", "cls_token": "<cls>",
            "mask_token": "<mask>", "bos_token": "<s>", "eos_token": "</s>",
        },
    ),
    "MPNetTokenizer": TokenizerClass(
        _bert, _mpnet_processor, "WordPiece", ("vocab.txt",),
        {**ROBERTA_TOKENS, "unk_token": "[UNK]", "mask_token": MASK},
    ),
    "SplinterTokenizer": TokenizerClass(
        _bert, _splinter_processor, "WordPiece", ("vocab.txt",),
        {**BERT_TOKENS, "question_token": "[QUESTION]"}, frame=splinter_frame,
    ),
}  # fmt: skip
