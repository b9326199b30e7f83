"""GGUF files, as llama.cpp writes them: one file with a model's settings, tokenizer and weights."""
