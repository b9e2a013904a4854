"""Benchmarks of `statewright tune`: defaults, random search, TPE and the hybrid on pipelines."""
