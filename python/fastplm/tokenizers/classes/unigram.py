"""The classes of transformers with a Unigram model."""

from collections.abc import Mapping
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    Ids,
    metaspace,
    one_space,
    precompiled,
    replace,
    replace_regex,
    sequence,
    strip,
    template,
    unigram,
    words_and_metaspace,
)
from fastplm.tokenizers.classes.parts import (
    BERT_TOKENS,
    MASK,
    ROBERTA_TOKENS,
    SENTENCE_TOKENS,
    Extra,
    Parts,
    Pieces,
    Pipeline,
    Token,
    TokenizerClass,
    Tokens,
    cls_sep,
    special,
)


def _charsmap(parts: Parts) -> list[Component]:
    return [] if parts.charsmap is None else [precompiled(parts.charsmap)]


def _scheme(parts: Parts, default: bool = True, otherwise: str = "never") -> str:
    return "always" if parts.flag("add_prefix_space", default) else otherwise


def _unknown_piece(parts: Parts, first: int, otherwise: int | None) -> int:
    """The id, from `first`, of the unknown token if its score is 0."""
    assert parts.scores is not None
    token = parts.tokens.get("unk_token", "<unk>")
    found = parts.vocabulary.get(token)
    if found is not None and found >= first and parts.scores[found] == 0.0:
        return found
    if otherwise is None:
        raise CheckpointError(f"{parts.path}: unk_token is {token!r}; expected a piece with the score 0")
    return otherwise


def _t5(parts: Parts) -> Pipeline:
    normalizer = _charsmap(parts)
    return Pipeline(
        unigram(2), normalizer[0] if normalizer else None, words_and_metaspace("always"), metaspace("always")
    )


def _xlm_roberta(parts: Parts) -> Pipeline:
    normalizer, scheme = _charsmap(parts), _scheme(parts)
    return Pipeline(
        unigram(3), normalizer[0] if normalizer else None, words_and_metaspace(scheme), metaspace(scheme)
    )


def _camembert(parts: Parts) -> Pipeline:
    unknown = parts.vocabulary.get(parts.tokens.get("unk_token", "<unk>"), 0)
    return _xlm_roberta(parts)._replace(model=unigram(unknown))


_QUOTES = [replace("``", '"'), replace("''", '"')]
_PLAIN: list[Component] = [{"type": "NFKD"}, {"type": "StripAccents"}]
_LOWERCASE: Component = {"type": "Lowercase"}


def _xlnet(parts: Parts) -> Pipeline:
    steps = [*_QUOTES, *_PLAIN, *([_LOWERCASE] if parts.flag("do_lower_case", False) else [])]
    return Pipeline(
        unigram(parts.number("unk_id", 0)),
        sequence("normalizers", [*steps, *_charsmap(parts)]),
        words_and_metaspace("always"),
        metaspace("always"),
    )


def _albert(parts: Parts) -> Pipeline:
    steps = [*_QUOTES, *([] if parts.flag("keep_accents", False) else _PLAIN)]
    if parts.flag("do_lower_case", True):
        steps.append(_LOWERCASE)
    scheme = _scheme(parts)
    return Pipeline(
        unigram(1),
        sequence("normalizers", [*steps, *_charsmap(parts)]),
        words_and_metaspace(scheme),
        metaspace(scheme),
        template_of_albert(parts),
    )


def template_of_albert(parts: Parts) -> Component:
    """Its tokens are called [CLS] and [SEP] whatever their names are, and are looked up in the vocabulary."""

    def ids(token: str) -> int:
        name = parts.tokens.get("cls_token" if token == "[CLS]" else "sep_token", token)
        if name not in parts.vocabulary:
            raise CheckpointError(
                f"{parts.path}: {name!r} is not in the vocabulary; AlbertTokenizer needs it"
            )
        return parts.vocabulary[name]

    return template("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", ids)


def _rembert(parts: Parts) -> Pipeline:
    steps = [*_QUOTES, replace_regex(" {2,}", " "), *([] if parts.flag("keep_accents", True) else _PLAIN)]
    if parts.flag("do_lower_case", False):
        steps.append(_LOWERCASE)
    scheme = _scheme(parts)
    return Pipeline(
        unigram(2), sequence("normalizers", [*steps, *_charsmap(parts)]), metaspace(scheme), metaspace(scheme)
    )


def _big_bird(parts: Parts) -> Pipeline:
    steps = [strip(left=False, right=False), replace_regex(" {2,}", SPACE)]
    scheme = _scheme(parts)
    unknown = _unknown_piece(parts, 0, 100)
    return Pipeline(unigram(unknown), sequence("normalizers", steps), metaspace(scheme), metaspace(scheme))


_ONE_LINE = [replace_regex(r"\s{2,}|[\n\r\t]", " "), {"type": "NFC"}, strip(left=False, right=True)]


