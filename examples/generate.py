"""Text from a decoder, printed as it comes.

python examples/generate.py FOLDER ["the beginning"] [number of new tokens]
"""

import sys

import fastplm


def main() -> None:
    if not 2 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    folder = sys.argv[1]
    beginning = sys.argv[2] if len(sys.argv) > 2 else "Once upon a time"
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder)
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    streamer = fastplm.TextStreamer(tokenizer, skip_special_tokens=True)
    model.generate(**tokenizer(beginning, return_tensors="np"), max_new_tokens=count, streamer=streamer)


if __name__ == "__main__":
    main()
