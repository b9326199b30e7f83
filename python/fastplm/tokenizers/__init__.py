"""The parts of fastplm.tokenizer."""
