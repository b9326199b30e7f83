"""The README's picture from the figures of bench.encode: python -m bench.plot bench/results/encode.json
docs/encode.png

One panel per precision, one row per workload, one dot per library: its time per call relative to fastplm's.
The axis is logarithmic, because twice and half as fast are the same distance from equal.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PANELS = {"float32": "fp32", "bfloat16": "bf16"}
GENERATION = {**PANELS, "int8": "int8", "int4": "int4"}  # of bench.generate
COLOURS = {"fastplm": "#b3261e", "openvino": "#1f5fa8", "onnxruntime": "#5f6b76", "torch": "#d98a1f",
           "ctranslate2": "#5b8c3a", "sentence-transformers": "#8a5fa8", "transformers": "#d98a1f",
           "llama.cpp": "#2a9d8f", "one-by-one": "#b0b0b0"}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    record = json.loads(options.results.read_text())
    draw(record).savefig(options.picture, dpi=150, bbox_inches="tight")
    return 0


def libraries(rows: list[dict[str, Any]], precision: str) -> dict[str, dict[str, dict[str, Any]]]:
    """{cell: {library: its row}}; OpenVINO's row is the better of its two settings, cell by cell."""
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        if row["precision"] == precision and row["median_ms"] is not None:
            library = row["contender"].rsplit("-", 1)[0].replace("openvino-streams", "openvino")
            cell = cells.setdefault(row["cell"], {})
            if library not in cell or row["median_ms"] < cell[library]["median_ms"]:
                cell[library] = row
    return cells


def relative_times(rows: list[dict[str, Any]], precision: str) -> dict[str, dict[str, float]]:
    """{cell: {library: time relative to fastplm}}, for the cells that fastplm ran."""
    return {
        cell: {library: row["median_ms"] / found["fastplm"]["median_ms"] for library, row in found.items()}
        for cell, found in libraries(rows, precision).items()
        if "fastplm" in found
    }


def draw(record: dict[str, Any], titles: dict[str, str] = PANELS) -> Any:
    """A panel for each precision of which there are figures."""
    found = {p: relative_times(record["rows"], p) for p in titles}
    titles = {p: title for p, title in titles.items() if found[p]}
    names = list(dict.fromkeys(cell for cells in found.values() for cell in cells))
    figure, row = plt.subplots(1, len(titles), figsize=(10, 4.2), sharey=True, squeeze=False)
    panels = row[0]
    for panel, (precision, title) in zip(panels, titles.items(), strict=True):
        _panel(panel, found[precision], names, title)
    marks = {
        handle.get_label(): handle for panel in panels for handle in panel.get_legend_handles_labels()[0]
    }
    figure.legend(marks.values(), marks.keys(), loc="upper center", ncols=len(marks), frameon=False)
    about = record["machine"]
    machine = f"{about['cpu']}, {record['threads']} threads, commit {about['commit']}"
    figure.text(
        0.5, -0.04, f"{machine}; medians of interleaved rounds", ha="center", fontsize=8, color="#555555"
    )
    return figure


def _panel(panel: Axes, cells: dict[str, dict[str, float]], names: list[str], title: str) -> None:
    for library, colour in COLOURS.items():
        points = [
            (cells[name][library], place)
            for place, name in enumerate(names)
            if library in cells.get(name, {})
        ]
        if points:
            panel.scatter(*zip(*points, strict=True), s=42, color=colour, label=library, zorder=3)
    panel.axvline(1, color=COLOURS["fastplm"], linewidth=1)
    panel.set_xscale("log")
    panel.set_xticks([0.5, 1, 2, 4, 8], ["0.5x", "1x", "2x", "4x", "8x"])
    panel.minorticks_off()
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.grid(axis="both", color="#e5e5e5", linewidth=0.8, zorder=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xlabel(f"time per call, fastplm = 1 ({title})")


if __name__ == "__main__":
    raise SystemExit(main())
