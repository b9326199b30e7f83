"""Greedy text from a decoder, one token a call: each call reads the tokens before it from the cache.

python examples/greedy_loop.py FOLDER ["the beginning"] [number of new tokens]
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import fastplm


def greedy(model: fastplm.PreTrainedModel, ids: Sequence[int], count: int) -> Iterator[int]:
    """The next `count` tokens after `ids`, each the likeliest one; fewer if the text ends before."""
    cache, new, end = None, list(ids), model.generation_config.eos_token_id
    for _ in range(count):
        out = model([new], cache=cache, use_cache=True)  # logits [1, tokens, vocabulary]
        token = int(out.logits[0, -1].argmax())
        if token == end or (isinstance(end, list) and token in end):
            return
        yield token
        cache, new = out.cache, [token]


def main() -> None:
    if not 2 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    beginning = sys.argv[2] if len(sys.argv) > 2 else "Once upon a time"
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(beginning).input_ids
    for text in tokenizer.decode_stream(chain(ids, greedy(model, ids, count)), True):
        print(text, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
