"""README's table of families and classes, made from what the engine says of itself."""

from fastplm import arrays
from fastplm.families import FAMILIES, family_of
from fastplm.naming import task_of

# Column: the tasks that stand in it.
COLUMNS = {
    "bare": ("Model", "EncoderModel"),
    "masked words": ("ForMaskedLM", "ForPreTraining", "ForNextSentencePrediction"),
    "text": ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "DoubleHeadsModel"),
    "class of a text": ("ForSequenceClassification",),
    "class of a token": ("ForTokenClassification",),
    "answer": ("ForQuestionAnswering",),
    "choice": ("ForMultipleChoice",),
}


def table() -> str:
    """A row for each family: under each task its classes, without their common beginning."""
    lines = ["| model_type | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for family in FAMILIES:
        names = [name for name, kind in family_of(family).classes.items() if kind.refused is None]
        bare = next(name for name in names if task_of(name) == "Model").removesuffix("Model")
        cells = (
            ", ".join(f"`{name.removeprefix(bare)}`" for name in names if task_of(name) in tasks)
            for tasks in COLUMNS.values()
        )
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\nEach runs in {', '.join(arrays.DTYPES[:-1])} and {arrays.DTYPES[-1]}."
