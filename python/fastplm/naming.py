"""How transformers' class names go with families and checkpoints."""

import re

from fastplm.config import PretrainedConfig
from fastplm.families import alone, family_of

CLASS_NAME = re.compile(
    r"([A-Z]\w*?)(EncoderModel|MTModel|Model|For[A-Z]\w*|(?:With)?LMHeadModel|DoubleHeadsModel)", re.ASCII
)
_OTHER_NAMES = {  # of tasks
    "MTModel": "ForConditionalGeneration",
    "WithLMHeadModel": "ForMaskedLM",
    "ForQuestionAnsweringSimple": "ForQuestionAnswering",
}


def stem(config: PretrainedConfig) -> str:
    """What the family's class names start with, such as "ModernBert": the checkpoint names its own class."""
    for name in config.architectures or ():
        match = CLASS_NAME.fullmatch(name)
        if match and squeeze(match[1]) == squeeze(config.model_type):
            return match[1]
    return "".join(part.capitalize() for part in re.split("[-_]", config.model_type))


def task_of(name: str) -> str:
    """What a class is for, as most class names end: "ForCausalLM", "Model"."""
    match = CLASS_NAME.fullmatch(name)
    assert match is not None, name
    return _OTHER_NAMES.get(match[2], match[2])


def squeeze(name: str) -> str:
    """A family's name without what model_type and class names write differently."""
    return re.sub("[-_]", "", name).lower()


def holds_encoder_alone(config: PretrainedConfig) -> bool:
    """Whether a checkpoint of an encoder-decoder's family is of the encoder alone."""
    kind = alone(config.model_type)
    if kind is None:
        return False
    named = [name for name in config.architectures or () if name in family_of(config.model_type).classes]
    return kind.name in named if named else not config.is_encoder_decoder
