"""Benchmarks of the waste assistant, one part per module."""
