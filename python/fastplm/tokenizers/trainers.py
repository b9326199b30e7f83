"""What learns a vocabulary from the words of a corpus: the trainers of `tokenizers`, with their arguments."""

from fastplm.tokenizers.learn.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer

__all__ = ["BpeTrainer", "UnigramTrainer", "WordLevelTrainer", "WordPieceTrainer"]
