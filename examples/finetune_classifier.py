"""A classifier fine-tuned with transformers' Trainer: only the import is fastplm's.

python examples/finetune_classifier.py MODEL TRAIN.jsonl OUTPUT [epochs]

MODEL is a folder of an encoder with its tokenizer. TRAIN.jsonl has {"text": ..., "label": 0} on every line.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fastplm.transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def main() -> None:
    if not 4 <= len(sys.argv) <= 5:
        raise SystemExit(__doc__)
    rows = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines() if line]
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    labels = len({row["label"] for row in rows})
    model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=labels)
    data = [{**tokenizer(row["text"], truncation=True), "labels": row["label"]} for row in rows]
    held_out = max(1, len(data) // 10)
    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir=sys.argv[3],
            num_train_epochs=float(sys.argv[4]) if len(sys.argv) == 5 else 3,
            per_device_train_batch_size=16,
            learning_rate=5e-5,
            report_to=[],
        ),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=data[held_out:],
        eval_dataset=data[:held_out],
        processing_class=tokenizer,
        compute_metrics=accuracy,
    )
    trainer.train()
    print(f"accuracy on {held_out} texts: {trainer.evaluate()['eval_accuracy']:.2f}")
    trainer.save_model(sys.argv[3])


if __name__ == "__main__":
    main()
