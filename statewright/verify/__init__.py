"""Run a stage twice and compare the outputs."""
