"""What stands around the tokens of a text: begin and end tokens, the code of its language.

Setting one makes a new engine at once; calls that other threads have begun end with the one before.
"""

from __future__ import annotations

from typing import TypeVar

from fastplm.tokenizers.base.components import Component
from fastplm.tokenizers.classes.parts import Languages, begin_end_template
from fastplm.tokenizers.methods.state import State, replace_source, with_engine
from fastplm.tokenizers.methods.vocabulary import id_of, ids_of, known_id

_T = TypeVar("_T", bound=State)


def set_begin_and_end(tokenizer: State, add_bos: bool, add_eos: bool) -> None:
    """Puts bos_token and eos_token around each text, if they are there; a class's own frame stays."""
    named = tokenizer._named
    bos, eos = named.get("bos_token"), named.get("eos_token")
    add_bos, add_eos = add_bos and bos is not None, add_eos and eos is not None

    def id_or_unknown(token: str) -> int:
        unknown = named.get("unk_token")
        return known_id(
            tokenizer, token if unknown is None or id_of(tokenizer, token) is not None else unknown
        )

    if tokenizer._languages is not None:
        _set_language(tokenizer, tokenizer._src_lang)
    elif tokenizer._own_frame is not None:
        _set_frame(tokenizer, tokenizer._own_frame(named, tokenizer.padding_side, id_or_unknown))
    else:
        _set_frame(
            tokenizer, begin_end_template(bos if add_bos else None, eos if add_eos else None, id_or_unknown)
        )
    tokenizer._add_bos_token, tokenizer._add_eos_token = add_bos, add_eos


def languages_of(tokenizer: State, name: str) -> Languages:
    """Raises AttributeError, for the attribute `name`, if it has none."""
    if tokenizer._languages is None:
        raise AttributeError(f"{name}: this tokenizer's class has no languages")
    return tokenizer._languages


def set_src_lang(tokenizer: State, code: str) -> None:
    code = languages_of(tokenizer, "src_lang").written(code)
    _set_language(tokenizer, code)
    tokenizer._src_lang = code


def set_tgt_lang(tokenizer: State, code: str | None) -> None:
    languages = languages_of(tokenizer, "tgt_lang")
    if code is not None:
        known_id(tokenizer, code := languages.written(code))
    tokenizer._tgt_lang = code


def language_ids(tokenizer: State) -> dict[str, int]:
    codes = languages_of(tokenizer, "lang_code_to_id").codes
    return {code: ids_of(tokenizer, code) for code in codes}


def for_targets(tokenizer: _T) -> _T:
    """This tokenizer as it encodes texts in the language that is translated to."""
    if tokenizer._languages is None:
        return tokenizer
    target = with_engine(tokenizer, tokenizer._engine)
    _set_language(target, tokenizer._tgt_lang or tokenizer._src_lang, target=True)
    return target


def _set_language(tokenizer: State, code: str, *, target: bool = False) -> None:
    eos = tokenizer._named.get("eos_token")
    if eos is None:
        raise ValueError("eos_token is None; expected the token that ends a text")

    def ids(token: str) -> int:
        return known_id(tokenizer, token)

    _set_frame(tokenizer, languages_of(tokenizer, "src_lang").frame(code, eos, ids, target=target))


def _set_frame(tokenizer: State, post_processor: Component) -> None:
    source = tokenizer._source.with_post_processor(post_processor)
    replace_source(tokenizer, source, like=tokenizer._engine)
