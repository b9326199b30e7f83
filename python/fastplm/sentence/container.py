"""An encoder as a sequence of modules, with what torch.nn.Sequential and its users expect of one."""

import os
from collections.abc import Iterator
from typing import Any, NoReturn, Self

from fastplm.errors import UnsupportedError
from fastplm.models import PreTrainedModel
from fastplm.sentence.absent import ABSENT
from fastplm.sentence.modules import Pooling
from fastplm.tokenizers.tokenizer import Tokenizer


class Container:
    """Modules by number: container[0] is the Transformer, container[1] the Pooling, others change vectors of
    texts; or container[0] is a StaticEmbedding, without a Pooling.
    """

    _modules: dict[str, Any]

    modalities = ("text",)

    def __getitem__(self, index: Any) -> Any:
        return list(self._modules.values())[index]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    children = modules = __iter__

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The modules with their names in modules.json."""
        return iter(self._modules.items())

    def _first_module(self) -> Any:
        return self[0]

    def _last_module(self) -> Any:
        return self[-1]

    @property
    def model(self) -> PreTrainedModel:
        """The model, a fastplm.PreTrainedModel."""
        model: PreTrainedModel = self[0].model
        return model

    transformers_model = model

    @property
    def config(self) -> Any:
        """The model's settings."""
        return self.model.config

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, of fastplm.AutoTokenizer."""
        tokenizer: Tokenizer = self[0].tokenizer
        return tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer) -> None:
        self[0].tokenizer = tokenizer

    processor = tokenizer

    @property
    def max_seq_length(self) -> int:
        """Tokens of a text that are read, tokenizer.model_max_length; int(1e30) if there is no limit."""
        length: int = self[0].max_seq_length
        return length

    @max_seq_length.setter
    def max_seq_length(self, length: int | None) -> None:
        self[0].max_seq_length = length

    def get_max_seq_length(self) -> int:
        """`max_seq_length`."""
        return self.max_seq_length

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:
        """Whether pooling sees a prompt's tokens."""
        for module in self:
            if isinstance(module, Pooling):
                module.include_prompt = include_prompt

    @property
    def device(self) -> Any:
        """Where the model computes."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """What the model computes in. Embeddings are float32 always."""
        return self.model.dtype

    @property
    def training(self) -> bool:
        """Always False."""
        return False

    def eval(self) -> Self:
        """Does nothing: an encoder is always in evaluation mode."""
        return self

    def train(self, mode: bool = True) -> Self:
        """Raises UnsupportedError naming the way to train, unless mode is False."""
        self.model.train(mode)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Raises UnsupportedError naming the way to train, unless requires_grad is False."""
        return self.train(requires_grad)

    def parameters(self, recurse: bool = True) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        self.model.parameters()

    def named_parameters(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        self.model.named_parameters()

    def state_dict(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        self.model.state_dict()

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Accepts what the encoder already is: .to("cpu"), .to(its dtype). Else raises UnsupportedError."""
        self.model.to(*args, **kwargs)
        return self

    def cpu(self) -> Self:
        """Does nothing: the encoder computes on the CPU."""
        return self

    def cuda(self, device: Any = None) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        self.model.cuda(device)

    def float(self) -> Self:
        """Does nothing for a float32 encoder; else raises UnsupportedError naming the way to one."""
        return self._in("float32")

    def bfloat16(self) -> Self:
        """Does nothing for a bfloat16 encoder; else raises UnsupportedError naming the way to one."""
        return self._in("bfloat16")

    def half(self) -> NoReturn:
        """Raises UnsupportedError naming the way to fewer bits."""
        raise UnsupportedError('half(): there is no float16 here; SentenceEncoder(..., dtype="bfloat16")')

    def compile(self, *_: Any, **__: Any) -> None:
        """Does nothing: the engine is compiled."""

    def get_backend(self) -> str:
        """ "torch", the one that the engine stands in for."""
        return "torch"

    def supports(self, modality: Any) -> bool:
        """Whether inputs of that kind can be embedded: "text" alone."""
        return modality in self.modalities

    def get_model_kwargs(self) -> list[str]:
        """Arguments of `encode` that the model's own modules add: none."""
        return []

    def evaluate(self, evaluator: Any, output_path: str | os.PathLike[str] | None = None) -> Any:
        """What an evaluator of sentence-transformers says of this encoder."""
        if output_path is not None:
            os.makedirs(output_path, exist_ok=True)
        return evaluator(self, output_path)

    def _in(self, dtype: str) -> Self:
        now = str(self.model.dtype).removeprefix("torch.")
        if now != dtype:
            raise UnsupportedError(
                f"{dtype}: this encoder computes in {now}: weights are packed at load, so pass "
                f"dtype={dtype!r} to SentenceEncoder"
            )
        return self

    def __getattr__(self, name: str) -> NoReturn:
        reason = f": {ABSENT[name]}" if name in ABSENT else ""
        raise AttributeError(f"{type(self).__name__} has no {name!r}{reason}", name=name, obj=self)


class NoCard:
    """Stands where evaluators expect data for a model card, which fastplm does not write."""

    def set_evaluation_metrics(self, *_: Any, **__: Any) -> None:
        """Forgets them."""
