"""All that an encoding says, of fastplm's and of the reference's."""

from typing import Any


def fields_of(encoding: Any) -> dict[str, Any]:
    return {
        "ids": list(encoding.ids),
        "tokens": list(encoding.tokens),
        "type_ids": list(encoding.type_ids),
        "special_tokens_mask": list(encoding.special_tokens_mask),
        "attention_mask": list(encoding.attention_mask),
        "offsets": list(encoding.offsets),
        "word_ids": list(encoding.word_ids),
        "sequence_ids": list(encoding.sequence_ids),
    }
