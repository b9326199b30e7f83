"""Names of people, places and the like, marked in their text.

python examples/ner.py FOLDER "Anna Schmidt moved from Paris to Oslo." ...
"""

import sys

import fastplm


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    tag = fastplm.pipeline("ner", model=sys.argv[1], aggregation_strategy="simple")
    for text in sys.argv[2:]:
        marked, end = "", 0
        for entity in tag(text):
            name = text[entity["start"] : entity["end"]]
            marked += f"{text[end : entity['start']]}[{name}: {entity['entity_group']}]"
            end = entity["end"]
        print(marked + text[end:])


if __name__ == "__main__":
    main()
