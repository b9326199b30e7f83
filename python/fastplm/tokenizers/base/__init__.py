"""What a tokenizer is made of: added tokens, components, the table of tokens, and the source of them all."""
