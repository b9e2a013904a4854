"""Benchmarks of the generator of data pipelines."""
