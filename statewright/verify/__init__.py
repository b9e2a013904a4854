"""Run a stage twice in scratch copies and compare what comes out."""
