"""How transformers' class names go with families and checkpoints."""

import re

from fastplm.config import PretrainedConfig

CLASS_NAME = re.compile(r"([A-Z]\w*?)(EncoderModel|Model|For[A-Z]\w*|LMHeadModel|DoubleHeadsModel)", re.ASCII)


def stem(config: PretrainedConfig) -> str:
    """What the family's class names start with, such as "ModernBert": the checkpoint names its own class."""
    for name in config.architectures or ():
        match = CLASS_NAME.fullmatch(name)
        if match and squeeze(match[1]) == squeeze(config.model_type):
            return match[1]
    return "".join(part.capitalize() for part in re.split("[-_]", config.model_type))


def squeeze(name: str) -> str:
    """A family's name without what model_type and class names write differently."""
    return re.sub("[-_]", "", name).lower()


def is_saved_encoder(config: PretrainedConfig) -> bool:
    """Whether the checkpoint holds the encoder alone of an encoder-decoder."""
    return any(name.endswith("EncoderModel") for name in config.architectures or ())


def is_encoder_decoder(config: PretrainedConfig) -> bool:
    """Whether the checkpoint holds both. Other families than T5's are encoders, whatever the setting says."""
    if config.model_type != "t5" or is_saved_encoder(config):
        return False
    return bool(config.is_encoder_decoder or "num_decoder_layers" in config)
