"""Benchmarks of fastplm against its peers. Run as modules from the repository root: `python -m bench.encode`."""
