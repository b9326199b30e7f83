"""What bench.generate measures, and what fastplm has to reach."""

from dataclasses import dataclass
from typing import Any

from bench import ceiling
from bench.decoders import SHAPES
from bench.generators import CONTENDERS

SOURCE = 64  # tokens that an encoder reads
REQUESTS = 16


@dataclass(frozen=True)
class Cell:
    """work: prefill, decode, translate (an encoder-decoder), or requests of different lengths, the longest
    `length`.
    """

    model: str
    work: str
    batch: int
    length: int
    new: int
    beams: int = 1

    @property
    def name(self) -> str:
        what = "greedy" if self.beams == 1 else f"beam {self.beams}"
        size = f"{self.batch}x{self.length if self.work == 'prefill' else self.new}"
        return f"{self.model} {what if self.work == 'translate' else self.work} {size}"

    @property
    def kind(self) -> tuple[str, str, int, int]:
        """What targets name."""
        return self.model, self.work, self.batch, self.beams

    def lengths(self) -> list[int]:
        """Of the prompts."""
        if self.work != "requests":
            return [self.length] * self.batch
        return [max(1, self.length * (i + 1) // self.batch) for i in range(self.batch)]

    def flops(self) -> float:
        """Multiplications and additions with weights."""
        shape = SHAPES[self.model]
        rows = self.batch * self.beams
        if self.work == "translate":
            read = self.batch * self.length * shape.source
            return 2.0 * (read + rows * self.new * (shape.layers + shape.head))
        tokens = sum(self.lengths())
        return 2.0 * ((tokens + rows * (self.new - 1)) * shape.layers + rows * self.new * shape.head)

    def bytes(self, of: tuple[float, float]) -> float:
        """Of weights, each read once a step. of: bytes of a weight in layers and in the head."""
        shape = SHAPES[self.model]
        return shape.source * of[0] + self.new * (shape.layers * of[0] + shape.head * of[1])


def cells(prompt: int, new: int) -> list[Cell]:
    made = []
    for model in ("qwen2-0.5b", "gpt2-124m"):
        made.append(Cell(model, "prefill", 1, prompt, 1))
        made += [Cell(model, "decode", batch, 1, new) for batch in (1, 4, 8, 16)]
        made.append(Cell(model, "requests", REQUESTS, prompt // 2, new))
    for model in ("t5-small", "marian"):
        made += [Cell(model, "translate", 8, SOURCE, new, beams) for beams in (1, 4)]
    return made


@dataclass(frozen=True)
class Target:
    """fastplm in `precision` is `ratio` times as fast as the rival; with no rival, it reads with `ratio` of
    the machine's bandwidth.
    """

    kind: tuple[str, str, int, int]
    precision: str
    ratio: float
    rival: str = ""


_LLAMA = {"bfloat16": "llama.cpp-f16", "int8": "llama.cpp-q8_0", "int4": "llama.cpp-q4_0"}
_ALONE = {"bfloat16": "one-by-one-bf16", "int8": "one-by-one-int8", "int4": "one-by-one-int4"}
_CT2 = {"float32": "ctranslate2-fp32", "int8": "ctranslate2-int8"}


def _targets() -> list[Target]:
    made = []
    for precision, share, llama, smaller in (
        ("bfloat16", 0.92, 0.98, 0.98), ("int8", 0.92, 1.2, 1.1), ("int4", 0.85, 1.2, 1.1)
    ):  # fmt: skip
        rival = _LLAMA[precision]
        one, eight = ("qwen2-0.5b", "decode", 1, 1), ("qwen2-0.5b", "decode", 8, 1)
        made += [
            Target(one, precision, share),
            Target(one, precision, llama, rival),
            Target(("gpt2-124m", "decode", 1, 1), precision, smaller, rival),
            Target(eight, precision, 0.85),
            Target(eight, precision, 1.5, rival),
        ]
        for model in ("qwen2-0.5b", "gpt2-124m"):
            made.append(Target((model, "prefill", 1, 1), precision, 1.4, rival))
            made.append(Target((model, "requests", REQUESTS, 1), precision, 6, _ALONE[precision]))
    made.append(Target(("qwen2-0.5b", "decode", 8, 1), "bfloat16", 2.3, "transformers-bf16"))
    for model in ("qwen2-0.5b", "gpt2-124m"):
        made.append(Target((model, "prefill", 1, 1), "bfloat16", 1.4, "transformers-bf16"))
    for model in ("t5-small", "marian"):
        for beams in (1, 4):
            kind = (model, "translate", 8, beams)
            made += [Target(kind, precision, 1.5, rival) for precision, rival in _CT2.items()]
            made.append(Target(kind, "float32", 5, "transformers-fp32"))
    return made


TARGETS = _targets()
READ_SHARE, PRODUCT_SHARE = 0.92, 0.80  # of what the machine can do; no ratio asks for more


def products(best: ceiling.Ceiling, precision: str) -> float:
    """The ceiling of a precision, GFLOP/s."""
    return best.of("int8" if precision == "int4" else precision)  # four bits meet activations in int8


def judge(
    cell: Cell, precision: str, seconds: dict[str, float], best: ceiling.Ceiling
) -> list[dict[str, Any]]:
    """Each target of the cell whose contenders ran: what was reached and asked for, and whether it is met.

    seconds: by contender.
    """
    ours = next((name for name in seconds if name.startswith("fastplm")), None)
    judged = []
    for target in TARGETS:
        if ours is None or target.kind != cell.kind or target.precision != precision:
            continue
        mine, size = seconds[ours], cell.bytes(CONTENDERS[ours].bytes)
        floor = max(
            size / (READ_SHARE * best.read * 1e9),
            cell.flops() / (PRODUCT_SHARE * products(best, precision) * 1e9),
        )
        if not target.rival:
            reached, asked = size / mine / 1e9 / best.read, f"{target.ratio:.0%} of the bandwidth"
            met = reached >= target.ratio
        elif target.rival in seconds:
            reached, asked = seconds[target.rival] / mine, f"{target.ratio:g}x {target.rival}"
            needed = seconds[target.rival] / target.ratio
            if needed < floor:
                asked += f", which is more than the machine's share: {seconds[target.rival] / floor:.2f}x"
            met = mine <= max(needed, floor)
        else:
            continue
        judged.append(
            {"cell": cell.name, "precision": precision, "rival": target.rival, "reached": reached,
             "asked": asked, "met": met}
        )  # fmt: skip
    return judged


def reached(verdict: dict[str, Any]) -> str:
    """In words."""
    return f"{verdict['reached']:.2f}x" if verdict["rival"] else f"{verdict['reached']:.0%}"
