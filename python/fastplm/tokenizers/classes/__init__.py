"""The tokenizer classes of transformers 5 that put their pipeline together themselves.

Such a class takes the vocabulary, the merges and (mostly) the post-processor of tokenizer.json and ignores
the rest of its pipeline. Every other class takes tokenizer.json as it is.
"""

from fastplm.tokenizers.classes.bpe import OTHER_BPE
from fastplm.tokenizers.classes.byte_level import BYTE_LEVEL
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.classes.translation import TRANSLATION
from fastplm.tokenizers.classes.unigram import UNIGRAM
from fastplm.tokenizers.classes.wordpiece import WORDPIECE

CLASSES: dict[str, TokenizerClass] = {**WORDPIECE, **BYTE_LEVEL, **OTHER_BPE, **UNIGRAM, **TRANSLATION}
PLAIN = TokenizerClass()  # every other class
