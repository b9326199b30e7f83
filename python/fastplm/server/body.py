"""The body of a request: read within its limits, and its fields taken one by one."""

import asyncio
import json
import math
from typing import Any

from fastplm.server.errors import ApiError

_SECONDS = 30  # for a body to arrive

# Fields of OpenAI's interface that change nothing here.
_WITHOUT_EFFECT = frozenset(
    ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
     "prompt_cache_retention", "parallel_tool_calls")
)  # fmt: skip


async def read_body(request: Any, limit: int) -> "Fields":
    """The JSON object in the body. Raises ApiError: 413, 408, 400."""
    too_long = ApiError(413, f"the body is longer than {limit} bytes")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_long
    data = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > limit:
                    raise too_long
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive within {_SECONDS} seconds") from None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(400, f"the body is a JSON {type(value).__name__}; expected an object")
    return Fields(value)


class Fields:
    """Takes fields; `finish` refuses those that nobody took. null is as if a field were not there."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}
        self._taken: set[str] = set()

    def take(self, name: str) -> Any:
        """The value, or None."""
        self._taken.add(name)
        return self._values.get(name)

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """A number from low to high."""
        value = self.take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise wrong(name, value, "a number")
        if not low <= value <= high:
            raise wrong(name, value, f"a number from {low} to {high}")
        return float(value)

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number from low to high, or None."""
        value = self.take(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high
        ):
            raise wrong(name, value, f"a whole number from {low} to {high}")
        return value

    def flag(self, name: str) -> bool:
        """true or false; false if it is not there."""
        value = self.take(name)
        if not isinstance(value, bool | None):
            raise wrong(name, value, "true or false")
        return bool(value)

    def text(self, name: str) -> str:
        """A string that must be there."""
        value = self.take(name)
        if not isinstance(value, str):
            raise wrong(name, value, "a string")
        return value

    def refuse(self, name: str, *neutral: Any) -> None:
        """Only `neutral` values are taken: what they stand for is not done here."""
        value = self.take(name)
        if value is not None and not any(type(value) is type(v) and value == v for v in neutral):
            raise ApiError(400, f"{name}: {_short(value)}; fastplm does not do this", name, "unsupported")

    def finish(self) -> None:
        """Raises ApiError for fields that nobody knows."""
        unknown = sorted(self._values.keys() - self._taken - _WITHOUT_EFFECT)
        if unknown:
            raise ApiError(400, f"unknown fields: {', '.join(unknown)}", unknown[0], "unknown_parameter")


def wrong(name: str, value: Any, expected: str) -> ApiError:
    """The error of a field of another kind."""
    return ApiError(400, f"{name}: {_short(value)}; expected {expected}", name)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
