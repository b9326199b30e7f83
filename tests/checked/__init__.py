"""The tokenizers built with AddressSanitizer and UndefinedBehaviorSanitizer."""
