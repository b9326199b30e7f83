"""Merges found again from the tokens that they make, for files that keep tokens only."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from fastplm.errors import CheckpointError

# Time and memory grow with both. The longest token of cl100k_base is 128 spaces; it has 233,378 cuts.
_LONGEST = 1024
_MAX_CUTS = 1 << 22

_Token = TypeVar("_Token", str, bytes)


def recover_merges(path: str, ids: Mapping[_Token, int], *, by_sides: bool) -> Iterator[_Token]:
    """Every cut of a token in two tokens, left and right sides in turn.

    They come by the id of the whole, then by those of the sides (by_sides) or from the shortest left side on.
    Raises CheckpointError naming `path` for a token, or a number of cuts, that no known file comes near.
    """
    count = 0
    for whole in sorted(ids, key=ids.__getitem__):
        if len(whole) > _LONGEST:
            raise CheckpointError(f"{path}: a token of length {len(whole)}; expected at most {_LONGEST}")
        found: list[tuple[int, int, int]] = []
        for at in range(1, len(whole)):
            left = ids.get(whole[:at])
            if left is not None and (right := ids.get(whole[at:])) is not None:
                found.append((left, right, at))
        if by_sides:
            found.sort()
        count += len(found)
        if count > _MAX_CUTS:
            raise CheckpointError(f"{path}: more than {_MAX_CUTS} ways to cut a token in two; expected fewer")
        for *_, at in found:
            yield whole[:at]
            yield whole[at:]


def merges_by_score(
    path: str, ids: Mapping[str, int], scores: Sequence[float], exact: Mapping[str, Any]
) -> Iterator[str]:
    """The same for the ordinary pieces of a SentencePiece model, those with the highest score first.

    exact: what the model has under "sentencepiece", with lists of the ids of all other pieces.
    """
    others = set(chain(exact["user_defined"], exact["unused"], exact["reserved"]))
    normal = [piece for piece, i in ids.items() if i not in others]
    normal.sort(key=lambda piece: (-scores[ids[piece]], ids[piece]))
    return recover_merges(path, {piece: rank for rank, piece in enumerate(normal)}, by_sides=False)
