"""Pretrained language models, fast, behind the transformers API."""

from fastplm._engine import __version__ as __version__
