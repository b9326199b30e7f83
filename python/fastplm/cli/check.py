"""fastplm check: does a model compute here what it computes in transformers? Is its tokenizer sound?"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastplm.checkpoint import find_weights
from fastplm.cli import check_tokenizer
from fastplm.cli.check_tokenizer import TokenizerReport
from fastplm.cli.inputs import add_text_arguments, read_texts
from fastplm.config import PretrainedConfig
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.hub import resolve
from fastplm.models import AutoModel, PreTrainedModel

Array = npt.NDArray[Any]

# float32, at every layer: |ours - theirs| <= ABSOLUTE + RELATIVE |theirs|. bfloat16: the cosine of the worst
# text.
ABSOLUTE, RELATIVE, COSINE = 1e-5, 1e-4, 0.9995

# transformers makes an empty tokenizer where none of these is there.
_TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json", "tiktoken.model",
)  # fmt: skip

_TEXTS = [
    "How many rivers cross the old town?",
    "The bakery opens at six, an hour before the first train leaves.",
    "Yes.",
    "A lighthouse keeper wrote down the weather every evening for forty years, and when the station was "
    "closed the notebooks went to the museum, where a student of physics found in them the longest record "
    "of storms on that coast.",
    "¿Dónde está la biblioteca? 図書館はどこですか。",
]

SUMMARY = "compare a model with transformers; look into a tokenizer"

_DESCRIPTION = f"""Runs MODEL here and in transformers (eager attention, float32) and compares token ids,
every layer's hidden states and mean-pooled texts. float32 passes if every value is within
{ABSOLUTE:g} + {RELATIVE:g} |value| of that of transformers, bfloat16 if no text's cosine is under {COSINE}.

The tokenizer of the folder, or of a file (tokenizer.json, .model, .tiktoken, tekken.json), is looked into:
its components and special tokens, a token for what is unknown, ids that the post-processor or the model's
embeddings do not have, texts that come back from their ids. --against transformers compares ids, offsets and
decoded texts too. A folder without weights has only this check. Exit code 1 if something does not pass."""

_EXAMPLES = """examples:
  fastplm check path/to/model
  fastplm check path/to/tokenizer.json --against transformers
  fastplm check path/to/model --dtype bfloat16 "texts of your own"
  fastplm check path/to/model -i texts.txt --json