def _deberta_v2(parts: Parts) -> Pipeline:
    steps = [*([_LOWERCASE] if parts.flag("do_lower_case", False) else []), *_ONE_LINE]
    scheme = _scheme(parts, otherwise="first")
    split = [metaspace(scheme)]
    if parts.flag("split_by_punct", False):
        split.insert(0, {"type": "Punctuation", "behavior": "Isolated"})
    return Pipeline(
        unigram(_unknown_piece(parts, 0, parts.number("unk_id", 1))),
        sequence("normalizers", steps),
        sequence("pretokenizers", split),
        metaspace(scheme),
    )


def _barthez(parts: Parts) -> Pipeline:
    scheme = _scheme(parts)
    return Pipeline(unigram(3), sequence("normalizers", _ONE_LINE), metaspace(scheme), metaspace(scheme))


def _xglm(parts: Parts) -> Pipeline:
    scheme = _scheme(parts)
    return Pipeline(unigram(3), one_space(parts.charsmap), metaspace(scheme), metaspace(scheme))


def _pegasus(parts: Parts) -> Pipeline:
    steps = [*(_charsmap(parts) or [replace_regex(r"\n", " ")]), replace_regex(" {2,}", " ")]
    return Pipeline(
        unigram(_unknown_piece(parts, 1, None)),
        sequence("normalizers", steps),
        metaspace("always"),
        metaspace("always"),
    )


def _t5_processor(parts: Parts, ids: Ids) -> Component:
    end = ids(parts.token("eos_token"))
    return template("$A:0 </s>:0", "$A:0 </s>:0 $B:0 </s>:0", lambda _: end)


def _pegasus_processor(parts: Parts, ids: Ids) -> Component:
    eos = parts.token("eos_token")
    return template(f"$A:0 {eos}:0", f"$A:0 $B:0 {eos}:0", ids)


def _begin_end_processor(parts: Parts, ids: Ids) -> Component:
    bos, eos = parts.token("bos_token"), parts.token("eos_token")
    return template(f"{bos}:0 $A:0 {eos}:0", f"{bos}:0 $A:0 {eos}:0 {eos}:0 $B:0 {eos}:0", ids)


def _xlnet_processor(parts: Parts, ids: Ids) -> Component:
    sep, cls = parts.token("sep_token"), parts.token("cls_token")
    return template(f"$A:0 {sep}:0 {cls}:2", f"$A:0 {sep}:0 $B:1 {sep}:1 {cls}:2", ids)


def _xglm_processor(parts: Parts, ids: Ids) -> Component:
    bos, eos = parts.token("bos_token"), parts.token("eos_token")
    made = template(f"{eos}:0 $A:0", f"{eos}:0 $A:0 {eos}:0 {eos}:0 $B:0", ids)
    made["special_tokens"][bos] = {"id": bos, "ids": [ids(bos)], "tokens": [bos]}
    return made


def _count(settings: Mapping[str, Any], name: str, default: int) -> int:
    value = settings.get(name, default)
    return value if type(value) is int and 0 <= value <= 10_000 else default


def _t5_extra(settings: Mapping[str, Any], given: list[Token] | None) -> list[Token]:
    if given is not None and any("<extra_id_" in str(token) for token in given):
        return given
    return [*(given or []), *(f"<extra_id_{i}>" for i in range(_count(settings, "extra_ids", 100)))]


def _t5_pieces(pieces: Pieces, settings: Mapping[str, Any], _: Tokens) -> Pieces:
    return pieces + [(f"<extra_id_{i}>", 0.0) for i in reversed(range(_count(settings, "extra_ids", 100)))]


def _pegasus_extra(settings: Mapping[str, Any], given: list[Token] | None) -> list[Token]:
    sentence = settings.get("mask_token_sent", "<mask_1>")
    listed = given is not None and sentence in [str(token) for token in given]
    first = [] if listed or sentence is None else [sentence]
    return [*first, *(f"<unk_{i}>" for i in range(2, _count(settings, "offset", 103)))]


def _pegasus_pieces(pieces: Pieces, settings: Mapping[str, Any], _: Tokens) -> Pieces:
    """Padding, the end, the masks and reserved tokens come first, as transformers numbers them.

    Without settings the two masks have each other's names.
    """

    def token(name: str, default: str) -> list[str]:
        value = settings.get(name, default)
        return [] if value is None else [value["content"] if isinstance(value, dict) else str(value)]

    masks = dict.fromkeys([*token("mask_token", "<mask_1>"), *token("mask_token_sent", "<mask_2>")])
    first = [*token("pad_token", "<pad>"), *token("eos_token", "</s>"), *masks]
    reserved = [(f"<unk_{i}>", -100.0) for i in range(2, _count(settings, "offset", 103))]
    return [*((token, 0.0) for token in first), *reserved, *pieces[2:]]


