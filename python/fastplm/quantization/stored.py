"""Checkpoints whose matrices are integers: fastplm's own, GPTQ's and AWQ's.

In the engine's layout a matrix <name>.weight [n, k] is <name>.qweight u8 [n, k / 2], the first of two codes
in the low half of a byte, <name>.scales f16 [n, groups] and, where they are not all 8, <name>.zeros u8
[n, groups]: a code q stands for scale (q - zero). GPTQ's and AWQ's tensors are brought to it exactly; a group
of theirs may be several of the engine's.

GPTQ: arXiv:2210.17323, as AutoGPTQ and GPTQModel pack it: qweight i32 [k / 8, n], qzeros i32 [groups, n / 8],
one less than the zero in their first version, scales [groups, n], g_idx i32 [k]. AWQ: arXiv:2306.00978,
AutoAWQ's "gemm": qweight i32 [k, n / 8], whose eight codes are in the order of _AWQ_ORDER, qzeros alike,
scales [groups, n].
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import Array
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.quantization.formats import GROUPS, METHOD, WeightFormat
from fastplm.safetensors import FLOATS, MemoryFile, Tensor, read_floats, read_raw

_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)

# Keys of config.json's quantization_config beside group_size: those that must have one of these values, and
# those that say how the checkpoint was made or how others run it, or what its tensors say themselves.
_ONLY: dict[str, dict[str, tuple[Any, ...]]] = {
    "gptq": {
        "bits": (4,), "checkpoint_format": ("gptq", "gptq_v2", None), "format": ("gptq", "gptq_v2", None),
        "is_marlin_format": (False, None), "lm_head": (False, None), "pack_dtype": ("int32", None),
        "dynamic": ({}, None), "adapter": (None,), "rotation": (None,),
    },
    "awq": {
        "bits": (4,), "version": ("gemm", "GEMM", None), "format": ("gemm", None), "zero_point": (True, None),
        "desc_act": (False, None),
    },
}  # fmt: skip
_OF_BOTH = (
    "damp_percent", "true_sequential", "tokenizer", "dataset", "block_name_to_quantize", "batch_size", "sym",
    "pad_token_id", "module_name_preceding_first_block", "model_seqlen", "max_input_length", "backend",
    "meta", "cache_block_outputs", "modules_in_block_to_quantize", "act_group_aware", "exllama_config",
    "modules_to_not_convert",
)  # fmt: skip
_ABOUT = {
    "gptq": (
        "damp_auto_increment", "static_groups", "mse", "model_name_or_path", "model_file_base_name",
        "desc_act", "use_cuda_fp16", "use_exllama", "disable_exllama", "method", *_OF_BOTH,
    ),
    "awq": ("do_fuse", "fuse_max_seq_len", "modules_to_fuse", "calib_data", *_OF_BOTH),
}  # fmt: skip


class StoredCodes(NamedTuple):
    """format: the engine's. replaced: of each tensor that goes, those that come in its place, made when
    asked for.
    """

    format: WeightFormat
    replaced: dict[str, list[Callable[[MemoryFile], Tensor]]]

    def tensors(self, stored: list[Tensor], memory: MemoryFile) -> Iterator[Tensor]:
        """What the engine reads in place of `stored`."""
        for tensor in stored:
            if tensor.name in self.replaced:
                yield from (make(memory) for make in self.replaced[tensor.name])
            else:
                yield tensor


def read_codes(config: dict[str, Any], file: str, tensors: list[Tensor]) -> StoredCodes | None:
    """What config.json's quantization_config says of `tensors`; None: they are floats.

    Raises CheckpointError, UnsupportedError; each names the file and the key or tensor.
    """
    given = config.get("quantization_config")
    if given is None or given == {}:
        return None
    where = f"{file}: quantization_config"
    if not isinstance(given, dict):
        raise CheckpointError(f"{where} is a {type(given).__name__}; expected an object")
    method = given.get("quant_method")
    if method == METHOD:
        return StoredCodes(WeightFormat.of(given, where), {})
    if method not in _ONLY:
        known = ", ".join((METHOD, *_ONLY))
        raise UnsupportedError(f"{where} is of the quant_method {method!r}; expected one of {known}")
    for key, value in given.items():
        allowed = _ONLY[method].get(key)
        if allowed is not None and not any(type(value) is type(one) and value == one for one in allowed):
            raise UnsupportedError(f"{where}: {key} is {value!r}; expected {allowed[0]!r}")
        if allowed is None and key not in ("quant_method", "group_size", *_ABOUT[method]):
            raise UnsupportedError(f"{where}: unknown key {key!r} of quant_method {method!r}")
    if given.get("bits") is None:
        raise CheckpointError(f"{where}: has no bits")
    size = given.get("group_size", 128)
    if type(size) is not int or (size != -1 and (size < 1 or size % GROUPS[0])):
        raise UnsupportedError(f"{where}: group_size is {size!r}; expected -1 or a multiple of 32")
    group = next(g for g in reversed(GROUPS) if size == -1 or size % g == 0)
    read = _Gptq if method == "gptq" else _Awq
    formats = {given.get(key) for key in ("checkpoint_format", "format")} - {None}
    if len(formats) > 1:
        raise UnsupportedError(
            f"{where}: checkpoint_format and format differ; expected one of them or equal ones"
        )
    first = formats != {"gptq_v2"}
    by_name = {tensor.name: tensor for tensor in tensors}
    matrices = [
        read(by_name, name.removesuffix(".qweight"), size, group, first)
        for name in by_name
        if name.endswith(".qweight")
    ]
    if not matrices:
        raise CheckpointError(f"{where}: quant_method is {method!r}, and the checkpoint has no .qweight")
    sym = all(bool((matrix.zeros() == 8).all()) for matrix in matrices)
    replaced: dict[str, list[Callable[[MemoryFile], Tensor]]] = {}
    for matrix in matrices:
        replaced.update({name: [] for name in matrix.names})
        replaced[matrix.names[0]] += [
            matrix.write_codes,
            matrix.write_scales,
            *(() if sym else [matrix.write_zeros]),
        ]
    return StoredCodes(WeightFormat(4, group, sym), replaced)


class _Matrix:
    """One matrix [n, k], whose four or fewer tensors have been checked against one another."""

    def __init__(self, tensors: dict[str, Tensor], name: str, size: int, group: int, first: bool) -> None:
        self._name, self._group, self._first = name, group, first
        self._codes, self._scales = (self._find(tensors, kind) for kind in (".qweight", ".scales"))
        self._zeros = self._find(tensors, ".qzeros")
        self.names = [self._codes.name, self._scales.name, self._zeros.name]
        if len(self._codes.shape) != 2 or 0 in self._codes.shape:
            self._refuse(self._codes, "a matrix")
        self.k, self.n = self._shape()
        self._size = self.k if size == -1 or size > self.k else size
        groups = -(-self.k // self._size)
        if self._scales.dtype not in FLOATS or self._scales.shape != (groups, self.n):
            self._refuse(self._scales, f"floats [{groups}, {self.n}]")
        if self.n % 8 or self._zeros.dtype != "I32" or self._zeros.shape != (groups, self.n // 8):
            self._refuse(self._zeros, f"I32 [{groups}, {self.n / 8:g}]")
        index = tensors.get(name + ".g_idx")
        if index is not None:
            self.names.append(index.name)
            if index.dtype != "I32" or index.shape != (self.k,):
                self._refuse(index, f"I32 [{self.k}]")
            if not np.array_equal(_read(index, "<i4"), np.arange(self.k) // self._size):
                raise UnsupportedError(
                    f"{index.path}: tensor {index.name!r} puts channels into groups in another order "
                    "(desc_act); expected channel / group_size"
                )

    def zeros(self) -> Array:
        """u8 [groups, n]."""
        raise NotImplementedError

    def _shape(self) -> tuple[int, int]:
        """k and n, of the codes."""
        raise NotImplementedError

    def _rows(self) -> Array:
        """u8 [n, k / 2]."""
        raise NotImplementedError

    def _find(self, tensors: dict[str, Tensor], kind: str) -> Tensor:
        if self._name + kind not in tensors:
            path = tensors[self._name + ".qweight"].path
            raise CheckpointError(
                f"{path}: has {self._name + '.qweight'!r}; expected {self._name + kind!r} too"
            )
        return tensors[self._name + kind]

    def _refuse(self, tensor: Tensor, expected: str) -> None:
        raise CheckpointError(
            f"{tensor.path}: tensor {tensor.name!r} is {tensor.dtype} {list(tensor.shape)}; "
            f"expected {expected}"
        )

    def _grouped(self, values: Array) -> Array:
        """[n, groups of the engine] from [groups, n]."""
        wanted = -(-self.k // self._group)
        repeats = -(-self._size // self._group)
        return np.ascontiguousarray(np.repeat(values, repeats, 0)[:wanted].T)

    def write_codes(self, memory: MemoryFile) -> Tensor:
        return memory.add(self._name + ".qweight", self._rows(), "U8")

    def write_scales(self, memory: MemoryFile) -> Tensor:
        scales = read_floats(self._scales)
        with np.errstate(over="ignore"):
            halves = scales.astype(np.float16)  # of bf16 and f32: those below 6e-5 lose bits, none of f16 do
        if not np.isfinite(halves).all():
            raise CheckpointError(
                f"{self._scales.path}: tensor {self._scales.name!r} holds {scales.max()}; expected scales "
                "that float16 can hold"
            )
        return memory.add(self._name + ".scales", self._grouped(halves), "F16")

    def write_zeros(self, memory: MemoryFile) -> Tensor:
        return memory.add(self._name + ".zeros", self._grouped(self.zeros()), "U8")


class _Gptq(_Matrix):
    def _shape(self) -> tuple[int, int]:
        if self._codes.dtype != "I32":
            self._refuse(self._codes, "I32 [k / 8, n]")
        return self._codes.shape[0] * 8, self._codes.shape[1]

    def zeros(self) -> Array:
        return _halves(self._zeros) + np.uint8(self._first)

    def _rows(self) -> Array:
        codes = _read(self._codes, np.uint8).reshape(
            -1, self.n, 4
        )  # a byte is two codes of k, as in the engine
        return np.ascontiguousarray(codes.transpose(1, 0, 2)).reshape(self.n, -1)


class _Awq(_Matrix):
    def _shape(self) -> tuple[int, int]:
        if self._codes.dtype != "I32":
            self._refuse(self._codes, "I32 [k, n / 8]")
        if self._codes.shape[0] % 2:
            self._refuse(self._codes, "an even number of input channels")
        return self._codes.shape[0], self._codes.shape[1] * 8

    def zeros(self) -> Array:
        return _in_order(_halves(self._zeros))

    def _rows(self) -> Array:
        codes = np.ascontiguousarray(_in_order(_halves(self._codes)).T)
        both: Array = codes[:, ::2] | codes[:, 1::2] << 4
        return both


def _read(tensor: Tensor, dtype: Any) -> Array:
    return np.frombuffer(b"".join(read_raw(tensor)), dtype)


def _halves(tensor: Tensor) -> Array:
    """The numbers of four bits in each i32 of [rows, columns], from the lowest: u8 [rows, 8 columns]."""
    both = _read(tensor, np.uint8).reshape(tensor.shape[0], -1)
    return np.stack((both & 15, both >> 4), -1).reshape(tensor.shape[0], -1)


def _in_order(codes: Array) -> Array:
    """AWQ's eight, in the order of their channels."""
    places = np.argsort(_AWQ_ORDER)
    return np.take(codes.reshape(len(codes), -1, 8), places, 2).reshape(len(codes), -1)
