"""text2text-generation, summarization and translation: a text made of a text."""

import copy
import warnings
from typing import Any, ClassVar, NamedTuple

from fastplm.errors import UnsupportedError
from fastplm.models import PreTrainedModel
from fastplm.pipelines.base import tensor
from fastplm.pipelines.batches import Row
from fastplm.pipelines.generation import GenerationPipeline
from fastplm.pipelines.tokenizing import check_texts, rows_of


class Options(NamedTuple):
    """What a call asks for. tokenizer: None where a language is missing. tensors: a kind of arrays of token
    ids in place of text, or False.
    """

    tokenizer: Any
    truncation: bool | str
    tensors: bool | str
    clean: bool
    generate: dict[str, Any]


class Text2TextGenerationPipeline(GenerationPipeline):
    """Gives {"generated_text": ...} of a text, or as many as num_return_sequences says; of a list of texts a
    list of dicts, or of lists of dicts where there are several.

    Four beams, and at most 256 new tokens, unless something else is asked for.
    """

    settings: ClassVar[dict[str, Any]] = {"max_new_tokens": 256, "num_beams": 4}
    name: ClassVar[str] = "generated"  # what results are called

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """As every pipeline; a str alone gives a list. See `_options`."""
        results = super().__call__(inputs, **kwargs)
        if isinstance(inputs, list) and all(len(result) == 1 for result in results):
            return [result[0] for result in results]
        return results

    def _options(
        self,
        return_tensors: bool | str | None = None,
        return_text: bool | None = None,
        return_type: Any = None,
        clean_up_tokenization_spaces: bool = False,
        truncation: bool | str = False,
        stop_sequence: str | None = None,
        **generate_kwargs: Any,
    ) -> Options:
        """return_tensors: token ids (torch's; "np": numpy's) in place of text; return_type: 0 or 1, another
        way to say that. return_text has no effect. truncation: cuts texts to what the model takes.
        stop_sequence: its first token ends a text. generate_kwargs: the arguments of model.generate.
        """
        kind = getattr(return_type, "value", return_type)
        if kind not in (None, 0, 1) or isinstance(kind, bool):
            raise ValueError(f"{self.task}: return_type={kind!r}; expected 0 (ids) or 1 (text)")
        if return_tensors not in (None, False, True, "pt", "np"):
            raise ValueError(
                f'{self.task}: return_tensors={return_tensors!r}; expected True, False, "pt" or "np"'
            )
        generate = dict(generate_kwargs)
        if stop_sequence is not None:
            ids = self.tokenizer.encode(stop_sequence, add_special_tokens=False)
            if len(ids) != 1:
                warnings.warn(
                    f"stop_sequence={stop_sequence!r} is {len(ids)} tokens; its first counts", stacklevel=5
                )
            if not ids:
                raise ValueError(f"{self.task}: stop_sequence={stop_sequence!r}; expected at least one token")
            generate["eos_token_id"] = ids[0]
        if self.setting(generate, "return_dict_in_generate"):
            raise UnsupportedError(
                f"{self.task}: return_dict_in_generate: results are texts; call model.generate"
            )
        tensors = (return_tensors or False) if kind is None else kind == 0
        return Options(self.tokenizer, truncation, tensors, clean_up_tokenization_spaces, generate)

    def _run(self, items: list[Any], options: Options, size: int | None) -> list[Any]:
        check_texts(self.task, items)
        texts = [self.prefix + text for text in items]
        rows = [Row(inputs) for inputs in rows_of(options.tokenizer(texts, truncation=options.truncation))]
        self._check_lengths(rows)
        return [self._records(ids, options) for ids in self.generated(rows, options.generate, size)]

    def _records(self, sequences: Any, options: Options) -> list[dict[str, Any]]:
        if options.tensors:
            return [{f"{self.name}_token_ids": tensor(ids, options.tensors)} for ids in sequences]
        return [
            {
                f"{self.name}_text": self.tokenizer.decode(
                    ids, skip_special_tokens=True, clean_up_tokenization_spaces=options.clean
                )
            }
            for ids in sequences.tolist()
        ]


class SummarizationPipeline(Text2TextGenerationPipeline):
    """Gives {"summary_text": ...} of a text; else as text2text-generation."""

    name = "summary"


class TranslationPipeline(Text2TextGenerationPipeline):
    """Gives {"translation_text": ...} of a text; else as text2text-generation.

    The task may name the languages: "translation_en_to_de". They matter where the tokenizer has codes of
    languages.
    """

    name = "translation"

    def __init__(self, model: PreTrainedModel, tokenizer: Any, *, task: str, **kwargs: Any) -> None:
        tasks = model.config.get("task_specific_params")
        if task == "translation" and isinstance(tasks, dict):
            task = next((name for name in tasks if name.startswith(task)), task)
            warnings.warn(f"the task is translation_XX_to_YY: {task} is taken", stacklevel=4)
        super().__init__(model, tokenizer, task=task, **kwargs)

    def _options(self, src_lang: str | None = None, tgt_lang: str | None = None, **kwargs: Any) -> Options:  # type: ignore[override]
        """src_lang, tgt_lang: the languages as the tokenizer writes them ("eng_Latn"); kwargs: the others of
        text2text-generation.
        """
        options = super()._options(**kwargs)
        words = self.task.split("_")
        if src_lang is None and tgt_lang is None and len(words) == 4:
            src_lang, tgt_lang = words[1], words[3]
        if not hasattr(self.tokenizer, "lang_code_to_id"):
            return options
        if src_lang is None or tgt_lang is None:
            return options._replace(tokenizer=None)
        tokenizer = copy.copy(self.tokenizer)
        tokenizer.src_lang, tokenizer.tgt_lang = src_lang, tgt_lang  # which check them
        first = tokenizer.convert_tokens_to_ids(tokenizer.tgt_lang)
        return options._replace(
            tokenizer=tokenizer, generate={"forced_bos_token_id": first, **options.generate}
        )

    def _run(self, items: list[Any], options: Options, size: int | None) -> list[Any]:
        if options.tokenizer is None:
            raise ValueError(
                f"{self.task}: no src_lang or no tgt_lang; expected both: the tokenizer has languages"
            )
        return super()._run(items, options, size)
