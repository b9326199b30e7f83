"""The sandbox of chat templates: jinja2's, with what transformers offers to templates, and a budget.

Loop rounds, calls, filters and operators are counted, and what they make is measured, so that a template
that never ends or fills the memory is stopped with an error. Not bounded: what one filter does on values
within the budget (a sort of a million items), how many values of 16 Mi characters a template keeps, and the
depth of macros that call each other, which Python's own limit ends.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
import jinja2.utils

MAX_STEPS = 1_000_000
_CALL = 20  # steps that a call counts for: about as long
MAX_SIZE = 16 << 20  # characters or items of one value, and characters of a chat
_MAX_NUMBER = 1_000_000  # as an argument that may say how long a result is
_WIDE = re.compile(r"\d{6,}|\*")  # a width in a format


class Budget:
    """What one rendering has used: steps, and the blocks it has written; where generation blocks lie."""

    def __init__(self, spans: bool) -> None:
        self.steps = 0
        self.size = 0
        self.blocks: list[str] = []
        self.spans: list[tuple[int, int]] = []
        self.wants_spans = spans

    def step(self, n: int = 1) -> None:
        self.steps += n
        if self.steps > MAX_STEPS:
            raise ValueError(f"chat_template: more than {MAX_STEPS} steps; it was stopped")

    def write(self, block: str) -> None:
        self.blocks.append(block)
        self.size += len(block)
        check_size(self.size)


def check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise ValueError(f"chat_template: a text or list of {size} items; at most {MAX_SIZE} are allowed")


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 0


class _Counted:
    """An iterable whose rounds are steps."""

    def __init__(self, budget: Budget, items: Any) -> None:
        self.budget = budget
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            self.budget.step()
            yield item

    def __len__(self) -> int:
        return len(self.items)


class _Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %} around what the assistant said."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 asks for it

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller: Callable[[], str]) -> str:
        text = caller()
        budget = self.environment.current()  # type: ignore[attr-defined]
        if budget.wants_spans:
            start = sum(map(len, budget.blocks))
            budget.spans.append((start, start + len(text)))
        return text


class _Dicts:
    """`dict` without the attributes of the type."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(jinja2.utils.Namespace):
    """`namespace`, which takes no name that begins with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that self= may be one of the names
        self, *rest = args
        names = dict(*rest, **kwargs)
        for name in names:
            _check_name(name)
        jinja2.utils.Namespace.__init__(self, names)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace takes no name with an underscore first: {name!r}")


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """One template's environment. Threads render in it at the same time, each with its own budget."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
        )
        self._budgets = threading.local()
        self.filters["tojson"] = _tojson
        self.filters = {name: self._bounded(filter) for name, filter in self.filters.items()}
        self.filters["_counted"] = jinja2.pass_context(lambda _, items: _Counted(self.current(), items))
        self.filters["_joined"] = jinja2.pass_context(lambda _, parts: self._joined(parts))
        self.globals.update(
            raise_exception=_raise_exception,
            strftime_now=_strftime_now,
            dict=_Dicts(),
            namespace=_Namespace,
            range=self._range,
        )

    @contextmanager
    def budget(self, spans: bool) -> Iterator[Budget]:
        """A new budget for the rendering inside the `with` block."""
        before = getattr(self._budgets, "now", None)
        self._budgets.now = Budget(spans)
        try:
            yield self._budgets.now
        finally:
            self._budgets.now = before

    def current(self) -> Budget:
        now = getattr(self._budgets, "now", None)
        return Budget(False) if now is None else now  # none: jinja2 works out a constant while it compiles

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        """The tree, where loops and concatenations go through the filters that count."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(jinja2.nodes.For):
            loop.iter = _filter(loop.iter, "_counted")
        _Concatenations().visit(tree)  # never a concatenation itself, so it stays the same object
        return tree

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        self.current().step()
        if operator == "+":
            check_size(_length(left) + _length(right))
        elif operator == "*":
            for many, number in ((left, right), (right, left)):
                if isinstance(number, int) and _length(many):
                    check_size(_length(many) * max(number, 0))
            _check_product(left, right)
        elif operator == "**":
            if not _small(left, 1_000_000) or not _small(right, 64):
                raise ValueError("chat_template: a power of large numbers; it was stopped")
        elif isinstance(left, str):
            _check_format(left)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.current().step(_CALL)
        method = getattr(function, "__wrapped__", function)  # jinja2 wraps str.format
        owner = getattr(method, "__self__", None)
        if isinstance(owner, (str, int)):
            _check_method(owner, getattr(method, "__name__", ""), args, kwargs)
        result = super().call(context, function, *args, **kwargs)
        check_size(_length(result))
        return result

    def _bounded(self, filter: Callable[..., Any]) -> Callable[..., Any]:
        first = 1 if hasattr(filter, "jinja_pass_arg") else 0
        name = getattr(filter, "__name__", "")

        @wraps(filter)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self.current().step()
            value, *rest = args[first:] if len(args) > first else (None,)
            if name == "do_join" and isinstance(value, (list, tuple)):
                separator = rest[0] if rest else kwargs.get("d", "")
                check_size(len(value) * _length(separator) + sum(map(_length, value)))
            method = {"do_format": "format", "do_replace": "replace"}.get(name, "")
            _check_method(value if isinstance(value, str) else "", method, rest, kwargs)
            result = filter(*args, **kwargs)
            check_size(_length(result))
            return result

        return bounded

    def _joined(self, parts: list[Any]) -> str:
        self.current().step()
        texts = [str(part) for part in parts]
        check_size(sum(map(len, texts)))
        return "".join(texts)

    def _range(self, *args: int) -> range:
        numbers = jinja2.sandbox.safe_range(*args)
        self.current().step(len(numbers))
        return numbers


class _Concatenations(jinja2.visitor.NodeTransformer):
    def visit_Concat(self, node: jinja2.nodes.Concat) -> jinja2.nodes.Filter:
        self.generic_visit(node)
        return _filter(jinja2.nodes.List(node.nodes, lineno=node.lineno), "_joined")


def _filter(node: Any, name: str) -> jinja2.nodes.Filter:
    return jinja2.nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _small(value: Any, limit: int) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= limit


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 10_000:
        raise ValueError("chat_template: a product of thousands of digits; it was stopped")


def _check_format(text: str) -> None:
    if _WIDE.search(text):
        raise ValueError("chat_template: a format with a wide field; it was stopped")


def _check_method(owner: Any, name: str, args: Any, kwargs: dict[str, Any]) -> None:
    """Refuses, before it is made, a result whose length an argument says."""
    values = [*args, *kwargs.values()]
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_NUMBER:
            raise ValueError(f"chat_template: the argument {value} of {name or 'a filter'}; it was stopped")
    if name in ("format", "format_map"):
        if re.search(r"\d{6,}", owner) or re.search(r":[^}]*\{", owner):
            raise ValueError("chat_template: a format with a wide field; it was stopped")
    elif name == "replace" and len(values) > 1 and isinstance(values[0], str):
        found = owner.count(values[0])
        check_size(len(owner) + found * max(0, _length(values[1]) - len(values[0])))
    elif name == "join" and values and isinstance(values[0], (list, tuple)):
        check_size(len(values[0]) * len(owner) + sum(map(_length, values[0])))


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(format: str) -> str:
    _check_format(format)
    return datetime.now().strftime(format)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is, where jinja2's own filter escapes it for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
