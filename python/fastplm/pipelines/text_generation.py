"""text-generation: what follows a text, or the next message of a chat."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastplm import arrays
from fastplm.errors import UnsupportedError
from fastplm.pipelines.batches import Row
from fastplm.pipelines.generation import GenerationPipeline
from fastplm.pipelines.tokenizing import rows_of, tokenizer_arguments

_TENSORS, _NEW, _FULL = range(3)  # the values of transformers' ReturnType
_OUTPUTS = ("scores", "logits", "sequences_scores", "beam_indices")  # that a result has beside the text


class Chat(NamedTuple):
    """One conversation: dicts with role and content."""

    messages: list[dict[str, Any]]


class Options(NamedTuple):
    """What a call asks for. returns: one of the kinds above. last: continue_final_message."""

    tokenizer: dict[str, Any]
    chat: dict[str, Any]
    prefix: str
    hole: bool
    last: bool | None
    returns: int
    decode: dict[str, Any]
    generate: dict[str, Any]


class TextGenerationPipeline(GenerationPipeline):
    """Gives [{"generated_text": ...}] of a text, as many as num_return_sequences says: the text with what
    follows. Of a chat (a list of dicts with role and content), generated_text is the chat with one message
    more, or with a longer last one where that is the assistant's.

    Sampling at temperature 0.7, and at most 256 new tokens, unless something else is asked for.
    """

    settings: ClassVar[dict[str, Any]] = {"max_new_tokens": 256, "do_sample": True, "temperature": 0.7}

    def __call__(self, text_inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """As every pipeline; a list of dicts is one chat. See `_options`."""
        if isinstance(text_inputs, list | tuple) and text_inputs and isinstance(text_inputs[0], Mapping):
            text_inputs = Chat(list(text_inputs))
        return super().__call__(text_inputs, **kwargs)

    def _options(
        self,
        return_full_text: bool | None = None,
        return_tensors: bool | None = None,
        return_text: bool | None = None,
        return_type: Any = None,
        clean_up_tokenization_spaces: bool = True,
        prefix: str | None = None,
        handle_long_generation: str | None = None,
        stop_sequence: str | None = None,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        continue_final_message: bool | None = None,
        skip_special_tokens: bool = True,
        tokenizer_encode_kwargs: dict[str, Any] | None = None,
        add_special_tokens: bool | None = None,
        padding: bool | str | None = None,
        **generate_kwargs: Any,
    ) -> Options:
        """return_full_text=False: what follows alone. return_tensors: token ids in place of text
        ("generated_token_ids"). prefix: put before each text, and not in the result. handle_long_generation:
        "hole" cuts the beginning of prompts that leave too little room. stop_sequence: its tokens end a text.
        max_length: of prompt and text in tokens; truncation, add_special_tokens, padding,
        tokenizer_encode_kwargs (of a chat: arguments of apply_chat_template): for the tokenizer.
        continue_final_message: whether the last message is to be continued; default: if it is the
        assistant's. generate_kwargs: the arguments of model.generate.
        """
        if handle_long_generation not in (None, "hole"):
            raise ValueError(
                f"{self.task}: handle_long_generation={handle_long_generation!r}; expected None or 'hole'"
            )
        own = {
            name: value
            for name, value in {
                "add_special_tokens": add_special_tokens, "truncation": truncation, "padding": padding,
                "max_length": max_length,
            }.items()
            if value is not None
        }  # fmt: skip
        extra = dict(tokenizer_encode_kwargs or {})
        chat = {name: value for name, value in own.items() if name != "add_special_tokens"} | extra
        prefix = self.prefix if prefix is None else prefix
        generate = dict(generate_kwargs)
        if max_length is not None:
            generate["max_length"] = max_length
        if prefix:
            self._lengthen(generate, len(self.tokenizer(prefix, add_special_tokens=False)["input_ids"]))
        if stop_sequence is not None:
            generate["eos_token_id"] = self.tokenizer.encode(stop_sequence, add_special_tokens=False)
        for name in ("output_attentions", "output_hidden_states"):
            if self.setting(generate, name):
                raise UnsupportedError(f"{self.task}: {name}: a result has none; call model.generate")
        return Options(
            tokenizer_arguments(f"{self.task}: tokenizer_encode_kwargs", own | extra) if not _chats(extra)
            else own,
            chat, prefix, handle_long_generation == "hole", continue_final_message,
            _returns(self.task, return_full_text, return_tensors, return_text, return_type),
            {
                "skip_special_tokens": skip_special_tokens,
                "clean_up_tokenization_spaces": clean_up_tokenization_spaces,
            },
            generate,
        )  # fmt: skip

    def _lengthen(self, generate: dict[str, Any], count: int) -> None:
        """Lengths that count the prompt do not count its prefix."""
        if self.setting(generate, "max_new_tokens") is None or (
            generate.get("max_length") is not None and "max_new_tokens" not in generate
        ):
            generate["max_length"] = self.setting(generate, "max_length") + count
        if generate.get("min_length") is not None and self.setting(generate, "min_new_tokens") is None:
            generate["min_length"] += count

    def _run(self, items: list[Any], options: Options, size: int | None) -> list[Any]:
        prompts = [self._read(item, number) for number, item in enumerate(items)]
        rows = [self._row(prompt, options) for prompt in prompts]
        self._check_lengths(rows)
        made = self.generated(rows, options.generate, size)
        return [
            self._records(prompt, row, output, options)
            for prompt, row, output in zip(prompts, rows, made, strict=True)
        ]

    def _read(self, item: Any, number: int) -> str | Chat:
        if isinstance(item, str | Chat):
            prompt = item
        elif isinstance(item, list | tuple) and item:
            prompt = Chat(list(item))
        else:
            raise TypeError(
                f"{self.task}: input {number} is a {type(item).__name__}; expected a str or "
                "a list of messages"
            )
        for message in prompt.messages if isinstance(prompt, Chat) else ():
            if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
                raise ValueError(
                    f"{self.task}: a message is {message!r}; expected a dict with role and content"
                )
        return prompt

    def _row(self, prompt: str | Chat, options: Options) -> Row:
        if isinstance(prompt, Chat):
            goes_on = _goes_on(prompt, options)
            encoded = self.tokenizer.apply_chat_template(
                prompt.messages, add_generation_prompt=not goes_on, continue_final_message=goes_on,
                return_dict=True, tokenize=True, **options.chat,
            )  # fmt: skip
            encoded = {name: [encoded[name]] for name in ("input_ids", "attention_mask") if name in encoded}
        else:
            encoded = self.tokenizer([options.prefix + prompt], **options.tokenizer)
        row = Row(rows_of(encoded)[0])
        row.inputs.pop("token_type_ids", None)
        return self._with_room(row, options) if options.hole else row

    def _with_room(self, row: Row, options: Options) -> Row:
        """The end of a prompt that is too long for what shall follow it."""
        new, limit = options.generate.get("max_new_tokens"), self.tokenizer.model_max_length
        if new is None:
            new = self.setting(options.generate, "max_length") - len(row)
            if new < 0:
                raise ValueError(f"{self.task}: handle_long_generation='hole' without max_new_tokens")
        if len(row) + new <= limit:
            return row
        keep = limit - new
        if keep <= 0:
            raise ValueError(
                f"{self.task}: max_new_tokens is {new}, and model_max_length {limit}; "
                "expected room for a prompt"
            )
        return Row({name: values[-keep:] for name, values in row.inputs.items()})

    def _records(self, prompt: str | Chat, row: Row, output: Any, options: Options) -> list[dict[str, Any]]:
        sequences = (
            output if isinstance(output, np.ndarray) else arrays.to_numpy(output.sequences, "sequences")
        )
        others = {} if isinstance(output, np.ndarray) else _others(output, len(sequences))
        begin = len(self.tokenizer.decode(row.inputs["input_ids"], **options.decode)) if len(row) else 0
        records = []
        for number, ids in enumerate(sequences.tolist()):
            record: dict[str, Any]
            if options.returns == _TENSORS:
                record = {"generated_token_ids": ids}
            else:
                text = self.tokenizer.decode(ids, **options.decode)[begin:]
                record = {"generated_text": text if options.returns == _NEW else _full(prompt, text, options)}
                record |= {name: values[number] for name, values in others.items()}
            records.append(record)
        return records


def _returns(task: str, full: Any, tensors: Any, text: Any, kind: Any) -> int:
    """Which of the kinds of results is asked for."""
    kind = getattr(kind, "value", kind)
    if kind is not None:
        if type(kind) is not int or not _TENSORS <= kind <= _FULL:
            raise ValueError(f"{task}: return_type={kind!r}; expected 0 (ids), 1 (new text) or 2 (full text)")
        return kind
    if full is not None and (text is not None or tensors is not None):
        other = "return_text" if text is not None else "return_tensors"
        raise ValueError(f"{task}: {other} and return_full_text; expected one of them")
    if tensors is not None and text is not None:
        raise ValueError(f"{task}: return_text and return_tensors; expected one of them")
    if tensors:
        return _TENSORS
    return _FULL if full is None or full else _NEW


def _chats(arguments: Mapping[str, Any]) -> bool:
    """Whether arguments for the tokenizer are those of a chat's template."""
    return bool(arguments.keys() - {"add_special_tokens", "max_length", "padding", "truncation"})


def _goes_on(chat: Chat, options: Options) -> bool:
    return chat.messages[-1]["role"] == "assistant" if options.last is None else options.last


def _full(prompt: str | Chat, text: str, options: Options) -> Any:
    if isinstance(prompt, str):
        return prompt + text
    if not _goes_on(prompt, options):
        return [*prompt.messages, {"role": "assistant", "content": text}]
    last = prompt.messages[-1]
    return [*prompt.messages[:-1], {"role": last["role"], "content": last["content"] + text}]


def _others(output: Any, count: int) -> dict[str, Any]:
    """Scores and the like of each sequence, as transformers puts them beside the text."""
    found = {}
    for name in _OUTPUTS:
        value = output.get(name)
        if isinstance(value, tuple):  # of each step [sequences, vocabulary]
            found[name] = np.stack([arrays.to_numpy(step, name) for step in value], 1).tolist()
        elif value is not None and count == 1:
            found[name] = [arrays.to_numpy(value, name).tolist()]
    return found
