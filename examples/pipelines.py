"""A task of a model in two lines: the task, a folder or hub id, and texts.

python examples/pipelines.py text-classification FOLDER ["a text" ...]
python examples/pipelines.py ner FOLDER "Anna lives in Paris."
"""

import sys

import fastplm


def main() -> None:
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    task, folder, texts = sys.argv[1], sys.argv[2], sys.argv[3:]
    pipe = fastplm.pipeline(task, model=folder)
    for text, result in zip(texts, pipe(texts), strict=True):  # one result for each text
        print(text, "->", result)


if __name__ == "__main__":
    main()
