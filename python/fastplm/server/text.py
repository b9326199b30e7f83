"""Text as it comes, up to a stop string."""

from collections.abc import AsyncIterator, Sequence
from typing import Any


class Text:
    """The text of one request. Iterate over it for pieces; `finish_reason` is known behind the last one."""

    def __init__(self, request: Any, stop: Sequence[str]) -> None:
        self._request, self._stop = request, stop
        self.finish_reason = "stop"

    async def __aiter__(self) -> AsyncIterator[str]:
        held = ""  # may be the beginning of a stop string
        async for piece in self._request.stream_text():
            held += piece
            found = [at for s in self._stop if (at := held.find(s)) >= 0]
            if found:
                self._request.cancel()
                if min(found):
                    yield held[: min(found)]
                return
            kept = self._kept(held)
            if len(held) > kept:
                yield held[: len(held) - kept]
                held = held[len(held) - kept :]
        if held:
            yield held
        if (await self._request.completion()).finish_reason == "length":
            self.finish_reason = "length"

    def _kept(self, text: str) -> int:
        """How many characters at the end of text begin a stop string."""
        most = max((len(s) - 1 for s in self._stop), default=0)
        for size in range(min(most, len(text)), 0, -1):
            if any(s.startswith(text[-size:]) for s in self._stop):
                return size
        return 0
