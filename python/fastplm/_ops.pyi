"""Functions on tensors; their contracts are the headers of cpp/ops."""

from typing import Any

def __getattr__(name: str) -> Any: ...
