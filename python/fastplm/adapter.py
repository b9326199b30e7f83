"""A LoRA adapter beside a model's weights, as peft saves it: added to them before the engine sees them.

Each matrix W of the model that the adapter names becomes W + scale B A, computed in float32. Formulas and
names of tensors: peft's tuners/lora; arXiv:2106.09685, arXiv:2312.03732 (use_rslora).
"""

import functools
import math
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import family_of
from fastplm.jsonfile import read_json
from fastplm.safetensors import FLOATS, Tensor, read_floats, read_header
from fastplm.settings import warn_of_unknown

if TYPE_CHECKING:
    from fastplm.arrays import F32

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_HONOURED = (
    "peft_type",
    "r",
    "lora_alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "init_lora_weights",
)

# Mechanisms beyond W + scale B A: refused unless they are not asked for.
_MECHANISMS = ("alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "lora_bias",
               "megatron_config", "monteclora_config", "target_parameters", "trainable_token_indices",
               "use_bdlora", "use_dora", "use_qalora", "velora_config")  # fmt: skip
# Ways to begin training that leave the model's own weights as they are.
_BEGINNINGS = (True, False, "gaussian", "eva", "orthogonal")

_PART = re.compile(r"(?P<module>.+)\.(lora_(?P<side>[AB])\.weight|lora_embedding_(?P<table>[AB]))")
_PATTERN = re.compile(r"[\w.\\^$|()-]+", re.ASCII)  # nothing that repeats: matching takes no time


class _Part(NamedTuple):
    """What is added to a matrix [n, k], in two halves: a [r, k] and b [n, r]. A table is [k, n]."""

    a: Tensor
    b: Tensor
    table: bool


