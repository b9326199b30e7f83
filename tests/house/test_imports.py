"""The imports of python/fastplm: no circles, not even by imports in functions, and tokenizers/ in order."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / "python"
# The rooms of fastplm.tokenizers, from the ground up; what stands in tokenizers/ itself is above them all.
ROOMS = ["base", "result", "classes", "files", "methods", "learn", "chat"]


def modules() -> dict[str, Path]:
    """Every module of the package by its name; extension modules by their stubs."""
    paths = [*(PYTHON / "fastplm").rglob("*.py"), *(PYTHON / "fastplm").rglob("*.pyi")]
    names = {path: ".".join(path.relative_to(PYTHON).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, without what only a type checker sees."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from at_run_time(child)


def imports(text: str, known: set[str]) -> set[str]:
    """Those of the known modules that a module imports, anywhere in it."""
    found = set()
    for node in at_run_time(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"line {node.lineno}: imports begin at fastplm"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known or {node.module}
    return found & known


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, each importing the next; empty if there is none."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name not in done:
            for other in sorted(graph[name]):
                if found := search(other, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def room_of(name: str) -> int | None:
    """The place of a module of fastplm.tokenizers in ROOMS; None for any other module."""
    parts = name.split(".")
    if parts[:2] != ["fastplm", "tokenizers"] or len(parts) == 2:
        return None
    return ROOMS.index(parts[2]) if parts[2] in ROOMS else len(ROOMS)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    paths = modules()
    return {name: imports(path.read_text(), set(paths)) for name, path in paths.items()}


def test_no_module_imports_itself_through_others(graph):
    assert not (found := circle(graph)), " -> ".join([*found, found[0]])


def test_rooms_of_tokenizers(graph):
    folders = {p.parent.name for p in (PYTHON / "fastplm/tokenizers").glob("*/*.py")}
    assert folders == set(ROOMS)
    for name, imported in graph.items():
        room = room_of(name)
        if room is not None:
            upward = {other for other in imported if (other_room := room_of(other)) and other_room > room}
            assert not upward, f"{name} imports {sorted(upward)}, which stands above it"


def test_circles_and_upward_imports_are_seen():
    texts = {
        "fastplm.a": "from fastplm import b",
        "fastplm.b": "def late():\n    from fastplm.c import name",
        "fastplm.c": "if TYPE_CHECKING:\n    from fastplm.a import name",
    }
    graph = {name: imports(text, set(texts)) for name, text in texts.items()}
    assert graph == {"fastplm.a": {"fastplm.b"}, "fastplm.b": {"fastplm.c"}, "fastplm.c": set()}
    assert circle(graph) == []
    assert circle({**graph, "fastplm.c": {"fastplm.a"}}) == ["fastplm.a", "fastplm.b", "fastplm.c"]
    assert room_of("fastplm.tokenizers.base.source") == 0 < room_of("fastplm.tokenizers.tokenizer")
    assert room_of("fastplm.models") is None
