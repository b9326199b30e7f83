"""Both binding modules raise the same exceptions in the same sentences, and are interrupted the same way."""

import ctypes
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from fastplm import _engine, _ops
from fastplm.errors import CheckpointError, UnsupportedError


class OnAnotherDevice:
    """A tensor of two floats whose DLPack capsule says that it lies on a CUDA device."""

    class Managed(ctypes.Structure):  # DLManagedTensor of dlpack.h
        _fields_ = (
            *(("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)),
            *(("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8)),
            *(("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p)),
            *(("byte_offset", ctypes.c_uint64), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)),
        )

    def __init__(self):
        self.values, self.shape = (ctypes.c_float * 2)(), (ctypes.c_int64 * 1)(2)
        cuda, floating = 2, 2
        self.managed = self.Managed(
            ctypes.addressof(self.values), cuda, 0, 1, floating, 32, 1, ctypes.addressof(self.shape)
        )

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **_):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        return new(ctypes.addressof(self.managed), b"dltensor", None)


def nested(levels: int) -> dict:
    settings: dict = {}
    for _ in range(levels):
        settings = {"deeper": settings}
    return settings


TWO = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: _ops.softmax(TWO, TWO[:1]), ValueError, "softmax: y has shape [1]; expected [2]"),
        (lambda: _engine.set_num_threads(0), ValueError, "set_num_threads: n is 0; expected 1 to 1024"),
        (
            lambda: _ops.softmax(TWO.astype(np.float64), TWO),
            TypeError,
            "softmax: x is f64; expected f32, f16, bf16, i32, i64 or u8",
        ),
        (
            lambda: _engine.WordCounter({"added": object()}),
            TypeError,
            "settings hold a <class 'object'>; expected plain JSON values",
        ),
        (
            lambda: _ops.softmax(OnAnotherDevice(), TWO),
            UnsupportedError,
            "softmax: x is on device type 2 of DLPack; expected 1, the CPU",
        ),
        (
            lambda: _engine.Model("unheard-of", "Model", {}, [], "float32"),
            UnsupportedError,
            'model_type "unheard-of" is not supported; known: ',
        ),
        (
            lambda: _engine.WordCounter(nested(300)),
            CheckpointError,
            "settings are nested more than 200 levels deep",
        ),
    ],
)
def test_errors(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value).startswith(sentence)


PREPARE = """
    import os, signal, threading, time
    import numpy as np
    from fastplm import _engine, _ops

    _engine.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    like = np.empty(0, np.float32)

    def space(size):  # 64-byte aligned
        memory = np.zeros(size + 64, np.uint8)
        return memory[-memory.ctypes.data % 64 :]

    def interrupt():
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
"""

# Seconds of work, and the same op on little.
LONG = {
    "linear": """
    k = 4096
    a, out, panels = np.zeros((2 * k, k), np.float32), np.zeros((2 * k, k), np.float32), space(k * k * 4)

    def work(rows=2 * k):
        _ops.linear(a[:rows], "float32", panels, None, "none", None, out[:rows])
    """,
    "attention": """
    tokens, length = 1 << 17, 2048
    q, out = np.zeros((tokens, 64), np.float32), np.zeros((tokens, 64), np.float32)
    workspace = space(_ops.attention_workspace(like, 64, length, 0))

    def work(rows=tokens):
        starts = np.arange(0, rows + 1, min(rows, length), dtype=np.int32)
        q1 = q[:rows]
        none = (None,) * 14
        _ops.attention(q1, q1, q1, starts, None, 1, 1, 0.1, 0.0, -1, -1, *none, out[:rows], None, workspace)
    """,
}


@pytest.mark.parametrize("handler", ["KeyboardInterrupt", "ZeroDivisionError"])
@pytest.mark.parametrize("op", LONG)
@pytest.mark.alone
def test_an_op_is_interrupted(op, handler):
    """A signal amid a call of seconds: what its handler raises, within 200 ms; the op works on."""
    program = textwrap.dedent(PREPARE) + textwrap.dedent(LONG[op])
    if handler != "KeyboardInterrupt":
        program += "signal.signal(signal.SIGINT, lambda *_: 1 / 0)\n"
    program += textwrap.dedent(
        """
        work(4)
        sent = []
        threading.Thread(target=interrupt).start()
        try:
            work()
            print("never interrupted", 0)
        except BaseException as error:
            print(type(error).__name__, (time.perf_counter() - sent[0]) * 1000)
        work(4)
        """
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    raised, milliseconds = result.stdout.split()
    assert raised == handler and float(milliseconds) < 200
