"""Which of transformers' tokenizer classes a folder's files ask for."""

import json
from typing import Any

from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.parts import TokenizerClass

_BY_MODEL_TYPE = {
    model_type: name
    for name, model_types in {
        "AlbertTokenizer": "albert yoso",
        "BartTokenizer": "florence2",
        "BarthezTokenizer": "barthez",
        "BertTokenizer": (
            "align bark bert blip bros chinese_clip convbert distilbert electra ernie flava git "
            "grounding-dino layoutlm lxmert megatron-bert mm-grounding-dino mobilebert nezha nomic_bert "
            "qdqbert realm retribert squeezebert tvp vilt visual_bert"
        ),
        "BigBirdTokenizer": "big_bird",
        "BlenderbotTokenizer": "blenderbot",
        "CLIPTokenizer": (
            "aimv2 clip clipseg groupvit omdet-turbo oneformer owlv2 owlvit sam3 sam3_video xclip"
        ),
        "CamembertTokenizer": "camembert",
        "CohereTokenizer": "aya_vision cohere cohere2",
        "DPRQuestionEncoderTokenizer": "dpr",
        "DebertaTokenizer": "deberta",
        "DebertaV2Tokenizer": "deberta-v2",
        "FNetTokenizer": "fnet",
        "FunnelTokenizer": "funnel",
        "GPT2Tokenizer": (
            "blip-2 codegen dbrx emu3 gpt2 gpt_neo gptj hyperclovax_vision_v2 instructblip "
            "instructblipvideo jais2 opt phi starcoder2"
        ),
        "GPTNeoXTokenizer": "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm",
        "GemmaTokenizer": (
            "diffusion_gemma gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma "
            "shieldgemma2 t5gemma zaya"
        ),
        "HerbertTokenizer": "herbert",
        "LEDTokenizer": "led",
        "LlamaTokenizer": "idefics idefics2",
        "MBart50Tokenizer": "mbart50",
        "MBartTokenizer": "mbart",
        "MPNetTokenizer": "mpnet",
        "MvpTokenizer": "mvp",
        "NllbTokenizer": "nllb nllb-moe",
        "OpenAIGPTTokenizer": "openai-gpt",
        "PegasusTokenizer": "pegasus",
        "Qwen2Tokenizer": (
            "audioflamingo3 colqwen2 cosmos3_omni dots3_note fun_asr_nano hunyuan_vl internvl "
            "lighton_ocr moss_transcribe_diarize ovis2 qianfan_ocr qwen2 qwen2_5_omni qwen2_5_vl "
            "qwen2_audio qwen2_moe qwen2_vl qwen3 qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe "
            "qwen3_vl qwen3_vl_moe vibevoice"
        ),
        "Qwen3_5Tokenizer": "qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen4_exp",
        "ReformerTokenizer": "reformer",
        "RemBertTokenizer": "rembert",
        "RobertaTokenizer": (
            "bart bridgetower clap data2vec-text ibert lilt longformer mega mra roberta roberta-prelayernorm"
        ),
        "SplinterTokenizer": "splinter",
        "T5Tokenizer": "mt5 musicgen musicgen_melody switch_transformers t5",
        "XGLMTokenizer": "xglm",
        "XLMRobertaTokenizer": "gte jina_embeddings_v3 metaclip_2 trocr xlm-roberta xmod",
        "XLNetTokenizer": "xlnet",
        "BartphoTokenizer": "bartpho",
        "BertGenerationTokenizer": "bert-generation",
        "BertJapaneseTokenizer": "bert-japanese",
        "CodeLlamaTokenizer": "code_llama",
        "CpmTokenizer": "cpm",
        "GPTSw3Tokenizer": "gpt-sw3",
        "LasrTokenizer": "lasr_ctc lasr_encoder",
        "LayoutXLMTokenizer": "layoutxlm",
        "M2M100Tokenizer": "m2m_100",
        "MLukeTokenizer": "mluke",
        "MarianTokenizer": "marian",
        "NougatTokenizer": "nougat pp_formulanet",
        "PLBartTokenizer": "plbart",
        "ParakeetTokenizer": (
            "granite_speech5_ctc nemotron3_5_asr nemotron_asr_streaming omniasr_ctc parakeet_ctc "
            "parakeet_rnnt parakeet_tdt"
        ),
        "SeamlessM4TTokenizer": "seamless_m4t seamless_m4t_v2",
        "Siglip2Tokenizer": "siglip2",
        "SiglipTokenizer": "siglip",
        "Speech2TextTokenizer": "speech_to_text",
        "SpeechT5Tokenizer": "speecht5",
        "Tipsv2Tokenizer": "tipsv2",
        "UdopTokenizer": "udop",
        "VideoPrismTokenizer": "videoprism",
        # Those take tokenizer.json as it is, whatever class their files name.
        "TokenizersBackend": (
            "EvollaModel aria beam bigbird_pegasus canary flex_olmo glm glm4 glm4_moe glm4_moe_lite "
            "glm4v glm4v_moe glm_image glmasr got_ocr2 gpt_bigcode gradium_phonon_tts granite "
            "granitemoe granitemoehybrid granitemoeshared kimi_k25 kimi_linear kosmos-2 mimo_v2_flash "
            "minicpm_ocr minicpmv4_6 minicpmv4_7 ministral ministral3 mistral mistral3 mistral_large4 "
            "mixtral nemo_speechlm nystromformer olmo2 omniasr olmo3 olmo_hybrid pegasus_x "
            "persimmon pix2struct pixtral pocket_tts stablelm umt5 voxtral voxtral_realtime "
            "xlm-roberta-xl internlm3 fuyu "
            "minimax_m2 vipllava llava_next molmo2 internlm2 step3_vl camembertv2-base hyperclovax_vlm "
            "jamba openvla phi3_v opencua minicpmv chatlm iquestcoder phi3 hyperclovax "
            "modernbert-decoder arctic ernie4_5_moe nemotron molmo ernie4_5 minicpm3 paddleocr_vl "
            "cohere_asr nvfp4 phimoe smolvlm h2ovl_chat modernbert llava"
        ),
    }.items()
    for model_type in model_types.split()
}
# Checkpoints of these are known to name a wrong class; the model type decides.
_MISLABELED = {"hyperclovax_vision_v2", "qwen2", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen4_exp"}


# Those have rules of their own for their older files, which fastplm does not know.
_NEED_JSON = (
    "BartphoTokenizer", "BertGenerationTokenizer", "BertJapaneseTokenizer", "CodeLlamaTokenizer",
    "CpmTokenizer", "GPTSw3Tokenizer", "LasrTokenizer", "LayoutXLMTokenizer", "M2M100Tokenizer",
    "MLukeTokenizer", "MarianTokenizer", "NougatTokenizer", "PLBartTokenizer", "ParakeetTokenizer",
    "Siglip2Tokenizer", "SiglipTokenizer", "Speech2TextTokenizer", "SpeechT5Tokenizer", "Tipsv2Tokenizer",
    "UdopTokenizer", "VideoPrismTokenizer",
)  # fmt: skip
# Every class that has rules: the others take tokenizer.json as it is.
KNOWN = {**CLASSES, **dict.fromkeys(_NEED_JSON, TokenizerClass(needs_json=True))}


def class_of_model_type(model_type: str) -> str | None:
    """The class that models of this type use; None if the type is unknown."""
    return _BY_MODEL_TYPE.get(model_type)


def choose_class(
    config: dict[str, Any], model_config: dict[str, Any], byte_level: bool
) -> tuple[str | None, TokenizerClass]:
    """The class and its name without "Fast" (None: no file names one and the model type is unknown).

    config: tokenizer_config.json. model_config: config.json. byte_level: whether tokenizer.json has a
    ByteLevel component; files that name LlamaTokenizer, which is not byte-level, are then taken as they are.
    """
    model_type = model_config.get("model_type")
    registered = _BY_MODEL_TYPE.get(model_type) if isinstance(model_type, str) else None
    named = config.get("tokenizer_class") or model_config.get("tokenizer_class")
    if not isinstance(named, str):
        return registered, KNOWN.get(registered or "", PLAIN)
    name = named.removesuffix("Fast")
    if name == "LlamaTokenizer" and byte_level and model_type not in _MISLABELED:
        return name, PLAIN
    if registered == "TokenizersBackend":
        return name, PLAIN
    if registered is not None and model_type in _MISLABELED:
        name = registered
    return name, KNOWN.get(name, PLAIN)


def has_byte_level(sections: dict[str, dict[str, Any] | None]) -> bool:
    """Whether ByteLevel is among the components."""
    return '"ByteLevel"' in json.dumps(sections)
