"""The classes of transformers for translation between many languages: each text has the code of its own."""

from collections.abc import Callable, Mapping
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    Ids,
    metaspace,
    one_space,
    replace_regex,
    sequence,
    strip,
    unigram,
    words_and_metaspace,
)
from fastplm.tokenizers.classes.bpe import spaced_bpe
from fastplm.tokenizers.classes.parts import (
    MASK,
    ROBERTA_TOKENS,
    Finish,
    Languages,
    Parts,
    Pieces,
    Pipeline,
    Reorder,
    Token,
    TokenizerClass,
    Tokens,
    special,
)
from fastplm.tokenizers.classes.unigram import fairseq_pieces, fairseq_tokens

# The codes are those of the checkpoints mbart-large-cc25, mbart-large-50 and nllb-200.
_MBART = (
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM "
    "ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN"
)
_MORE_OF_MBART50 = (
    "af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE "
    "sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
)
_NLLB = (
    "ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi apc_Arab arb_Arab "
    "ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn "
    "ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl "
    "cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn "
    "dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn pes_Arab fij_Latn fin_Latn "
    "fon_Latn fra_Latn fur_Latn fuv_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn "
    "heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn "
    "jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor knc_Arab knc_Latn "
    "kaz_Cyrl kbp_Latn kea_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kon_Latn kor_Hang kmr_Latn "
    "lao_Laoo lvs_Latn lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn "
    "luo_Latn lus_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Latn mkd_Cyrl plt_Latn mlt_Latn mni_Beng "
    "khk_Cyrl mos_Latn mri_Latn zsm_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn "
    "nya_Latn oci_Latn gaz_Latn ory_Orya pag_Latn pan_Guru pap_Latn pol_Latn por_Latn prs_Arab pbt_Arab "
    "quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Beng scn_Latn shn_Mymr sin_Sinh slk_Latn "
    "slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn als_Latn srd_Latn srp_Cyrl ssw_Latn "
    "sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi "
    "taq_Latn taq_Tfng tpi_Latn tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab "
    "ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn "
    "yue_Hant zho_Hans zho_Hant zul_Latn"
)
_MBART_CODES = tuple(_MBART.split())
_MBART50_CODES = (*_MBART_CODES, *_MORE_OF_MBART50.split())
_NLLB_CODES = tuple(_NLLB.split())


def _mbart(parts: Parts) -> Pipeline:
    return Pipeline(unigram(3), None, words_and_metaspace("always"), metaspace("always"))


def _mbart50(parts: Parts) -> Pipeline:
    normalizer = one_space(parts.charsmap)
    return Pipeline(unigram(3), normalizer, metaspace("always"), metaspace("always"))


def _seamless(parts: Parts) -> Pipeline:
    steps = [
        replace_regex(r"[\n\r\t]", " "), {"type": "NFKC"}, strip(left=False, right=True),
        replace_regex(f" +{SPACE}", SPACE), replace_regex(f"^{SPACE}+$", ""), replace_regex(" {2,}", SPACE),
    ]  # fmt: skip
    return spaced_bpe(parts)._replace(
        normalizer=sequence("normalizers", steps),
        pre_tokenizer=metaspace("first"),
        decoder=metaspace("first"),
    )


def _finish(languages: Callable[[Parts], Languages], *, lacking: str = "error") -> Finish:
    """lacking: what a language without a token is: an "error", the unknown token's "id", or that "token"."""

    def finish(parts: Parts, ids: Ids) -> Component:
        chosen = languages(parts)
        code = chosen.written(parts.text("src_lang") or chosen.default)
        eos = parts.token("eos_token")
        try:
            return chosen.frame(code, eos, ids)
        except CheckpointError:
            if lacking == "error":
                raise
        unknown = parts.token("unk_token")
        if lacking == "token":
            return chosen.frame(unknown, eos, ids)
        return chosen.frame(code, eos, lambda token: ids(unknown if token == code else token))

    return finish


