"""Benchmarks of the fusion of modalities."""
