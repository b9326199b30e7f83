"""What fastplm has to reach, and whether it did."""

from dataclasses import dataclass

CEILING_SHARE = {"float32": 0.80, "bfloat16": 0.85}  # nobody is asked for more than this share of the ceiling


@dataclass(frozen=True)
class Target:
    """fastplm in `precision` on `cell` is at least `ratio` times as fast as the best contender named in
    `rivals`.

    rivals: contenders as `bench.peers` names them. With no rivals, `ratio` is the share of the ceiling to
    reach or, of: another cell, of that cell's share.
    """

    cell: str
    precision: str
    ratio: float
    rivals: tuple[str, ...] = ()
    of: str = ""


@dataclass(frozen=True)
class Verdict:
    target: Target
    met: bool
    ratio: float | None  # rival's median over ours; None for a share of the ceiling
    rival: str | None
    share: float  # of the ceiling, reached by fastplm
    asked: str  # in words


_OPENVINO = {p: (f"openvino-{p}", f"openvino-streams-{p}") for p in ("fp32", "bf16")}
_ALL = {
    "fp32": (*_OPENVINO["fp32"], "torch-fp32", "onnxruntime-fp32", "ctranslate2-fp32"),
    "bf16": (*_OPENVINO["bf16"], "torch-bf16"),
}
_SHORT = {"float32": "fp32", "bfloat16": "bf16"}
SAME_ARITHMETIC = ("roberta-base", "distilbert-base", "electra-base", "albert-base")  # as bert-base


def _targets() -> list[Target]:
    targets = []
    for precision, at_128, at_512 in (("float32", 1.10, 1.3), ("bfloat16", 1.15, 1.5)):
        openvino, everyone = _OPENVINO[_SHORT[precision]], _ALL[_SHORT[precision]]
        for cell, ratio in (("minilm 32x128", at_128), ("bert-base 8x128", at_128),
                            ("minilm 16x512", at_512), ("bert-base 4x512", at_512)):  # fmt: skip
            targets.append(Target(cell, precision, ratio, openvino))
        targets.append(Target("bert-base 8x128", precision, 0.80))
        for model in ("minilm", "bert-base"):
            targets.append(Target(f"{model} 1x16", precision, 1.5, everyone))
            targets.append(Target(f"{model} 1x128", precision, 1.3, everyone))
    arrival = "minilm 1000 texts, arrival"
    targets += [
        Target(arrival, "float32", 3.8, ("sentence-transformers-fp32",)),
        Target(arrival, "bfloat16", 7.5, ("sentence-transformers-fp32",)),
        Target(arrival, "float32", 1.3, _OPENVINO["fp32"]),
        Target(arrival, "bfloat16", 1.5, _OPENVINO["bf16"]),
    ]
    for family in SAME_ARITHMETIC:
        targets += [Target(f"{family} 8x128", precision, 0.9, of="bert-base 8x128") for precision in _SHORT]
    targets.append(Target("deberta-v3-base 8x128", "float32", 2.0, ("torch-fp32",)))
    targets.append(Target("modernbert-base 1x8192", "bfloat16", 3.0, ("torch-bf16",)))
    return targets


TARGETS = _targets()


def judge(
    target: Target, medians: dict[str, float], flops: float, ceiling: float, other: float | None = None
) -> Verdict | None:
    """The verdict on one target, or None where fastplm or every rival was not measured.

    medians: seconds by contender, of one cell. flops: of the cell, on real tokens. ceiling: FLOP/s in the
    target's precision. Where the ratio would need more than CEILING_SHARE of the ceiling, that share is asked
    for instead. other: the share that the cell `target.of` reached, or None where it was not measured.
    """
    ours = medians.get(f"fastplm-{_SHORT[target.precision]}")
    if ours is None:
        return None
    share = flops / ours / ceiling
    if target.of:
        if other is None:
            return None
        asked = f"{target.ratio:.0%} of the share of {target.of} ({other:.0%})"
        return Verdict(target, share >= target.ratio * other, None, None, share, asked)
    if not target.rivals:
        return Verdict(target, share >= target.ratio, None, None, share, f"{target.ratio:.0%} of the ceiling")
    rivals = {name: medians[name] for name in target.rivals if name in medians}
    if not rivals:
        return None
    rival = min(rivals, key=lambda name: rivals[name])
    needed = rivals[rival] / target.ratio
    asked = f"{target.ratio:g}x {rival}"
    at_most = flops / (CEILING_SHARE[target.precision] * ceiling)
    if at_most > needed:
        needed = at_most
        asked = f"{CEILING_SHARE[target.precision]:.0%} of the ceiling ({asked} would need more)"
    return Verdict(target, ours <= needed, rivals[rival] / ours, rival, share, asked)
