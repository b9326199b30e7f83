"""Benchmarks of fastplm against its peers, run from the repository root: `python -m bench.encode`."""
