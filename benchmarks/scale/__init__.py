"""Cost of many stages and of several hosts: ``python -m benchmarks.scale``."""
