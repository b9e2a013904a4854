"""Cost of the engine compared with DVC itself: ``python -m benchmarks.engine``."""
