"""Differential fuzzing of the tokenizers against `tokenizers`: see python -m tests.fuzz --help."""
