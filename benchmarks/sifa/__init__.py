"""Benchmarks of symmetric information fields."""
