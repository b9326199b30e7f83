"""A small GPT-2 from nothing, and what it then writes.

fastplm train-tokenizer TEXT --model bpe --vocab-size 2000 -o TOKENIZER
python examples/train_gpt2.py TEXT TOKENIZER OUTPUT [steps]

The model is trained by transformers' modules with fastplm's operations, and it writes with fastplm's engine.
"""

import sys
from pathlib import Path

import torch

import fastplm
from fastplm.optim import AdamW
from fastplm.transformers import GPT2Config, GPT2LMHeadModel

BATCH, LENGTH = 8, 128


def main() -> None:
    if not 4 <= len(sys.argv) <= 5:
        raise SystemExit(__doc__)
    tokenizer = fastplm.AutoTokenizer.from_pretrained(sys.argv[2])
    ids = torch.tensor(tokenizer(Path(sys.argv[1]).read_text())["input_ids"])
    steps = int(sys.argv[4]) if len(sys.argv) == 5 else 300

    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=128, n_layer=2, n_head=4, n_positions=LENGTH, bos_token_id=end,
        eos_token_id=end,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    optimizer = AdamW(model.parameters(), lr=1e-3, max_norm=1.0)
    for step in range(1, steps + 1):
        starts = torch.randint(len(ids) - LENGTH, (BATCH,))
        batch = torch.stack([ids[at : at + LENGTH] for at in starts])
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0 or step == steps:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    model.save_pretrained(sys.argv[3])
    tokenizer.save_pretrained(sys.argv[3])

    writer = fastplm.AutoModelForCausalLM.from_pretrained(sys.argv[3])
    begin = ids[:8].tolist()
    written = writer.generate([begin], max_new_tokens=40, do_sample=True, top_k=20)
    print(tokenizer.decode(written[0]))


if __name__ == "__main__":
    main()
