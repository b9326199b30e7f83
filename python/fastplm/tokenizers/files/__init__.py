"""Tokenizers read from disk: tokenizer.json, the older files, and the rules of a folder."""
