"""What texts feel like: a model for text classification, over the lines of stdin or the texts given.

python examples/sentiment.py FOLDER ["a text" ...]
"""

import sys

import fastplm


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    classify = fastplm.pipeline("sentiment-analysis", model=sys.argv[1])
    texts = sys.argv[2:] or [line.rstrip("\n") for line in sys.stdin]
    for text, result in zip(texts, classify(texts, truncation=True), strict=True):
        print(f"{result['label']:10} {result['score']:.3f}  {text}")


if __name__ == "__main__":
    main()
