"""Writes recorded.json: what the pipelines of transformers 4.57 answer to the calls of cases.py.

python -m venv VENV && VENV/bin/pip install torch "transformers==4.57.*" numpy safetensors
VENV/bin/python -m tests.pipelines.record
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from tests.pipelines.cases import CASES
from tests.pipelines.tiny import MODELS, checksum, save

FILE = Path(__file__).with_name("recorded.json")


def _plain(value: Any) -> Any:
    """For JSON, with seven digits of each float."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, np.generic):
        return _plain(value.tolist())
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.7g}")
    return int(value) if isinstance(value, np.integer) else value


def main() -> None:
    assert transformers.__version__.startswith("4.57."), transformers.__version__
    results, sums = {}, {}
    with tempfile.TemporaryDirectory() as place:
        for name in MODELS:
            save(name, Path(place) / name)
            sums[name] = checksum(Path(place) / name)
        for name, (model, task, made, args, call) in CASES.items():
            pipe = transformers.pipeline(task, str(Path(place) / model), device="cpu", **made)
            results[name] = _plain(pipe(*args, **call))
    lines = [f"{json.dumps(name)}: {json.dumps(result)}" for name, result in results.items()]
    FILE.write_text(
        f'{{"version": "{transformers.__version__}",\n"checksums": {json.dumps(sums)},\n"results": {{\n'
        + ",\n".join(lines) + "\n}}\n",
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
