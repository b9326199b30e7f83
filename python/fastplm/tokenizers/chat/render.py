"""Chat templates, rendered in jinja2's sandbox.

A template comes with a checkpoint, from a stranger: it sees plain values only, and `sandbox` bounds what
it can do with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

_MAX_TEMPLATE = 4 << 20
_MIN_JINJA = (3, 1, 6)  # older versions have known ways out of the sandbox


class Rendered(NamedTuple):
    """text: the chat. spans: characters (start, end) that stand inside a generation block."""

    text: str
    spans: list[tuple[int, int]]


def render(template: str, values: Mapping[str, Any], *, spans: bool = False) -> Rendered:
    """The chat that `template` makes of `values`.

    Raises ModuleNotFoundError without jinja2, ValueError for a template that does not parse, fails, refuses
    the chat (raise_exception) or does too much.
    """
    sandbox, compiled = _compile(template)
    import jinja2

    try:
        with sandbox.budget(spans) as budget:
            for block in compiled.generate(**values):
                budget.write(block)
            return Rendered("".join(budget.blocks), budget.spans)
    except (jinja2.TemplateError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"chat_template: {type(error).__name__}: {error}") from error
    except RecursionError:
        raise ValueError("chat_template: it calls itself too deeply") from None


@lru_cache(maxsize=32)
def literals(template: str) -> frozenset[str]:
    """The texts that a template itself holds: what stands outside of its tags, and strings inside."""
    sandbox, _ = _compile(template)
    import jinja2.nodes

    tree = sandbox.parse(template)
    outside = {node.data for node in tree.find_all(jinja2.nodes.TemplateData)}
    constants = (node.value for node in tree.find_all(jinja2.nodes.Const))
    return frozenset(outside | {value for value in constants if isinstance(value, str)})


def plain(value: Any) -> Any:
    """`value` made of str, int, float, bool, None, lists, tuples and dicts alone; anything else becomes the
    name of its type in angle brackets: objects have methods that a template must not reach.
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return getattr(kind, f"__{kind.__name__}__")(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return plain(value.item())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return plain(value.model_dump())
    return f"<{type(value).__name__}>"


@lru_cache(maxsize=32)
def _compile(template: str) -> tuple[Any, Any]:
    if len(template) > _MAX_TEMPLATE:
        raise ValueError(f"chat_template: {len(template)} characters; expected at most {_MAX_TEMPLATE}")
    try:
        import jinja2
    except ModuleNotFoundError:
        raise ModuleNotFoundError("chat templates need jinja2: pip install jinja2") from None
    if tuple(int(part) for part in jinja2.__version__.split(".")[:3] if part.isdigit()) < _MIN_JINJA:
        raise ImportError(
            f"chat templates need jinja2 3.1.6 or newer, this is {jinja2.__version__}: pip install -U jinja2"
        )
    from fastplm.tokenizers.chat.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        return sandbox, sandbox.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"chat_template, line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise ValueError("chat_template: it is nested too deeply") from None
