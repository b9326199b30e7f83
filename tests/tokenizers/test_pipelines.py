"""The pipelines of transformers, with our tokenizer in place of its own."""

from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["the cats sat on the mat", "hello world, unaffordable café 中国"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
PIPELINES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "text-classification": ("ForSequenceClassification", {}, lambda pipe: pipe(TEXTS, top_k=None)),
    "text-classification, cut": (
        "ForSequenceClassification", {},
        lambda pipe: pipe(TEXTS, truncation=True, max_length=5, batch_size=2),
    ),
    "token-classification": (
        "ForTokenClassification", {"aggregation_strategy": "first"}, lambda pipe: pipe(TEXTS),
    ),
    "token-classification, in strides": (
        "ForTokenClassification", {"aggregation_strategy": "simple", "stride": 2}, lambda pipe: pipe(TEXTS),
    ),
    "fill-mask": ("ForMaskedLM", {}, lambda pipe: pipe(["the [MASK] sat", "a [MASK]"], targets=["cat"])),
    "feature-extraction": ("Model", {}, lambda pipe: pipe(TEXTS)),
}  # fmt: skip


@pytest.mark.parametrize("name", PIPELINES)
def test_same_results(name: str, tmp_path: Path, vocabulary: dict[str, int]) -> None:
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "model_max_length": 20}'
    )
    head, options, call = PIPELINES[name]
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(vocabulary), num_labels=2, **SIZES)
    model = getattr(transformers, "Bert" + head)(config).eval()
    results = []
    for auto in (AutoTokenizer, transformers.AutoTokenizer):
        tokenizer = auto.from_pretrained(tmp_path)
        task = name.partition(",")[0]
        pipe = transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu", **options)
        results.append(str(call(pipe)))
    assert results[0] == results[1]
    assert len(results[0]) > 20
