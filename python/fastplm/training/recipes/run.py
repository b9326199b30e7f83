"""One run: examples are read and prepared, and transformers' Trainer trains an accelerated model."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastplm.training.recipes import curve, labels, language, questions, sentences
from fastplm.training.recipes.files import Row, columns, read
from fastplm.training.recipes.language import Feature

Figures = Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class Settings:
    """epochs or steps (which wins). patience: stop after so many evaluations without a smaller loss."""

    epochs: float = 3.0
    steps: int = -1
    batch_size: int = 16
    learning_rate: float = 5e-5
    max_length: int = 128
    bf16: bool = False
    patience: int | None = None
    resume: bool = False
    seed: int = 0


@dataclass
class Prepared:
    """What a task makes of the training and evaluation examples."""

    train: list[Feature]
    evaluation: list[Feature] | None
    collator: Any
    figures: Figures | None = None
    model: dict[str, Any] | None = None  # arguments of from_pretrained
    around: Callable[[Any], Any] | None = None  # makes what is trained from the model; None: the model itself
    finish: Callable[[Path, Any], None] | None = None  # writes what else belongs into the model's folder


@dataclass(frozen=True)
class Task:
    model: str  # its class in transformers
    columns: tuple[str, ...]
    prepare: Callable[[list[Row], list[Row] | None, Any, Settings], Prepared]
    summary: str


def train(
    task: str, model: str, output: Path, train_file: Path, eval_file: Path | None = None,
    settings: Settings | None = None, *, from_scratch: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Trains the model of a folder, saves it and its tokenizer in output, and returns the last figures.

    from_scratch: only the model's config is used. Checkpoints, with the state of the optimizer, lie in
    output; resume goes on from the last one and gives the weights that an uninterrupted run gives. log.json
    has the losses, curve.svg a plot of them. Raises OSError and ValueError for files; what
    transformers raises for a model.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(TASKS)}")
    from fastplm import transformers as library
    from fastplm.optim import AdamW

    chosen, settings = TASKS[task], settings or Settings()
    if settings.patience is not None and eval_file is None:
        raise ValueError("patience needs an evaluation file; expected both or neither")
    rows = read(train_file)
    columns(train_file, rows, chosen.columns)
    held_out = None if eval_file is None else read(eval_file)
    if held_out is not None and eval_file is not None:
        columns(eval_file, held_out, chosen.columns)

    library.set_seed(settings.seed)
    tokenizer = library.AutoTokenizer.from_pretrained(model)
    data = chosen.prepare(rows, held_out, tokenizer, settings)
    cls = getattr(library, chosen.model)
    if from_scratch:
        config = library.AutoConfig.from_pretrained(model, **(data.model or {}))
        network = cls.from_config(config) if hasattr(cls, "from_config") else cls(config)
    else:
        network = cls.from_pretrained(model, **(data.model or {}))
    trainer = library.Trainer(
        data.around(network) if data.around else network,
        _arguments(library, output, settings, held_out is not None),
        data_collator=data.collator,
        train_dataset=data.train,
        eval_dataset=data.evaluation,
        processing_class=tokenizer,
        compute_metrics=data.figures,
        callbacks=[library.EarlyStoppingCallback(settings.patience)] if settings.patience else [],
        optimizer_cls_and_kwargs=(AdamW, {"lr": settings.learning_rate}),
    )
    result = trainer.train(resume_from_checkpoint=settings.resume or None)
    found = {"train_loss": result.training_loss}
    if held_out is not None:
        found |= trainer.evaluate()
        if data.figures is None and found["eval_loss"] < 700:  # where exp ends
            found["eval_perplexity"] = math.exp(found["eval_loss"])
    if data.around:
        network.save_pretrained(output)
        tokenizer.save_pretrained(output)
    else:
        trainer.save_model(str(output))
    if data.finish:
        data.finish(output, network)
    (output / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1) + "\n")
    (output / "curve.svg").write_text(curve.svg(trainer.state.log_history, task))
    return found


def _arguments(library: Any, output: Path, settings: Settings, evaluated: bool) -> Any:
    return library.TrainingArguments(
        output_dir=str(output),
        num_train_epochs=settings.epochs,
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        bf16=settings.bf16,
        seed=settings.seed,
        use_cpu=True,
        eval_strategy="epoch" if evaluated else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=settings.patience is not None,
        logging_steps=10,
        report_to=[],
    )


# --- the tasks --------------------------------------------------------------------------------------------


def _masked(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    make = partial(language.blocks, tokenizer=tokenizer, length=s.max_length)
    return Prepared(make(rows), held_out and make(held_out), _language_collator(tokenizer, True))


def _masked_pairs(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    make = partial(language.sentence_pairs, tokenizer=tokenizer, length=s.max_length, seed=s.seed)
    return Prepared(make(rows), held_out and make(held_out), _language_collator(tokenizer, True))


def _next_tokens(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    make = partial(language.blocks, tokenizer=tokenizer, length=s.max_length)
    if tokenizer.pad_token is None:  # the collator wants one; no block is padded
        tokenizer.pad_token = tokenizer.eos_token
    return Prepared(make(rows), held_out and make(held_out), _language_collator(tokenizer, False))


def _spans(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    make = partial(language.blocks, tokenizer=tokenizer, length=s.max_length)
    return Prepared(make(rows), held_out and make(held_out), language.SpanCorruption(tokenizer, s.seed))


def _text_classes(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    from transformers import DataCollatorWithPadding

    names = labels.classes(rows)
    make = partial(labels.classified, tokenizer=tokenizer, length=s.max_length, names=names)
    collator = DataCollatorWithPadding(tokenizer)
    return Prepared(make(rows), held_out and make(held_out), collator, labels.class_figures, _named(names))


def _word_tags(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    from transformers import DataCollatorForTokenClassification

    names = labels.tags(rows)
    make = partial(labels.tagged, tokenizer=tokenizer, length=s.max_length, names=names)
    collator = DataCollatorForTokenClassification(tokenizer)
    figures = partial(labels.tag_figures, names)
    return Prepared(make(rows), held_out and make(held_out), collator, figures, _named(names))


def _answers(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    from transformers import DataCollatorWithPadding

    make = partial(questions.pieces, tokenizer=tokenizer, length=s.max_length)
    data = Prepared(make(rows)[0], None, DataCollatorWithPadding(tokenizer))
    if held_out is not None:
        data.evaluation, places = make(held_out)
        data.figures = partial(questions.figures, held_out, places)
    return data


def _pairs(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    from transformers import DataCollatorForSeq2Seq

    def make(some: list[Row]) -> list[Feature]:
        options = {"truncation": True, "max_length": s.max_length}
        targets = [tokenizer(text_target=row["target"], **options)["input_ids"] for row in some]
        sources = [tokenizer(row["source"], **options) for row in some]
        return [{**a, "labels": b} for a, b in zip(sources, targets, strict=True)]

    return Prepared(make(rows), held_out and make(held_out), DataCollatorForSeq2Seq(tokenizer))


def _sentences(rows: list[Row], held_out: list[Row] | None, tokenizer: Any, s: Settings) -> Prepared:
    pooling, normalize = sentences.pooling_of(tokenizer.name_or_path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    make = partial(sentences.together, tokenizer=tokenizer, length=s.max_length)

    def around(network: Any) -> Any:
        from fastplm.training.recipes.encoder import PairedEncoder

        if network.config.is_encoder_decoder:
            raise ValueError(
                f"{type(network).__name__} is an encoder and a decoder; expected a model of one stack"
            )
        return PairedEncoder(network, pooling)

    def finish(folder: Path, network: Any) -> None:
        width = network.config.hidden_size
        sentences.write_modules(folder, width, pooling, normalize, s.max_length)

    return Prepared(
        make(rows, scored=False),
        held_out and make(held_out, scored=True),
        partial(sentences.collated, pad=tokenizer.pad_token_id),
        sentences.figures,
        around=around,
        finish=finish,
    )


def _named(names: list[str]) -> dict[str, Any]:
    numbers = {name: i for i, name in enumerate(names)}
    return {"num_labels": len(names), "label2id": numbers, "id2label": {i: n for n, i in numbers.items()}}


def _language_collator(tokenizer: Any, masked: bool) -> Any:
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, mlm=masked)


_TEXT = ("text",)
TASKS = {
    "mlm": Task("AutoModelForMaskedLM", _TEXT, _masked, "masked words; text"),
    "mlm-nsp": Task("AutoModelForPreTraining", _TEXT, _masked_pairs, "masked words and next sentences; text"),
    "clm": Task("AutoModelForCausalLM", _TEXT, _next_tokens, "next tokens; text"),
    "span-corruption": Task("AutoModelForSeq2SeqLM", _TEXT, _spans, "hidden spans of text; text"),
    "seq2seq": Task(
        "AutoModelForSeq2SeqLM", ("source", "target"), _pairs, "translation or summarization; source, target"
    ),
    "classification": Task(
        "AutoModelForSequenceClassification", ("text", "label"), _text_classes,
        "classes of texts; text, label, text_pair (optional)",
    ),
    "ner": Task(
        "AutoModelForTokenClassification", ("tokens", "tags"), _word_tags,
        "tags of words; tokens, tags (lists)",
    ),
    "qa": Task(
        "AutoModelForQuestionAnswering", ("question", "context", "answers"), _answers,
        "answers in a paragraph; question, context, answers as in SQuAD",
    ),
    "sentence-embeddings": Task(
        "AutoModel", sentences.COLUMNS, _sentences,
        "texts and partners; anchor, positive, negative (optional), score (to evaluate)",
    ),
}  # fmt: skip
