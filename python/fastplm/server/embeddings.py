"""/v1/embeddings."""

import base64
from typing import Any

import numpy as np

from fastplm.sentence_encoder import SentenceEncoder
from fastplm.server.body import Fields, wrong

_TEXTS = 2048  # of one request, as in OpenAI's interface


def prepare(encoder: SentenceEncoder, fields: Fields) -> tuple[list[str], dict[str, Any], bool]:
    """Texts, the arguments of encode(), and whether vectors are sent in base64. Raises ApiError."""
    texts = fields.take("input")
    texts = [texts] if isinstance(texts, str) else texts
    if (
        not isinstance(texts, list)
        or not 0 < len(texts) <= _TEXTS
        or not all(isinstance(text, str) for text in texts)
    ):
        raise wrong("input", texts, f"a string or up to {_TEXTS} strings")
    form = fields.take("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise wrong("encoding_format", form, '"float" or "base64"')
    width = encoder.get_sentence_embedding_dimension()
    dimensions = fields.whole("dimensions", 1, width or 1)
    fields.finish()
    return texts, {} if dimensions is None else {"truncate_dim": dimensions}, form == "base64"


def answer(
    model: str, encoder: SentenceEncoder, texts: list[str], arguments: dict[str, Any], as_base64: bool
) -> dict[str, Any]:
    """Computes it: for a thread of its own."""
    vectors = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False, **arguments)
    tokens = sum(map(len, encoder.tokenizer(texts)["input_ids"]))
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode()
            if as_base64
            else row.tolist(),
        }
        for i, row in enumerate(np.asarray(vectors, np.float32))
    ]
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
