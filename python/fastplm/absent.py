"""What models of transformers can do and the engine's cannot: each name is refused with the reason."""

from typing import Any, NoReturn

from fastplm.errors import UnsupportedError
from fastplm.signatures import TRAINING

_PACKED = "the engine packs weights at load and gives none back; use the torch model, or change the file"
_STACK = "a stack does not leave the engine; call the model, with encoder_outputs= where it has an encoder"


class Absent:
    """The refusals. Each method raises UnsupportedError."""

    def parameters(self, recurse: bool = True) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"parameters(): {TRAINING}")

    def named_parameters(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"named_parameters(): {TRAINING}")

    def state_dict(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"state_dict(): {TRAINING}")

    def get_decoder(self) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        raise UnsupportedError(f"get_decoder(): {_STACK}")

    def get_input_embeddings(self) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        raise UnsupportedError(f"get_input_embeddings(): {_PACKED}")

    def set_input_embeddings(self, value: Any) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        raise UnsupportedError(f"set_input_embeddings(): {_PACKED}")

    def get_output_embeddings(self) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        raise UnsupportedError(f"get_output_embeddings(): {_PACKED}")

    def resize_token_embeddings(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        raise UnsupportedError(f"resize_token_embeddings(): {_PACKED}")