"""


@dataclass(frozen=True)
class Report:
    """What was found. Differences are absolute, over real tokens only; layer 0 is the embeddings."""

    model: str
    model_class: str
    dtype: str
    texts: int
    tokens: int
    same_ids: bool | None  # None: not compared
    ids_note: str
    max_difference: float
    max_difference_by_layer: list[float]
    worst_layer: int
    within_tolerance: bool  # the float32 tolerance, at every layer
    min_cosine: float  # of mean-pooled texts
    passed: bool
    tokenizer: TokenizerReport | None = None  # None: the folder has none


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm check",
        parents=[common],
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder, hub id or tokenizer file")
    add_text_arguments(parser, "a few built-in ones")
    parser.add_argument("--tokenizer", action="store_true", help="look into the tokenizer only")
    parser.add_argument(
        "--against", choices=("transformers",), help="compare the tokenizer, text by text, with this library"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="what fastplm computes in"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    texts = read_texts(options)
    path = Path(options.model).expanduser()
    if not path.is_file():
        path = resolve(options.model, weights=not options.tokenizer)
    tokenizer = None
    if path.is_file() or options.tokenizer or _has_tokenizer(path):
        against = _library("transformers") if options.against else None
        tokenizer = check_tokenizer.inspect(path, texts or check_tokenizer.TEXTS, against)
        if path.is_file() or options.tokenizer or not _has_weights(path):
            lines = [*check_tokenizer.describe(tokenizer), "passed" if tokenizer.passed else "FAILED"]
            found = {"tokenizer": asdict(tokenizer), "passed": tokenizer.passed}
            print(json.dumps(found, indent=2) if options.json else "\n".join(lines))
            return 0 if tokenizer.passed else 1
    report = compare(path, texts or _TEXTS, options.dtype, _library("torch"), _library("transformers"))
    passed = report.passed and (tokenizer is None or tokenizer.passed)
    report = replace(report, tokenizer=tokenizer, passed=passed)
    print(json.dumps(asdict(report), indent=2) if options.json else describe(report))
    return 0 if passed else 1


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).exists() for name in _TOKENIZER_FILES)


def _has_weights(folder: Path) -> bool:
    try:
        find_weights(folder)
    except FileNotFoundError:
        return False
    except UnsupportedError:  # weights of another kind: loading the model says so
        return True
    return True


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"comparing with transformers needs {name}: pip install {name}") from None


def compare(folder: Path, texts: list[str], dtype: str, torch: Any, transformers: Any) -> Report:
    """Both models on the same ids: the tokenizer of transformers, or random ids where the folder has none."""
    if PretrainedConfig.from_pretrained(folder).get("quantization_config"):
        raise UnsupportedError(
            f"{folder}: its weights are integers, which transformers would draw anew; expected floats. "
            "fastplm quantize reports what integers cost"
        )
    ours = AutoModel.from_pretrained(folder, dtype=dtype)
    kind = type(ours).__name__
    theirs = getattr(transformers, kind).from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    ids, mask, same, note = _ids(folder, texts, ours, transformers)

    with torch.inference_mode():
        expected = theirs.eval()(
            torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), output_hidden_states=True
        ).hidden_states
    got = ours(ids, attention_mask=mask, output_hidden_states=True).hidden_states
    keep = mask.astype(bool)
    layers = [(a[keep], b.numpy()[keep]) for a, b in zip(got, expected, strict=True)]

    by_layer = [_largest(np.abs(a - b)) for a, b in layers]
    within = all(np.all(np.abs(a - b) <= ABSOLUTE + RELATIVE * np.abs(b)) for a, b in layers)
    cosine = float(np.min(_cosines(got[-1], expected[-1].numpy(), mask)))
    same_ids = same is not False
    return Report(
        model=str(folder),
        model_class=kind,
        dtype=dtype,
        texts=len(ids),
        tokens=int(mask.sum()),
        same_ids=same,
        ids_note=note,
        max_difference=max(by_layer),
        max_difference_by_layer=by_layer,
        worst_layer=int(np.argmax(by_layer)),
        within_tolerance=within,
        min_cosine=cosine,
        passed=same_ids and (within if dtype == "float32" else cosine >= COSINE),
    )


def _ids(
    folder: Path, texts: list[str], model: PreTrainedModel, transformers: Any
) -> tuple[Array, Array, bool | None, str]:
    """ids int64 [B, S], mask int64 [B, S], whether fastplm's tokenizer gives the same ids, and a note about
    that.
    """
    limit = model.engine.max_length or 512
    if not _has_tokenizer(folder):
        lengths = np.minimum([len(text.split()) + 2 for text in texts], limit)
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        ids = np.random.default_rng(0).integers(2, model.engine.vocab_size, mask.shape) * mask
        return ids, mask, None, "no tokenizer in the folder: compared on random ids"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="np")
    ids, mask = batch["input_ids"].astype(np.int64), batch["attention_mask"].astype(np.int64)
    try:
        from fastplm.tokenizer import AutoTokenizer

        ours = AutoTokenizer.from_pretrained(folder)
    except (UnsupportedError, CheckpointError, FileNotFoundError) as error:
        return ids, mask, None, f"token ids not compared: {error}"
    mine = ours(texts, padding=True, truncation=True, max_length=limit, return_tensors="np")["input_ids"]
    same = mine.shape == ids.shape and bool((mine == ids).all())
    return ids, mask, same, "token ids are equal" if same else "token ids differ"


def _largest(values: Array) -> float:
    return float(values.max()) if values.size else 0.0


def _cosines(a: Array, b: Array, mask: Array) -> Array:
    """The cosine of each text's mean over its real tokens, [B]."""
    weight = mask[:, :, None].astype(np.float64)
    means = [(hidden * weight).sum(1) for hidden in (a.astype(np.float64), b.astype(np.float64))]
    norms = [np.linalg.norm(mean, axis=1) for mean in means]
    return np.asarray((means[0] * means[1]).sum(1) / (norms[0] * norms[1]))


def describe(report: Report) -> str:
    """The report for reading."""
    lines = [
        f"{report.model_class} in {report.dtype} against transformers in float32, {report.texts} texts, "
        f"{report.tokens} tokens; {report.ids_note}",
        "",
        "layer   max abs difference",
    ]
    for layer, difference in enumerate(report.max_difference_by_layer):
        mark = "  <- largest" if layer == report.worst_layer else ""
        lines.append(f"{layer:5}   {difference:.3e}{mark}")
    judged = (
        f", {'within' if report.within_tolerance else 'NOT within'} {ABSOLUTE:g} + {RELATIVE:g} of the value"
    )
    lines += [
        "",
        f"max abs difference  {report.max_difference:.3e}{judged if report.dtype == 'float32' else ''}",
        f"min cosine          {report.min_cosine:.7f} (mean-pooled texts)",
        *(["", *check_tokenizer.describe(report.tokenizer)] if report.tokenizer else []),
        "passed" if report.passed else "FAILED",
    ]
    return "\n".join(lines)
