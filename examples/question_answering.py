"""The answer to a question, found in a text file of any length, with the line around it.

python examples/question_answering.py FOLDER notes.txt "Who has the key?"
"""

import sys
from pathlib import Path

import fastplm


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    folder, file, question = sys.argv[1:]
    context = Path(file).read_text(encoding="utf-8")
    ask = fastplm.pipeline("question-answering", model=folder)
    answer = ask(question=question, context=context)
    begin = context.rfind("\n", 0, answer["start"]) + 1
    print(f"{answer['answer']}  ({answer['score']:.3f})")
    print(context[begin:].split("\n", 1)[0])


if __name__ == "__main__":
    main()
