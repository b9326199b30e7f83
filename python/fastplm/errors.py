"""The exceptions fastplm raises besides Python's own ValueError, TypeError and FileNotFoundError."""


class CheckpointError(ValueError):
    """A model or tokenizer file is damaged, unsafe, or contradicts another one."""


class UnsupportedError(ValueError):
    """The input is legal, but this version of fastplm cannot run it."""