def _mbart_languages(_: Parts) -> Languages:
    return Languages("MBartTokenizer", _MBART_CODES, "en_XX", before=False)


def _mbart50_languages(_: Parts) -> Languages:
    return Languages("MBart50Tokenizer", _MBART50_CODES, "en_XX", before=True, are_extra=True)


def _nllb_languages(parts: Parts) -> Languages:
    behind = parts.flag("legacy_behaviour", False)
    return Languages("NllbTokenizer", _NLLB_CODES, "eng_Latn", not behind, {"legacy_behaviour": behind})


def _seamless_languages(_: Parts) -> Languages:
    return Languages(
        "SeamlessM4TTokenizer", (), "eng", before=True, underlined=True, default_target="fra",
        target_after_end=True,
    )  # fmt: skip


def _nllb_pieces(pieces: Pieces, _: Mapping[str, Any], tokens: Tokens) -> Pieces:
    """The first four ids are those of fairseq; the pieces follow that are none of them."""
    first = fairseq_tokens(tokens)
    return [*((token, 0.0) for token in first), *(piece for piece in pieces if piece[0] not in first)]


def _seamless_pieces(pieces: Pieces, _: Mapping[str, Any], __: Tokens) -> Pieces:
    got = [piece for piece, _ in pieces[:3]]
    if got != ["<unk>", "<s>", "</s>"]:
        raise CheckpointError(
            f"SeamlessM4TTokenizer: a SentencePiece model begins with {got}; expected <unk>, <s> and </s>"
        )
    return [("<pad>", 0.0), *pieces]


def _codes_first(_: Mapping[str, Any], given: list[Token] | None) -> list[Token]:
    return [*_MBART_CODES, *(token for token in given or () if str(token) not in _MBART_CODES)]


def _codes_last(_: Mapping[str, Any], given: list[Token] | None) -> list[Token]:
    listed = [str(token) for token in given or ()]
    return [*(given or ()), *(code for code in _MBART50_CODES if code not in listed)]


def _then(codes: tuple[str, ...]) -> Reorder:
    """The codes come behind the pieces, and before the mask."""

    def reorder(pieces: Pieces, settings: Mapping[str, Any], tokens: Tokens) -> Pieces:
        *most, mask = fairseq_pieces(pieces, settings, tokens)
        return [*most, *((code, 0.0) for code in codes), mask]

    return reorder


_BPE_MODEL = ("sentencepiece.bpe.model",)
_TOKENS = {**ROBERTA_TOKENS, "mask_token": MASK}
TRANSLATION = {
    "MBartTokenizer": TokenizerClass(
        _mbart, _finish(_mbart_languages), "Unigram", _BPE_MODEL, _TOKENS, _codes_first,
        _then(_MBART_CODES),
        languages=_mbart_languages,
    ),
    "MBart50Tokenizer": TokenizerClass(
        _mbart50, _finish(_mbart50_languages), "Unigram", _BPE_MODEL,
        {k: v for k, v in _TOKENS.items() if k != "bos_token"}, _codes_last, _then(_MBART50_CODES),
        languages=_mbart50_languages,
    ),
    "NllbTokenizer": TokenizerClass(
        spaced_bpe, _finish(_nllb_languages, lacking="id"), "BPE", _BPE_MODEL,
        {**_TOKENS, "mask_token": special("<mask>", lstrip=True, normalized=True)},
        lambda _, given: list(_NLLB_CODES) if given is None else given, _nllb_pieces,
        languages=_nllb_languages,
    ),
    "SeamlessM4TTokenizer": TokenizerClass(
        _seamless, _finish(_seamless_languages, lacking="token"), "BPE", _BPE_MODEL,
        {k: v for k, v in ROBERTA_TOKENS.items() if k != "mask_token"}, None, _seamless_pieces,
        languages=_seamless_languages,
    ),
}  # fmt: skip
