"""Which of some labels fits a text, by a model that was never trained on them (one for entailment).

python examples/zero_shot.py FOLDER sport,politics,weather "It will rain tomorrow." ...
"""

import sys

import fastplm


def main() -> None:
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    folder, labels, *texts = sys.argv[1:]
    choose = fastplm.pipeline("zero-shot-classification", model=folder, candidate_labels=labels)
    for result in choose(texts):
        scores = zip(result["labels"], result["scores"], strict=True)
        print(", ".join(f"{label} {score:.3f}" for label, score in scores), "-", result["sequence"])


if __name__ == "__main__":
    main()
