"""The models that generate: well-known shapes with random weights, made on the spot and kept as bench.models
keeps its own. What a peer needs in a format of its own is made of the same weights.

Their words are "w0", "w1" ...: prompts are ids, and no contender sees text.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.models import made_once


@dataclass(frozen=True)
class Shape:
    """cls, settings: the class of transformers and its config. Weights that are multiplied: `source` once for
    each token that an encoder reads, `layers` for each token of the decoder, `head` for each token whose
    logits are wanted.
    """

    cls: str
    settings: dict[str, Any]
    source: float
    layers: float
    head: float
    half: bool = False  # the checkpoint is in bfloat16


_QWEN2 = dict(
    hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
    num_key_value_heads=2, vocab_size=151936, max_position_embeddings=32768, tie_word_embeddings=True,
    rope_parameters={"rope_type": "default", "rope_theta": 1e6}, bos_token_id=0, eos_token_id=2,
)  # fmt: skip
_T5 = dict(d_model=512, d_ff=2048, num_layers=6, num_heads=8, decoder_start_token_id=0)
_MARIAN = dict(
    d_model=512, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=2048, decoder_ffn_dim=2048,
    encoder_attention_heads=8, decoder_attention_heads=8, vocab_size=58101, pad_token_id=58100,
    decoder_start_token_id=58100, eos_token_id=0, forced_eos_token_id=None, max_position_embeddings=512,
    scale_embedding=True, activation_function="swish",
)  # fmt: skip
_ENCODER = 6 * (4 * 512 * 512 + 2 * 512 * 2048) + 6 * 2 * 512 * 512  # and the keys and values of its states
_DECODER = 6 * (6 * 512 * 512 + 2 * 512 * 2048)

SHAPES = {
    "qwen2-0.5b": Shape(
        "Qwen2ForCausalLM",
        _QWEN2,
        0,
        24 * (2 * 896 * 896 + 2 * 896 * 128 + 3 * 896 * 4864),
        151936 * 896,
        True,
    ),
    "gpt2-124m": Shape("GPT2LMHeadModel", {}, 0, 12 * 12 * 768 * 768, 50257 * 768),
    "t5-small": Shape("T5ForConditionalGeneration", _T5, _ENCODER, _DECODER, 32128 * 512),
    "marian": Shape("MarianMTModel", _MARIAN, _ENCODER, _DECODER, 58101 * 512),
}


def decoder_folder(name: str) -> Path:
    """The checkpoint, with a tokenizer of as many words: converters ask for one."""

    def make(folder: Path) -> None:
        import torch
        import transformers
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel

        shape = SHAPES[name]
        torch.manual_seed(0)
        cls = getattr(transformers, shape.cls)
        model = cls(cls.config_class(**shape.settings)).eval()
        (model.bfloat16() if shape.half else model).save_pretrained(folder)
        config = model.config
        names = [f"w{i}" for i in range(config.vocab_size)]
        if config.pad_token_id == config.vocab_size - 1:
            names[-1] = "<pad>"  # Marian's, which only starts the decoder: CTranslate2 looks for this name
        words = Tokenizer(WordLevel({word: i for i, word in enumerate(names)}, unk_token=names[-2]))
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=words,
            eos_token=names[config.eos_token_id],
            bos_token=names[getattr(config, "bos_token_id", None) or 0],
            pad_token=names[config.eos_token_id if config.pad_token_id is None else config.pad_token_id],
            unk_token=names[-2],
        ).save_pretrained(folder)

    return made_once(f"{name}-generates", make)


def ctranslate2_folder(name: str) -> Path:
    """CTranslate2's own format in float32; compute_type int8 quantises it while loading."""

    def make(folder: Path) -> None:
        from ctranslate2.converters import TransformersConverter

        TransformersConverter(str(decoder_folder(name))).convert(
            str(folder), quantization="float32", force=True
        )

    return made_once(f"{name}-generates-ctranslate2", make)


def gguf_file(name: str, kind: str) -> Path:
    """kind: F32, F16, Q8_0 or Q4_0, of all matrices; with Q4_0 the table of tokens, which is also the head,
    is Q8_0: llama.cpp's own files keep it at more bits too.
    """

    def make(folder: Path) -> None:
        import gguf
        from safetensors.torch import load_file

        source = decoder_folder(name)
        c = json.loads((source / "config.json").read_text())
        arch = c["model_type"]
        layers = c.get("num_hidden_layers", c.get("n_layer"))
        writer = gguf.GGUFWriter(folder / "model.gguf", arch)
        writer.add_block_count(layers)
        if arch == "qwen2":
            writer.add_context_length(c["max_position_embeddings"])
            writer.add_embedding_length(c["hidden_size"])
            writer.add_feed_forward_length(c["intermediate_size"])
            writer.add_head_count(c["num_attention_heads"])
            writer.add_head_count_kv(c["num_key_value_heads"])
            writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
            writer.add_rope_freq_base(c["rope_parameters"]["rope_theta"])
        else:
            writer.add_context_length(c["n_positions"])
            writer.add_embedding_length(c["n_embd"])
            writer.add_feed_forward_length(4 * c["n_embd"])
            writer.add_head_count(c["n_head"])
            writer.add_layer_norm_eps(c["layer_norm_epsilon"])
        writer.add_file_type(gguf.LlamaFileType["ALL_F32" if kind == "F32" else f"MOSTLY_{kind}"])
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2" if arch == "qwen2" else "gpt-2")
        writer.add_token_list([f"w{i}" for i in range(c["vocab_size"])])
        writer.add_token_types([gguf.TokenType.NORMAL] * c["vocab_size"])
        writer.add_token_merges(["w 0"])
        writer.add_bos_token_id(c["bos_token_id"])
        writer.add_eos_token_id(c["eos_token_id"])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], layers)
        for key, tensor in load_file(source / "model.safetensors").items():
            place = names.get_name(key, (".weight", ".bias"))
            values = tensor.float().numpy()
            turned = arch == "gpt2" and ".h." in key  # GPT-2's matrices are stored [in, out]
            matrix = values.ndim == 2 and not place.startswith("position_embd")
            of = gguf.GGMLQuantizationType[kind if matrix else "F32"]
            if place.startswith("token_embd") and kind == "Q4_0":
                of = gguf.GGMLQuantizationType.Q8_0
            values = gguf.quants.quantize(values.T.copy() if matrix and turned else values, of)
            writer.add_tensor(place, values, raw_dtype=of)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return made_once(f"{name}-generates-{kind.lower()}", make) / "model.gguf"


def onnx_folder(name: str, precision: str, threads: int) -> Path:
    """What onnxruntime-genai's own builder makes; precision as it names them: fp32, int4."""

    def make(folder: Path) -> None:
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(decoder_folder(name))]
        arguments = ["-o", str(folder), "-p", precision, "-e", "cpu", "-c", str(folder / "cache")]
        subprocess.run([*builder, *arguments], check=True, capture_output=True)  # it reports at length
        path = folder / "genai_config.json"
        config = json.loads(path.read_text())
        options = config["model"]["decoder"]["session_options"]
        options["intra_op_num_threads"] = threads
        path.write_text(json.dumps(config))

    return made_once(f"{name}-generates-onnx-{precision}-{threads}", make)
