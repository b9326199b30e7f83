"""What stands around the tokens of a text: begin and end tokens, the code of its language."""

from __future__ import annotations

from typing import Self

from fastplm.tokenizers.classes.parts import Languages, begin_end_template
from fastplm.tokenizers.components import Component
from fastplm.tokenizers.special_tokens import SpecialTokens


class Framing(SpecialTokens):
    """add_bos_token and add_eos_token; of a tokenizer for translation src_lang and tgt_lang.

    Setting one makes a new engine at once; calls that other threads have begun end with the one before.
    """

    @property
    def add_bos_token(self) -> bool:
        """Whether bos_token comes first, if that was asked for and not left to the checkpoint's template."""
        return self._add_bos_token

    @add_bos_token.setter
    def add_bos_token(self, value: bool) -> None:
        self._put(bool(value), self._add_eos_token)

    @property
    def add_eos_token(self) -> bool:
        """As add_bos_token, for eos_token at the end."""
        return self._add_eos_token

    @add_eos_token.setter
    def add_eos_token(self, value: bool) -> None:
        self._put(self._add_bos_token, bool(value))

    def update_post_processor(self) -> None:
        """Puts bos_token and eos_token around each text, as add_bos_token and add_eos_token say, no more.

        To be called, as in transformers, when one of the two has been given another token. Classes with a
        frame of their own keep it: those with languages, and SplinterTokenizer. Raises ValueError.
        """
        self._put(self._add_bos_token, self._add_eos_token)

    def _put(self, add_bos: bool, add_eos: bool) -> None:
        bos, eos = self._named.get("bos_token"), self._named.get("eos_token")
        add_bos, add_eos = add_bos and bos is not None, add_eos and eos is not None
        if self._languages is not None:
            self._speak(self._src_lang)
        elif self._own_frame is not None:
            self._frame(self._own_frame(self._named, self.padding_side, self._id_or_unknown))
        else:
            self._frame(
                begin_end_template(bos if add_bos else None, eos if add_eos else None, self._id_or_unknown)
            )
        self._add_bos_token, self._add_eos_token = add_bos, add_eos

    @property
    def src_lang(self) -> str:
        """The code of the language that is translated from: it stands at the texts that are encoded."""
        self._needs_languages("src_lang")
        return self._src_lang

    @src_lang.setter
    def src_lang(self, code: str) -> None:
        code = self._needs_languages("src_lang").written(code)
        self._speak(code)
        self._src_lang = code

    @property
    def tgt_lang(self) -> str | None:
        """The code of the language that is translated to: it stands at what is given as text_target."""
        self._needs_languages("tgt_lang")
        return self._tgt_lang

    @tgt_lang.setter
    def tgt_lang(self, code: str | None) -> None:
        languages = self._needs_languages("tgt_lang")
        if code is not None:
            self._known(code := languages.written(code))
        self._tgt_lang = code

    @property
    def lang_code_to_id(self) -> dict[str, int]:
        """The languages' codes, for forced_bos_token_id."""
        codes = self._needs_languages("lang_code_to_id").codes
        return {code: self.convert_tokens_to_ids(code) for code in codes}

    def _needs_languages(self, name: str) -> Languages:
        if self._languages is None:
            raise AttributeError(f"{name}: this tokenizer's class has no languages")
        return self._languages

    def _for_targets(self) -> Self:
        """This tokenizer as it encodes texts in the language that is translated to."""
        if self._languages is None:
            return self
        target = self._with_engine(self._engine)
        target._speak(self._tgt_lang or self._src_lang, target=True)
        return target

    def _speak(self, code: str, *, target: bool = False) -> None:
        eos = self._named.get("eos_token")
        if eos is None:
            raise ValueError("eos_token is None; expected the token that ends a text")
        self._frame(self._needs_languages("src_lang").frame(code, eos, self._known, target=target))

    def _frame(self, post_processor: Component) -> None:
        self._become(self._source.with_post_processor(post_processor), like=self._engine)

    def _id_or_unknown(self, token: str) -> int:
        unknown = self._named.get("unk_token")
        return self._known(token if unknown is None or self._id(token) is not None else unknown)

    def _known(self, token: str) -> int:
        token_id = self._id(token)
        if token_id is None:
            raise ValueError(f"{token!r} is no token of this tokenizer; expected one that is")
        return token_id
