"""The include order of the house, checked: a layer may use itself and the layers below it."""

import ast
import re
from pathlib import Path

import pytest

import fastplm

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "cpp/core": set(),
    "cpp/simd": {"core"},
    "cpp/kernels": {"core", "simd"},
    "cpp/ops": {"core", "kernels", "cuda"},
    "cpp/text": {"core", "kernels"},
    "cpp/model": {"core", "kernels", "ops"},
    "cuda": {"core", "kernels"},
}
# The rooms of cpp/text, from the ground up; what stands in cpp/text itself is above them all.
ROOMS = ["base", "unicode", "regex", "lookup", "stages", "models", "fused", "training"]
OUTSIDE = re.compile(r"\s*#\s*include\s*[<\"](torch/|ATen/|c10/|Python\.h|pybind11/|nanobind/)")
INCLUDE = re.compile(r"\s*#\s*include\s*\"(\w+)/")
BESIDE = re.compile(r"\s*#\s*include\s*\"([^/\"]+|\.[^\"]*)\"")
INCLUDE_OF_TEXT = re.compile(r"\s*#\s*include\s*\"text/([^\"]+)\"")
# Also at the start of a class's name. A file of sentence-transformers is called sentence_bert_config.json.
FAMILIES = re.compile(
    r"(?<![a-z])(?<!sentence_)((modern|ro|al|de|distil|camem|nomic_?|euro|electra|um|m)?"
    r"(bert|bart|t5|electra|mpnet|xlnet|gpt_?2|llama|mistral|qwen|phi-?3|smollm|olmo|granite|gemma(?!rgs)|gpt_?neo|"
    r"opt(?![a-z])|marian|m2m|pegasus)|xlm|jina|gte)",
    re.IGNORECASE,
)
# Python code that names one: names of files of sentence-transformers, of models on the hub, and of classes of
# transformers whose code is recognised, and the architectures of GGUF files.
NAMES_FAMILIES = {
    "gguf/architectures.py", "pipelines/table.py", "sentence/transformer_file.py", "training/replace.py",
}  # fmt: skip
LEVELS = re.compile(r"\b(avx\w*|amx\w*|sse\w*|neon|_mm\d*_\w+|immintrin)\b", re.IGNORECASE)


def sources(folder: str) -> list[Path]:
    suffixes = {".h", ".cpp", ".cu", ".cuh"}
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in suffixes)


def code(path: Path) -> list[str]:
    """The lines without comments, which may name what they like."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), path.read_text(), flags=re.DOTALL)
    return [line.split("//")[0] for line in text.splitlines()]


@pytest.mark.parametrize("folder", ALLOWED)
def test_includes(folder):
    allowed = ALLOWED[folder] | {Path(folder).name}
    for path in sources(folder):
        for number, line in enumerate(code(path), 1):
            place = f"{path.relative_to(ROOT)}:{number}"
            assert not OUTSIDE.match(line), f"{place}: {line} (no Python or torch below the bindings)"
            assert not BESIDE.match(line), f"{place}: {line} (includes begin at cpp/)"
            found = INCLUDE.match(line)
            if found and (ROOT / "cpp" / found[1]).is_dir():
                assert found[1] in allowed, f"{place}: {folder} may include {sorted(allowed)}, not {found[1]}"


def test_every_folder_has_a_rule():
    folders = {f"cpp/{p.name}" for p in (ROOT / "cpp").iterdir() if p.is_dir() and any(p.rglob("*.h"))}
    assert folders <= set(ALLOWED)


def test_text_and_model_do_not_know_each_other():
    assert "model" not in ALLOWED["cpp/text"] and "text" not in ALLOWED["cpp/model"]


def room_of(path: str) -> int:
    """The place in ROOMS of a file below cpp/text, such as "stages/split.h"."""
    room = path.rpartition("/")[0]
    return ROOMS.index(room) if room else len(ROOMS)


def upward_includes(path: str, lines: list[str]) -> list[str]:
    """The includes of a file below cpp/text that name a file of a room above its own."""
    found = [match[1] for line in lines if (match := INCLUDE_OF_TEXT.match(line))]
    return [name for name in found if room_of(name) > room_of(path)]


def test_rooms_of_text():
    files = sources("cpp/text")
    assert {p.parent for p in files} == {ROOT / "cpp/text", *(ROOT / "cpp/text" / room for room in ROOMS)}
    for path in files:
        upward = upward_includes(path.relative_to(ROOT / "cpp/text").as_posix(), code(path))
        assert not upward, f"{path.relative_to(ROOT)} includes {upward}, which stands above it"


@pytest.mark.parametrize(
    ("path", "include", "is_upward"),
    [
        ("base/text.h", "text/unicode/unicode.h", True),
        ("models/bpe.cpp", "text/fused/byte_bpe.h", True),
        ("training/word_counts.h", "text/tokenizer.h", True),
        ("tokenizer.cpp", "text/training/word_counts.h", False),
        ("stages/split.cpp", "text/stages/split.h", False),
        ("stages/split.cpp", "core/error.h", False),
    ],
)
def test_upward_includes_are_seen(path, include, is_upward):
    assert bool(upward_includes(path, [f'#include "{include}"'])) == is_upward


def test_architectures_are_named_in_arch_only():
    for path in [p for folder in ALLOWED for p in sources(folder)]:
        if path.is_relative_to(ROOT / "cpp/model/arch") or path.is_relative_to(ROOT / "cpp/text"):
            continue  # a tokenizer's normalizers and pre-tokenizers are named after models in tokenizer.json
        for number, line in enumerate(code(path), 1):
            assert not FAMILIES.search(line), f"{path.relative_to(ROOT)}:{number}: {line}"


def test_architectures_are_named_in_arch_only_in_python_too():
    """Outside of the tokenizers, whose classes bear their names. Comments and docstrings may name any."""
    assert all(map(FAMILIES.match, fastplm.architectures()))
    package = ROOT / "python/fastplm"
    found = set()
    for path in package.rglob("*.py"):
        if path.is_relative_to(package / "tokenizers"):
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:] or [ast.Pass()]
        if FAMILIES.search(ast.unparse(tree)):
            found.add(str(path.relative_to(package)))
    assert found <= NAMES_FAMILIES


def test_instruction_sets_are_named_where_they_are_chosen():
    for path in [p for folder in ALLOWED if folder != "cuda" for p in sources(folder)]:
        if path.is_relative_to(ROOT / "cpp/simd") or path == ROOT / "cpp/kernels/select.cpp":
            continue
        for number, line in enumerate(code(path), 1):
            assert not LEVELS.search(line), f"{path.relative_to(ROOT)}:{number}: {line}"


def test_kernels_include_nothing_from_std():
    """A std template compiled with wide instructions could become the copy every object uses."""
    plain = re.compile(r"\s*#\s*include\s*<(cstdint|cstddef|stdint\.h|stddef\.h|immintrin\.h|arm_neon\.h)>")
    for folder in ("cpp/simd", "cpp/kernels"):
        for path in sources(folder):
            if path.name == "select.cpp":
                continue
            for number, line in enumerate(code(path), 1):
                if re.match(r"\s*#\s*include\s*<", line):
                    assert plain.match(line), f"{path.relative_to(ROOT)}:{number}: {line}"
