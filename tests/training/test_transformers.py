"""Scripts that train run with the import changed, and come to the same weights."""

from types import ModuleType
from typing import Any

import pytest
import torch
import transformers

import fastplm.transformers
from fastplm.optim import AdamW

BERT: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 40, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
both = (transformers, fastplm.transformers)


def examples(count: int) -> list[dict[str, Any]]:
    g = torch.Generator().manual_seed(0)
    rows = []
    for i in range(count):
        ids = torch.randint(5, 60, (5 + i % 7,), generator=g)
        rows.append({"input_ids": ids.tolist(), "attention_mask": [1] * len(ids), "labels": int(ids[0] > 30)})
    return rows


def padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(r["input_ids"]) for r in rows)
    fill = lambda name: [r[name] + [0] * (longest - len(r[name])) for r in rows]  # noqa: E731
    batch = {name: torch.tensor(fill(name)) for name in ("input_ids", "attention_mask")}
    return {**batch, "labels": torch.tensor([r["labels"] for r in rows])}


def assert_same_weights(ours: Any, theirs: Any) -> None:
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=2e-3, msg=lambda m, n=name: f"{n}: {m}")


def train_with_trainer(library: ModuleType, folder: Any) -> Any:
    torch.manual_seed(0)
    model = library.BertForSequenceClassification(library.BertConfig(**BERT))
    arguments = library.TrainingArguments(
        output_dir=folder, max_steps=6, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        learning_rate=1e-3, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    rows = examples(24)
    trainer = library.Trainer(
        model, arguments, data_collator=padded, train_dataset=rows, eval_dataset=rows[:8]
    )
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0
    return model


def train_by_hand(library: ModuleType, folder: Any) -> Any:
    torch.manual_seed(0)
    library.BertForMaskedLM(library.BertConfig(**BERT)).save_pretrained(folder)
    model = library.AutoModelForMaskedLM.from_pretrained(folder).train()
    optimizer = (AdamW if library is fastplm.transformers else torch.optim.AdamW)(model.parameters(), lr=1e-3)
    for start in range(0, 24, 4):
        batch = padded(examples(24)[start : start + 4])
        batch["labels"] = torch.where(batch["input_ids"] % 3 == 1, batch["input_ids"], -100)
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def train_own_classifier(library: ModuleType, folder: Any) -> Any:
    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = library.BertModel(library.BertConfig(**BERT))
            self.head = torch.nn.Linear(32, 2)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.head(self.bert(input_ids, attention_mask=attention_mask).pooler_output)

    torch.manual_seed(0)
    model = Classifier().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for batch in torch.utils.data.DataLoader(examples(24), batch_size=4, collate_fn=padded):
        labels = batch.pop("labels")
        torch.nn.functional.cross_entropy(model(**batch), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


@pytest.mark.parametrize("script", [train_with_trainer, train_by_hand, train_own_classifier])
def test_a_script_with_its_import_changed(script: Any, tmp_path: Any) -> None:
    theirs, ours = (script(library, tmp_path / library.__name__) for library in both)
    bert = ours.bert
    assert bert.config._attn_implementation == "fastplm" and isinstance(bert, transformers.BertModel)
    assert_same_weights(ours, theirs)


def test_names_are_transformers() -> None:
    ours = fastplm.transformers
    assert ours.TrainingArguments is transformers.TrainingArguments
    assert ours.AutoTokenizer is transformers.AutoTokenizer
    assert issubclass(ours.BertModel, transformers.BertModel) and ours.BertModel.__name__ == "BertModel"
    assert ours.BertModel is ours.BertModel
    with pytest.raises(AttributeError):
        _ = ours.NoSuchModel


def test_a_saved_model_is_transformers(tmp_path: Any) -> None:
    model = fastplm.transformers.BertModel(transformers.BertConfig(**BERT)).eval()
    model.save_pretrained(tmp_path)
    ids = torch.tensor([[5, 9, 7]])
    for again in (
        transformers.AutoModel.from_pretrained(tmp_path),
        transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="fastplm"),
        fastplm.transformers.AutoModel.from_pretrained(tmp_path),
        fastplm.transformers.BertModel.from_pretrained(tmp_path),
    ):
        torch.testing.assert_close(again.eval()(ids)[0], model(ids)[0], atol=1e-5, rtol=1e-4)
        assert again.config.architectures == ["BertModel"]
    made, about = fastplm.transformers.AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert made.config._attn_implementation == "fastplm" and not about["missing_keys"]