def _xglm_extra(_: Mapping[str, Any], given: list[Token] | None) -> list[Token]:
    words: list[Token] = [f"<madeupword{i}>" for i in range(7)]
    return [*(given or []), *(word for word in words if word not in (given or []))]


def _unless_given(*tokens: str) -> Extra:
    return lambda _, given: list(tokens) if given is None else given


def fairseq_tokens(tokens: Tokens) -> list[str]:
    return [tokens.get(f"{name}_token", f"<{default}>") for name, default in
            (("bos", "s"), ("pad", "pad"), ("eos", "/s"), ("unk", "unk"))]  # fmt: skip


def fairseq_pieces(pieces: Pieces, _: Mapping[str, Any], tokens: Tokens) -> Pieces:
    """The first four ids are those of fairseq, and the mask comes last."""
    first = fairseq_tokens(tokens)
    mask = tokens.get("mask_token", "<mask>")
    return [*((token, 0.0) for token in first), *pieces[3:], (mask, 0.0)]


def _camembert_pieces(pieces: Pieces, _: Mapping[str, Any], tokens: Tokens) -> Pieces:
    first = [
        ("<s>NOTUSED", 0.0), (tokens.get("pad_token", "<pad>"), 0.0), ("</s>NOTUSED", 0.0),
        (tokens.get("unk_token", "<unk>"), 0.0), ("<unk>NOTUSED", -100.0),
    ]  # fmt: skip
    return [*first, *pieces[1:], (tokens.get("mask_token", "<mask>"), 0.0)]


_ALBERT_TOKENS = {**BERT_TOKENS, "unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "[CLS]",
                  "eos_token": "[SEP]"}  # fmt: skip
_ALBERT = TokenizerClass(_albert, None, "Unigram", ("spiece.model",), _ALBERT_TOKENS)
_BPE_MODEL = ("sentencepiece.bpe.model",)
_LSTRIP_MASK = {**ROBERTA_TOKENS, "mask_token": MASK}
UNIGRAM = {
    "T5Tokenizer": TokenizerClass(
        _t5, _t5_processor, "Unigram", ("spiece.model",),
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, _t5_extra, _t5_pieces,
    ),
    "XLNetTokenizer": TokenizerClass(
        _xlnet, _xlnet_processor, "Unigram", ("spiece.model",),
        {**SENTENCE_TOKENS, "sep_token": "<sep>", "pad_token": "<pad>", "cls_token": "<cls>",
         "mask_token": MASK},
        _unless_given("<eop>", "<eod>"), padding_side="left",
    ),
    "XLMRobertaTokenizer": TokenizerClass(
        _xlm_roberta, _begin_end_processor, "Unigram", _BPE_MODEL, ROBERTA_TOKENS, reorder=fairseq_pieces
    ),
    "CamembertTokenizer": TokenizerClass(
        _camembert, _begin_end_processor, "Unigram", _BPE_MODEL, _LSTRIP_MASK,
        _unless_given("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"), _camembert_pieces,
    ),
    "AlbertTokenizer": _ALBERT,
    "FNetTokenizer": TokenizerClass(
        model="Unigram", files=("spiece.model",), tokens=_ALBERT_TOKENS,
        inputs=("input_ids", "token_type_ids"),
    ),
    "RemBertTokenizer": TokenizerClass(
        _rembert, cls_sep(), "Unigram", ("sentencepiece.model",), _ALBERT_TOKENS, readd="named"
    ),
    "BigBirdTokenizer": TokenizerClass(
        _big_bird, cls_sep(), "Unigram", ("spiece.model",),
        {**SENTENCE_TOKENS, "pad_token": "<pad>", "sep_token": "[SEP]", "cls_token": "[CLS]",
         "mask_token": special("[MASK]", lstrip=True)},
    ),
    "DebertaV2Tokenizer": TokenizerClass(
        _deberta_v2, cls_sep(), "Unigram", ("spm.model",),
        {**BERT_TOKENS, "bos_token": "[CLS]", "eos_token": "[SEP]"},
        inputs=("input_ids", "attention_mask", "token_type_ids"),
    ),
    "BarthezTokenizer": TokenizerClass(_barthez, None, "Unigram", _BPE_MODEL, _LSTRIP_MASK),
    "XGLMTokenizer": TokenizerClass(
        _xglm, _xglm_processor, "Unigram", (),
        {k: v for k, v in ROBERTA_TOKENS.items() if k != "mask_token"},
        _xglm_extra,
    ),
    "PegasusTokenizer": TokenizerClass(
        _pegasus, _pegasus_processor, "Unigram", ("spiece.model",),
        {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask_2>"},
        _pegasus_extra, _pegasus_pieces,
    ),
}  # fmt: skip
