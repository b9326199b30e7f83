"""A small BERT from nothing: masked words and next sentences, learned from a text file.

fastplm train-tokenizer TEXT --model wordpiece --lowercase --vocab-size 2000 -o TOKENIZER
python examples/pretrain_bert.py TEXT TOKENIZER OUTPUT [steps]

TEXT has a sentence or a paragraph on every line. OUTPUT becomes a folder that fastplm and transformers load.
"""

import random
import sys
from pathlib import Path

import torch

import fastplm
from fastplm.optim import AdamW
from fastplm.transformers import BertConfig, BertForPreTraining

BATCH, LENGTH = 16, 64


def pairs(lines: list[str], rng: random.Random) -> list[tuple[str, str, int]]:
    """BATCH pairs of lines: 0 for one that follows the other in the text, 1 for any other."""
    chosen = []
    for _ in range(BATCH):
        at = rng.randrange(len(lines) - 1)
        follows = rng.random() < 0.5
        chosen.append((lines[at], lines[at + 1] if follows else rng.choice(lines), int(not follows)))
    return chosen


def mask(ids: torch.Tensor, tokenizer: fastplm.AutoTokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """15 % of the tokens are to be predicted; of these 80 % are hidden and 10 % replaced by any other."""
    special = torch.tensor(tokenizer.all_special_ids)
    predicted = (torch.rand(ids.shape) < 0.15) & ~torch.isin(ids, special)
    dice = torch.rand(ids.shape)
    shown = torch.where(predicted & (dice < 0.8), tokenizer.mask_token_id, ids)
    other = torch.randint(len(tokenizer), ids.shape)
    shown = torch.where(predicted & (dice >= 0.9), other, shown)
    return shown, torch.where(predicted, ids, -100)


def main() -> None:
    if not 4 <= len(sys.argv) <= 5:
        raise SystemExit(__doc__)
    lines = [line.strip() for line in Path(sys.argv[1]).read_text().splitlines() if line.strip()]
    tokenizer = fastplm.AutoTokenizer.from_pretrained(sys.argv[2])
    steps = int(sys.argv[4]) if len(sys.argv) == 5 else 300

    torch.manual_seed(0)
    rng = random.Random(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=512, max_position_embeddings=LENGTH,
    )  # fmt: skip
    model = BertForPreTraining(config).train()
    optimizer = AdamW(model.parameters(), lr=1e-3, max_norm=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps)
    for step in range(1, steps + 1):
        first, second, other = zip(*pairs(lines, rng), strict=True)
        batch = tokenizer(
            list(first), list(second), padding=True, truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        batch["input_ids"], labels = mask(batch["input_ids"], tokenizer)
        loss = model(**batch, labels=labels, next_sentence_label=torch.tensor(other)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0 or step == steps:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    model.save_pretrained(sys.argv[3])
    tokenizer.save_pretrained(sys.argv[3])


if __name__ == "__main__":
    main()
