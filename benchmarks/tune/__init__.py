"""Benchmarks of `statewright tune` on pipelines."""
