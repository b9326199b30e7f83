"""A loop written by hand: one's own classifier on a BERT, a DataLoader, AdamW and backward().

python examples/training_loop.py MODEL TRAIN.jsonl [epochs]

MODEL is a folder of a BERT with its tokenizer. TRAIN.jsonl has {"text": ..., "label": 0} on every line.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import fastplm
from fastplm.optim import AdamW
from fastplm.transformers import BertModel


class Classifier(nn.Module):
    def __init__(self, folder: str, labels: int) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(folder)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.bert.config.hidden_size, labels)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits [batch, labels]."""
        logits: torch.Tensor = self.head(self.dropout(self.bert(**inputs).pooler_output))
        return logits


def main() -> None:
    if not 3 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    tokenizer = fastplm.AutoTokenizer.from_pretrained(sys.argv[1])
    rows = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines() if line]

    def collate(some: list[dict[str, Any]]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        texts = [row["text"] for row in some]
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
        return dict(inputs), torch.tensor([row["label"] for row in some])

    torch.manual_seed(0)
    model = Classifier(sys.argv[1], len({row["label"] for row in rows})).train()
    optimizer = AdamW(model.parameters(), lr=5e-5, max_norm=1.0)
    loader = torch.utils.data.DataLoader(rows, batch_size=16, shuffle=True, collate_fn=collate)
    for epoch in range(1, 1 + (int(sys.argv[3]) if len(sys.argv) == 4 else 3)):
        right, total = 0, 0.0
        for inputs, labels in loader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(**inputs)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((logits.argmax(-1) == labels).sum())
            total += loss.item() * len(labels)
        print(f"epoch {epoch}: loss {total / len(rows):.3f}, accuracy {right / len(rows):.2f}", flush=True)


if __name__ == "__main__":
    main()
