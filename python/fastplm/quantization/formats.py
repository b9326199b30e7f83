"""The engine's formats of integers, and the settings that name them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from fastplm import arrays
from fastplm.errors import UnsupportedError

GROUPS = (32, 64, 128)  # values of a row that share a scale, of 4 bits
METHOD = "fastplm"  # our own quant_method

_KEYS = ("bits", "group_size", "sym", "quant_method")


class WeightFormat(NamedTuple):
    """bits: 4 or 8. group_size, of 4 bits: one of GROUPS. sym: without zeros; 8 bits have none."""

    bits: int
    group_size: int = 32
    sym: bool = True

    @property
    def name(self) -> str:
        """As the engine calls it; what stands before the first _ is its dtype."""
        if self.bits == 8:
            return "int8"
        group = "" if self.group_size == GROUPS[0] else f"_g{self.group_size}"
        return "int4" + ("" if self.sym else "_zeros") + group

    @property
    def settings(self) -> dict[str, Any]:
        """quantization_config of config.json."""
        own = {"group_size": self.group_size, "sym": self.sym} if self.bits == 4 else {}
        return {"quant_method": METHOD, "bits": self.bits, **own}

    @classmethod
    def of(cls, given: Any, where: str) -> Self:
        """What `given` says, a dict of bits, group_size (default 32) and sym (default True), the last two of
        4 bits only. Raises UnsupportedError, ValueError or TypeError, which begin with `where`.
        """
        if not isinstance(given, Mapping):
            raise TypeError(f"{where}: a {type(given).__name__}; expected a dict such as "
                            '{"bits": 4, "group_size": 64, "sym": True}')  # fmt: skip
        if (method := given.get("quant_method", METHOD)) != METHOD:
            raise UnsupportedError(
                f"{where}: quant_method is {method!r}; expected {METHOD!r}, which rounds to the nearest as "
                "weights are loaded"
            )
        for key in given:
            if key not in _KEYS:
                raise UnsupportedError(f"{where}: unknown key {key!r}; expected {', '.join(_KEYS)}")
        bits = given.get("bits")
        if type(bits) is not int or bits not in (4, 8):
            raise UnsupportedError(f"{where}: bits is {bits!r}; expected 4 or 8")
        if bits == 8:
            for key in ("group_size", "sym"):
                if not any(given.get(key) is value for value in (None, True)) and given[key] != -1:
                    raise UnsupportedError(
                        f"{where}: {key} is {given[key]!r}; expected none: 8 bits have one scale for each row"
                    )
            return cls(8)
        group, sym = given.get("group_size", GROUPS[0]), given.get("sym", True)
        if type(group) is not int or group not in GROUPS:
            raise UnsupportedError(f"{where}: group_size is {group!r}; expected 32, 64 or 128")
        if type(sym) is not bool:
            raise UnsupportedError(f"{where}: sym is {sym!r}; expected True or False")
        return cls(4, group, sym)


def requested(dtype: Any, given: Any, saved: str | None, stored: str | None) -> str:
    """The engine's name of the format to load.

    dtype, given: the caller's dtype and quantization_config. saved: the dtype that the checkpoint's floats
    have. stored: the format that its integers have. Raises UnsupportedError for what fits neither.
    """
    asks = given is not None and given != {}
    wanted = WeightFormat.of(given, "quantization_config").name if asks else None
    if stored is None and wanted is None:
        return arrays.dtype_name(dtype, saved)
    name = stored or wanted
    assert name is not None
    if stored is not None and wanted not in (None, stored):
        raise UnsupportedError(
            f"quantization_config: {wanted}; this checkpoint's weights are {stored} already"
        )
    if dtype is not None and dtype != "auto" and arrays.dtype_name(dtype) not in (base(name), "bfloat16"):
        whose = "quantization_config asks for" if stored is None else "this checkpoint's weights are"
        raise UnsupportedError(f"dtype: {dtype}; {whose} {name}, which computes in bfloat16")
    return name


def base(name: str) -> str:
    """The dtype that a format of the engine belongs to."""
    return name.split("_")[0]
