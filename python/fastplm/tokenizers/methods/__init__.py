"""What a tokenizer does: its state, and functions of it that the methods of `Tokenizer` call."""
