"""What the pipelines that generate text share: whose settings count, and prompts in batches."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from fastplm.generation.config import DEFAULTS, GenerationConfig
from fastplm.models import PreTrainedModel
from fastplm.pipelines.base import Pipeline
from fastplm.pipelines.batches import Row

# With these arguments of generate() a prompt goes alone: they see the rows of a batch, or end rows by
# something that the ids do not show, or are of one prompt.
_ALONE = ("logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "streamer", "stop_strings",
          "max_time", "decoder_input_ids", "decoder_attention_mask", "inputs_embeds", "position_ids",
          "past_key_values", "cache", "encoder_outputs", "prompt_lookup_num_tokens",
          "assistant_model")  # fmt: skip
# These see a prompt's padding, so that only prompts of one length go together.
_COUNTED = ("encoder_repetition_penalty", "encoder_no_repeat_ngram_size")


class GenerationPipeline(Pipeline):
    """A model that generates, and its tokenizer.

    Settings of generation come from, the first that has one: the call, what the pipeline was made with,
    config.task_specific_params of the task, the task's own (`settings`), the model's generation config.
    A caller's generation_config stands for all but the first two. A max_length of the caller counts, not the
    task's own max_new_tokens.

    A result depends on no other prompt, whatever the batch; of sampling, where a seed is given.
    """

    block = 64
    most_tokens = 16384  # of a batch, those to come included
    settings: ClassVar[dict[str, Any]] = {}
    generation_config: GenerationConfig

    def __init__(self, model: PreTrainedModel, tokenizer: Any, *, task: str, **kwargs: Any) -> None:
        if not model.can_generate():
            raise ValueError(f"{task}: a {type(model).__name__} does not generate")
        own = _of_task(model, task)
        self.prefix = own.pop("prefix", model.config.get("prefix")) or ""
        self.generation_config = _merged(model.generation_config, self.settings, own)
        if self.generation_config.pad_token_id is None:
            self.generation_config.pad_token_id = tokenizer.pad_token_id
        super().__init__(model, tokenizer, task=task, **kwargs)

    def setting(self, given: Mapping[str, Any], name: str) -> Any:
        """What counts for generate(): given to it, or of the config given to it, or the pipeline's."""
        if name in given:
            return given[name]
        config = given.get("generation_config")
        if config is not None:
            config = GenerationConfig.of(config)
            found = getattr(config, name)
            found = getattr(self.model.generation_config, name) if found is None else found
        else:
            found = getattr(self.generation_config, name)
        return DEFAULTS.get(name) if found is None else found

    def generated(self, rows: list[Row], given: dict[str, Any], size: int | None) -> list[Any]:
        """For each row what generate() gives for it alone: token ids int64 [sequences, length], or with
        return_dict_in_generate the output.
        """
        if given.get("max_length") is not None:
            given = {"max_new_tokens": None, **given}
        if "temperature" in self.settings and not self.setting(given, "do_sample"):
            given = {"temperature": DEFAULTS["temperature"], **given}  # which the task set for samples alone
        arguments = {"generation_config": self.generation_config, **given}
        named = self.setting(given, "return_dict_in_generate")
        found: list[Any] = [None] * len(rows)
        for batch in self._batches(rows, given, 1 if named else size):
            together = [rows[i] for i in batch]
            output = self._generate(together, arguments)
            if len(batch) == 1:
                found[batch[0]] = output
                continue
            parts = np.split(output, len(batch))
            for i, row, sequences in zip(batch, together, parts, strict=True):
                found[i] = self._trimmed(sequences, len(row), len(together[-1]), given)
        return found

    def _batches(self, rows: list[Row], given: dict[str, Any], size: int | None) -> Iterator[list[int]]:
        """The places of rows that go together, the shortest first."""
        if any(self._says(given, name) for name in _ALONE):
            size = 1
        new = self.setting(given, "max_new_tokens")
        of_prompts = self.model.stacks != "both"
        counted = (*_COUNTED, "min_length") if of_prompts else _COUNTED
        same = (of_prompts and new is None) or any(self._says(given, name) for name in counted)
        copies = max(int(self.setting(given, name)) for name in ("num_beams", "num_return_sequences"))
        to_come = int(self.setting(given, "max_length") if new is None else new)
        batch: list[int] = []
        for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
            if batch:
                shortest, tokens = len(rows[batch[0]]), (len(batch) + 1) * (len(rows[i]) + to_come) * copies
                apart = shortest == 0 or (same and len(rows[i]) != shortest)
                if apart or len(batch) == size or tokens > self.most_tokens:
                    yield batch
                    batch = []
            batch.append(i)
        if batch:
            yield batch

    def _says(self, given: Mapping[str, Any], name: str) -> bool:
        """Whether an argument or a setting asks for anything."""
        value = self.setting(given, name) if name in DEFAULTS else given.get(name)
        return value is not None and value != DEFAULTS.get(name)

    def _generate(self, rows: list[Row], arguments: dict[str, Any]) -> Any:
        seed, longest = arguments.get("seed"), len(rows[-1])
        if seed is not None and not isinstance(seed, list | tuple):
            arguments = {**arguments, "seed": [seed] * len(rows)}  # as of each prompt alone
        model: Any = self.model
        if longest == 0:  # generation begins with bos_token_id
            return model.generate(**arguments)
        ids = np.full((len(rows), longest), self.generation_config.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            begin = 0 if model.stacks == "both" else longest - len(row)
            ids[place, begin : begin + len(row)] = row.inputs["input_ids"]
            mask[place, begin : begin + len(row)] = row.inputs.get("attention_mask", 1)
        return model.generate(input_ids=ids, attention_mask=mask, **arguments)

    def _trimmed(self, sequences: Any, length: int, longest: int, given: dict[str, Any]) -> Any:
        """The sequences of one prompt without the padding before it and, as far as all have ended, behind."""
        prompt = 1 if self.model.stacks == "both" else longest
        eos = self.setting(given, "eos_token_id")
        ends = np.isin(sequences[:, prompt:], [] if eos is None else eos)
        last = np.where(ends.any(1), ends.argmax(1) + 1, ends.shape[1]).max(initial=0)
        begin = 0 if self.model.stacks == "both" else longest - length
        return sequences[:, begin : prompt + last]


def _of_task(model: PreTrainedModel, task: str) -> dict[str, Any]:
    """What the model's config says of the task."""
    tasks = model.config.get("task_specific_params")
    own = tasks.get(task) if isinstance(tasks, dict) else None
    return dict(own) if isinstance(own, dict) else {}


def _merged(model: GenerationConfig, task: dict[str, Any], own: dict[str, Any]) -> GenerationConfig:
    """The pipeline's settings: as in transformers 4.57, the task's come before the model's, except that a
    length of the model's counts.
    """
    values = {name: value for name, value in vars(model).items() if value is not None}
    length = values.get("max_length")
    values |= task
    if length is not None and length != DEFAULTS["max_length"]:
        del values["max_new_tokens"]
    elif "max_new_tokens" not in own:
        own = {name: value for name, value in own.items() if name != "max_length"}
    return GenerationConfig(**{**values, **own})