class Adapter:
    """What adapter_config.json and adapter_model.safetensors say."""

    def __init__(self, folder: Path, config: dict[str, Any], tensors: list[Tensor]) -> None:
        self._file, self._config = folder / WEIGHTS, config
        self._tensors = {t.name.removeprefix("base_model.model."): t for t in tensors}

    @property
    def base(self) -> Any:
        """The model that the adapter was trained for, as it calls it."""
        return self._config.get("base_model_name_or_path")

    def changes(self, tensors: Iterable[Tensor], family: str) -> "dict[str, Callable[[], F32]]":
        """For each of the model's tensors that the adapter changes, what computes its new values.

        Tensors for modules that the model lacks, such as a head's, are left out with a warning, as by peft.
        """
        prefix = family_of(family).prefix
        base = {_bare(t.name, prefix): t for t in tensors}
        changes: dict[str, Callable[[], F32]] = {}
        unused = []
        parts = self._parts(prefix)
        if parts and not any(f"{name}.weight" in base for name in parts):
            raise CheckpointError(
                f"{self._file}: adapts {next(iter(parts))} and others, none of which this model has; "
                f"expected an adapter of this model, not of {self.base!r}"
            )
        for name, halves in parts.items():
            if (old := base.get(f"{name}.weight")) is None:
                unused.append(name)
                continue
            changes[old.name] = functools.partial(_merge, old, halves, self._scale(name, halves, old))
        for name, new in self._tensors.items():
            if _PART.fullmatch(name):
                continue
            bare = _bare(name.replace(".base_layer.", "."), prefix)
            if (old := base.get(bare)) is None:
                unused.append(bare)
                continue
            _check_float(new)
            if new.shape != old.shape:
                raise _refuse(new, f"shape {list(new.shape)}; the model's is {list(old.shape)}")
            changes[old.name] = functools.partial(read_floats, new)
        if unused:
            more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
            warnings.warn(
                f"{self._file}: the model has no {', '.join(unused[:3])}{more}; these parts of the "
                "adapter act on nothing",
                stacklevel=2,
            )
        return changes

    def _parts(self, prefix: str) -> dict[str, _Part]:
        """The pairs of the file, by module."""
        halves: dict[str, dict[str, Tensor]] = {}
        tables = set()
        for name, tensor in self._tensors.items():
            if not (match := _PART.fullmatch(name)):
                if "lora_" in name:
                    raise UnsupportedError(f"{self._file}: holds {name!r}; fastplm merges plain LoRA only")
                continue
            _check_float(tensor)
            if len(tensor.shape) != 2:
                raise _refuse(tensor, f"shape {list(tensor.shape)}; expected a matrix")
            module = _bare(match["module"], prefix)
            halves.setdefault(module, {})[match["side"] or match["table"]] = tensor
            if match["table"]:
                tables.add(module)
        for module, pair in halves.items():
            if len(pair) != 2:
                raise CheckpointError(
                    f"{self._file}: {module} has lora_{next(iter(pair))} alone; expected A and B"
                )
        return {m: _Part(pair["A"], pair["B"], m in tables) for m, pair in halves.items()}

    def _scale(self, module: str, part: _Part, old: Tensor) -> float:
        rank = self._per_module("r", "rank_pattern", module, 8)
        alpha = self._per_module("lora_alpha", "alpha_pattern", module, 8)
        n, k = reversed(old.shape) if part.table else old.shape
        for tensor, shape in ((part.a, (rank, k)), (part.b, (n, rank))):
            if tensor.shape != shape:
                raise _refuse(tensor, f"shape {list(tensor.shape)}; rank and model call for {list(shape)}")
        return float(alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank))

    def _per_module(self, name: str, patterns: str, module: str, default: int) -> Any:
        """The value of the first pattern that matches the end of the module's name, else the general one."""
        for pattern, value in (self._config.get(patterns) or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        return self._config.get(name, default)


def read(folder: Path) -> Adapter | None:
    """The adapter in `folder`, if it has one.

    Raises CheckpointError (damaged), UnsupportedError (not plain LoRA, a pickle), FileNotFoundError.
    """
    path = folder / CONFIG
    if not path.exists():
        return None
    config = read_json(path)
    _check_config(config, str(path))
    weights = folder / WEIGHTS
    if not weights.exists():
        if (folder / "adapter_model.bin").exists():
            raise UnsupportedError(
                f"{folder / 'adapter_model.bin'}: fastplm reads safetensors only (a pickle can run code); "
                f"convert it: fastplm convert {folder} OUT"
            )
        raise FileNotFoundError(f"{weights}: missing; {CONFIG} lies beside it")
    return Adapter(folder, config, read_header(weights))


def _check_config(config: Any, file: str) -> None:
    if not isinstance(config, dict):
        raise CheckpointError(f"{file}: holds a {type(config).__name__}; expected an object of settings")
    if config.get("peft_type") != "LORA":
        raise UnsupportedError(f"{file}: peft_type is {config.get('peft_type')!r}; expected 'LORA'")
    for name in _MECHANISMS:
        if config.get(name):
            raise UnsupportedError(f"{file}: {name} is set; fastplm merges plain LoRA only")
    if (way := config.get("init_lora_weights", True)) not in _BEGINNINGS:
        raise UnsupportedError(
            f"{file}: init_lora_weights is {way!r}, which changes the model's own weights; expected one of "
            f"{', '.join(map(str, _BEGINNINGS))}"
        )
    _check_number(config.get("r", 8), "r", file, whole=True)
    _check_number(config.get("lora_alpha", 8), "lora_alpha", file)
    for name in ("rank_pattern", "alpha_pattern"):
        patterns = config.get(name) or {}
        if not isinstance(patterns, dict):
            raise CheckpointError(f"{file}: {name} is {patterns!r}; expected an object")
        for pattern, value in patterns.items():
            _check_number(value, f"{name}[{pattern!r}]", file, whole=name == "rank_pattern")
            if not _PATTERN.fullmatch(pattern) or not _compiles(pattern):
                raise UnsupportedError(
                    f"{file}: {name} has {pattern!r}; expected names of modules, or their ends"
                )
    warn_of_unknown(file, CONFIG, config, (*_HONOURED, *_MECHANISMS))


def _check_number(value: Any, name: str, file: str, whole: bool = False) -> None:
    kinds = (int,) if whole else (int, float)
    if type(value) not in kinds or not abs(value) <= 1e9 or (whole and value < 1):
        raise CheckpointError(
            f"{file}: {name} is {value!r}; expected a {'positive integer' if whole else 'number'}"
        )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _bare(name: str, prefix: str) -> str:
    """A tensor's name as a model without a head has it, with a norm's newer names."""
    name = name.removeprefix(prefix)
    for older, newer in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(older):
            return name.removesuffix(older) + newer
    return name


def _merge(old: Tensor, part: _Part, scale: float) -> "F32":
    _check_float(old)
    added = read_floats(part.b) @ read_floats(part.a)
    return read_floats(old) + scale * (added.T if part.table else added)


def _check_float(tensor: Tensor) -> None:
    if tensor.dtype not in FLOATS:
        raise UnsupportedError(
            f"{tensor.path}: tensor {tensor.name!r} is {tensor.dtype}; expected {', '.join(FLOATS)}"
        )


def _refuse(tensor: Tensor, problem: str) -> CheckpointError:
    return CheckpointError(f"{tensor.path}: tensor {tensor.name!r}: {problem}")
