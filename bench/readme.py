"""Writes the measured figures into README.md and bench/RESULTS.md: python -m bench.readme

Each block between `<!-- name: ... -->` and `<!-- end -->` is made from bench/results/<name>.json, with the
command and the machine it was measured on; a block without results says so. RESULTS.md holds every figure;
README's blocks, whose names end in _summary, hold a few, and its block of classes is made from the code.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import classes
from bench.generation import reached
from bench.plot import GENERATION, PANELS, draw, libraries

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PICTURE = "bench/results/encode.png"
GENERATION_PICTURE = "bench/results/generate.png"


def main() -> int:
    for page in (ROOT / "README.md", ROOT / "bench/RESULTS.md"):
        page.write_text(fill(page.read_text()))
    return 0


def fill(text: str) -> str:
    """`text` with every block made anew."""

    def block(match: re.Match[str]) -> str:
        name = match[1]
        if name == "classes":
            return f"{match[0].splitlines()[0]}\n{classes.table()}\n<!-- end -->"
        path = RESULTS / f"{name.removesuffix('_summary')}.json"
        body = BLOCKS[name](json.loads(path.read_text())) if path.exists() else "Not measured yet."
        return f"{match[0].splitlines()[0]}\n{body}\n<!-- end -->"

    return re.sub(r"<!-- (\w+): .*? -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def encode_summary(record: dict[str, Any]) -> str:
    """The picture alone: it shows every cell."""
    draw(record).savefig(ROOT / PICTURE, dpi=150, bbox_inches="tight")
    return f"![time per call of each library, relative to fastplm]({PICTURE})\n\n{_source(record)}"


def encode(record: dict[str, Any]) -> str:
    return "\n".join([_source(record), *_times(record)])


def _times(record: dict[str, Any]) -> list[str]:
    """A table for each precision: a row per cell, a column per library."""
    lines = []
    for precision, title in PANELS.items():
        cells = libraries(record["rows"], precision)
        names = list(dict.fromkeys(name for cell in cells.values() for name in cell))
        lines += [
            "",
            f"| ms, {title} | " + " | ".join(names) + " | ceiling |",
            "|---" * (len(names) + 2) + "|",
        ]
        for cell, found in cells.items():
            times = (f"{found[name]['median_ms']:.3g}" if name in found else "" for name in names)
            share = f"{found['fastplm']['of_ceiling']:.0%}" if "fastplm" in found else ""
            lines.append(f"| {cell} | " + " | ".join(times) + f" | {share} |")
    return lines


def generate_summary(record: dict[str, Any]) -> str:
    draw(record, GENERATION).savefig(ROOT / GENERATION_PICTURE, dpi=150, bbox_inches="tight")
    title = "time per call of each library that generates, relative to fastplm"
    return f"![{title}]({GENERATION_PICTURE})\n\n{_source(record)}"


def generate(record: dict[str, Any]) -> str:
    """Tokens a second: a table for each precision; then what was asked for."""
    lines = [_source(record)]
    for precision, title in GENERATION.items():
        rows = [row for row in record["rows"] if row["precision"] == precision]
        names = list(dict.fromkeys(row["contender"] for row in rows))
        if not names:
            continue
        heads = "MB a token | of the bandwidth | of the products"
        lines += ["", f"| tokens/s, {title} | " + " | ".join(names) + f" | {heads} |"]
        lines.append("|---" * (len(names) + 4) + "|")
        for cell in dict.fromkeys(row["cell"] for row in rows):
            found = {row["contender"]: row for row in rows if row["cell"] == cell}
            figures = (_tokens(found[name]) if name in found else "" for name in names)
            ours = next((r for n, r in found.items() if n.startswith("fastplm") and r["median_ms"]), None)
            shares = " | | "
            if ours:
                shares = f"{ours['mb_per_token']:.3g} | {ours['of_read']:.0%} | {ours['of_products']:.0%}"
            lines.append(f"| {cell} | " + " | ".join(figures) + f" | {shares} |")
    lines += ["", "| target | precision | reached | asked | |", "|---|---|---|---|---|"]
    for verdict in record["verdicts"]:
        mark = "met" if verdict["met"] else "short"
        name = f"{verdict['cell']} | {verdict['precision']}"
        lines.append(f"| {name} | {reached(verdict)} | {verdict['asked']} | {mark} |")
    return "\n".join(lines)


def _tokens(row: dict[str, Any]) -> str:
    if row["median_ms"] is None:
        return "not installed" if row["note"] == "not installed" else "did not run"
    return f"{row['tokens_per_s']:.3g}"


def tokenize(record: dict[str, Any]) -> str:
    rows = record["rows"]
    names = list(dict.fromkeys(row["contender"] for row in rows))
    titles = " | ".join(names)
    lines = [_source(record), "", f"| MB/s, new and again | threads | {titles} | new text, target |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for cell, threads in dict.fromkeys((row["cell"], row["threads"]) for row in rows):
        speeds = {
            row["contender"]: f"{row['new_mb_s']:.3g}, {row['again_mb_s']:.3g}"
            + ("" if row["exact"] == 1 else f" ({row['exact']:.1%} exact)")
            for row in rows
            if (row["cell"], row["threads"]) == (cell, threads)
        }
        against = ", ".join(
            f"{v['ratio']:.3g}x {v['rival']} ({'met' if v['met'] else 'short'}: {v['target']:g})"
            for v in record["verdicts"]
            if (v["cell"], v["threads"]) == (cell, threads)
        )
        figures = " | ".join(speeds.get(name, "") for name in names)
        lines.append(f"| {cell} | {threads} | {figures} | {against} |")
    return "\n".join(lines)


def tokenize_summary(record: dict[str, Any]) -> str:
    """English text that is new to the library, one thread; of the others the fastest whose ids are exact."""
    speeds: dict[str, dict[str, float]] = {}
    for row in record["rows"]:
        if row["threads"] == 1 and row["cell"].endswith(" en") and row["exact"] == 1:
            speeds.setdefault(row["cell"].removesuffix(" en"), {})[row["contender"]] = row["new_mb_s"]
    lines = ["| tokenizer, MB/s | fastplm | tokenizers | fastest other |", "|---|---|---|---|"]
    for name, speed in speeds.items():
        others = {other: speed[other] for other in speed.keys() - {"fastplm", "tokenizers"}}
        best = max(others, key=others.__getitem__, default="")
        other = f"{others[best]:.3g} ({best})" if best else ""
        tokenizers = f"{speed['tokenizers']:.3g}" if "tokenizers" in speed else ""
        lines.append(f"| {name} | {speed['fastplm']:.3g} | {tokenizers} | {other} |")
    return "\n".join([*lines, "", _source(record)])


def startup(record: dict[str, Any]) -> str:
    lines = [_source(record), "", "| | measured | limit |", "|---|---|---|"]
    for figure in record["figures"]:
        limit = f"{figure['limit']:.3g} {figure['unit']}" + ("" if figure["met"] else ", not met")
        lines.append(f"| {figure['what']} | {figure['value']:.3g} {figure['unit']} | {limit} |")
    return "\n".join(lines)


def tokenizer_load(record: dict[str, Any]) -> str:
    lines = [_source(record), "", "| loading | ms | peak MB | kept MB |", "|---|---|---|---|"]
    for load in record["loads"]:
        name = f"{load['model']}, {load['way']}, {load['library']}"
        lines.append(
            f"| {name} | {load['seconds'] * 1e3:.3g} | {load['peak_mb']:.3g} | {load['kept_mb']:.3g} |"
        )
    lines += ["", "| a call | threads | fastplm, ms | transformers, ms | ratio |", "|---|---|---|---|---|"]
    for call in record["calls"]:
        name = f"{call['model']}, {call['workload']}, {call['tensors']}"
        mine, theirs = call["fastplm_ms"], call["transformers_ms"]
        lines.append(f"| {name} | {call['threads']} | {mine:.3g} | {theirs:.3g} | {theirs / mine:.0f} |")
    return "\n".join(lines)


def _source(record: dict[str, Any]) -> str:
    about = record["machine"]
    command = " ".join(record["command"])
    machine = f"{about['cpu']} ({about['cores']} cores, {', '.join(about['flags'])})"
    return f"`{command}`, commit {about['commit']}, {machine}"


BLOCKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "encode_summary": encode_summary,
    "encode": encode,
    "ragged": encode,
    "generate_summary": generate_summary,
    "generate": generate,
    "tokenize_summary": tokenize_summary,
    "tokenize": tokenize,
    "startup": startup,
    "tokenizer_load": tokenizer_load,
}

if __name__ == "__main__":
    raise SystemExit(main())
