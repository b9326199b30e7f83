"""What the constructors of transformers' tokenizer classes take, in the order of their positions.

"name=value" is a setting with its default. A name alone is a vocabulary, merges, or a special token; what
those are by default stands in `classes.CLASSES`.
"""

import ast
from functools import cache
from typing import Any, NamedTuple

_BERT = (
    "vocab do_lower_case=True unk_token sep_token pad_token cls_token mask_token tokenize_chinese_chars=True "
    "strip_accents=None"
)
_DPR = _BERT.replace("do_lower_case=True", "do_lower_case=False")
_ROBERTA = (
    "vocab merges errors='replace' bos_token eos_token sep_token cls_token unk_token pad_token mask_token "
    "add_prefix_space=False trim_offsets=True"
)
_GPT2 = "vocab merges errors='replace' unk_token bos_token eos_token pad_token add_prefix_space=False"
_ALBERT = (
    "vocab do_lower_case=True keep_accents=False bos_token eos_token unk_token sep_token pad_token cls_token "
    "mask_token _spm_precompiled_charsmap add_prefix_space=True trim_offsets=True"
)
_SEVEN = "bos_token eos_token sep_token cls_token unk_token pad_token mask_token"
_ARGUMENTS = {
    "AlbertTokenizer": _ALBERT,
    "BarthezTokenizer": f"vocab {_SEVEN} add_prefix_space=True",
    "BertTokenizer": _BERT,
    "BigBirdTokenizer": (
        "vocab unk_token bos_token eos_token pad_token sep_token mask_token cls_token add_prefix_space=True"
    ),
    "BlenderbotTokenizer": f"{_SEVEN} add_prefix_space=True vocab merges",
    "CLIPTokenizer": "vocab merges unk_token bos_token eos_token pad_token",
    "CamembertTokenizer": (
        "bos_token eos_token sep_token cls_token unk_token pad_token _spm_precompiled_charsmap mask_token "
        "additional_special_tokens add_prefix_space=True vocab_file vocab"
    ),
    "CodeGenTokenizer": (
        "vocab merges unk_token bos_token eos_token pad_token add_prefix_space=False "
        "return_token_type_ids=False"
    ),
    "CohereTokenizer": (
        "vocab merges errors='replace' unk_token bos_token eos_token pad_token cls_token sep_token "
        "mask_token use_default_system_prompt=False add_prefix_space=False"
    ),
    "ConvBertTokenizer": _BERT,
    "DPRContextEncoderTokenizer": _DPR,
    "DPRContextEncoderTokenizerFast": _BERT,
    "DPRQuestionEncoderTokenizer": _DPR,
    "DPRQuestionEncoderTokenizerFast": _BERT,
    "DebertaTokenizer": (
        "vocab merges errors='replace' bos_token eos_token sep_token cls_token unk_token pad_token "
        "mask_token add_prefix_space=False"
    ),
    "DebertaV2Tokenizer": (
        "vocab do_lower_case=False split_by_punct=False bos_token eos_token unk_token sep_token pad_token "
        "cls_token mask_token add_prefix_space=True unk_id=1"
    ),
    "DistilBertTokenizer": _BERT,
    "FNetTokenizer": _ALBERT,
    "FunnelTokenizer": (
        "vocab do_lower_case=True unk_token sep_token pad_token cls_token mask_token bos_token eos_token "
        "clean_text=True tokenize_chinese_chars=True strip_accents=None wordpieces_prefix='##'"
    ),
    "GPT2Tokenizer": _GPT2,
    "GPTNeoXTokenizer": f"{_GPT2} trim_offsets=True",
    "GemmaTokenizer": "vocab merges unk_token bos_token eos_token pad_token mask_token",
    "HerbertTokenizer": (
        "vocab merges cls_token unk_token pad_token mask_token sep_token vocab_file merges_file"
    ),
    "LlamaTokenizer": (
        "vocab merges clean_up_tokenization_spaces=False unk_token bos_token eos_token "
        "use_default_system_prompt=False legacy=False add_prefix_space=None"
    ),
    "MBart50Tokenizer": (
        "vocab _spm_precompiled_charsmap src_lang tgt_lang eos_token sep_token cls_token unk_token pad_token "
        "mask_token"
    ),
    "MBartTokenizer": f"vocab {_SEVEN} src_lang tgt_lang additional_special_tokens",
    "MPNetTokenizer": (f"vocab do_lower_case=True {_SEVEN} tokenize_chinese_chars=True strip_accents=None"),
    "NllbTokenizer": (
        f"vocab merges {_SEVEN} src_lang tgt_lang _spm_precompiled_charsmap additional_special_tokens "
        "extra_special_tokens legacy_behaviour=False"
    ),
    "OpenAIGPTTokenizer": "vocab merges unk_token",
    "PegasusTokenizer": (
        "vocab pad_token eos_token unk_token mask_token mask_token_sent='<mask_1>' _spm_precompiled_charsmap "
        "additional_special_tokens offset=103"
    ),
    "Qwen2Tokenizer": "vocab merges unk_token bos_token eos_token pad_token add_prefix_space=None",
    "Qwen3_5Tokenizer": (
        "vocab merges vocab_file merges_file unk_token bos_token eos_token pad_token add_prefix_space=None"
    ),
    "ReformerTokenizer": (
        "vocab merges eos_token unk_token _spm_precompiled_charsmap additional_special_tokens"
    ),
    "RemBertTokenizer": (
        "vocab do_lower_case=False keep_accents=True bos_token eos_token unk_token sep_token pad_token "
        "cls_token mask_token _spm_precompiled_charsmap add_prefix_space=True remove_space=True"
    ),
    "RobertaTokenizer": _ROBERTA,
    "SeamlessM4TTokenizer": (
        "vocab merges bos_token eos_token sep_token cls_token unk_token pad_token src_lang='eng' "
        "tgt_lang='fra' additional_special_tokens keep_accents=None vocab_file"
    ),
    "SplinterTokenizer": (
        "vocab do_lower_case=True unk_token sep_token pad_token cls_token mask_token question_token "
        "tokenize_chinese_chars=True strip_accents=None"
    ),
    "T5Tokenizer": (
        "vocab eos_token unk_token pad_token _spm_precompiled_charsmap extra_ids=100 "
        "additional_special_tokens"
    ),
    "XGLMTokenizer": (
        "vocab bos_token eos_token sep_token cls_token unk_token pad_token _spm_precompiled_charsmap "
        "add_prefix_space=True"
    ),
    "XLMRobertaTokenizer": f"vocab add_prefix_space=True {_SEVEN} _spm_precompiled_charsmap",
    "XLNetTokenizer": (
        "vocab unk_id=0 do_lower_case=False remove_space=True keep_accents=False bos_token eos_token "
        "unk_token "
        "sep_token pad_token cls_token mask_token _spm_precompiled_charsmap additional_special_tokens"
    ),
}


class Arguments(NamedTuple):
    """names: by position. settings: those that are settings, with their defaults."""

    names: tuple[str, ...]
    settings: dict[str, Any]


@cache
def arguments_of(class_name: str) -> Arguments:
    """What the constructor of a class takes by position; nothing if it builds no pipeline itself."""
    names, settings = [], {}
    for entry in _ARGUMENTS.get(class_name, "").split():
        name, given, default = entry.partition("=")
        names.append(name)
        if given:
            settings[name] = ast.literal_eval(default)
    return Arguments(tuple(names), settings)


@cache
def settings_of_classes() -> frozenset[str]:
    """Every setting that some class takes."""
    return frozenset(name for class_name in _ARGUMENTS for name in arguments_of(class_name).names)
