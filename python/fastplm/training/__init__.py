"""Training transformers' models with fastplm's operations."""
