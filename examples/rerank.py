"""Search in two steps: an encoder finds the lines that are near a question, a cross-encoder reads each of
them together with it and puts the best in front.

python examples/rerank.py ENCODER_FOLDER CROSS_ENCODER_FOLDER notes.txt "Who has the key?"
"""

import sys
from pathlib import Path

import fastplm

NEAR = 50  # lines that the second step reads


def main() -> None:
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    encoder = fastplm.SentenceEncoder(sys.argv[1])
    reranker = fastplm.CrossEncoder(sys.argv[2])
    lines = [line for line in Path(sys.argv[3]).read_text(encoding="utf-8").splitlines() if line.strip()]
    question = sys.argv[4]
    vectors = encoder.encode_document(lines, normalize_embeddings=True)
    scores = vectors @ encoder.encode_query(question, normalize_embeddings=True)
    near = [lines[i] for i in scores.argsort()[::-1][:NEAR]]
    for hit in reranker.rank(question, near, top_k=5, return_documents=True):
        print(f"{hit['score']:.3f}  {hit['text']}")


if __name__ == "__main__":
    main()
