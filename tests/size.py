"""How much of what never ends a test does: a part in every run, all of it with FASTPLM_TESTS=large."""

import os

_CHOSEN = os.environ.get("FASTPLM_TESTS", "usual")
if _CHOSEN not in ("usual", "large"):
    raise ValueError(f'FASTPLM_TESTS: {_CHOSEN!r}; expected "usual" or "large"')
LARGE = _CHOSEN == "large"


def sized(usual: int, large: int) -> int:
    """A count of texts, seeds or cases."""
    return large if LARGE else usual
