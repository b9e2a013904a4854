"""Schedules: list scheduling, exact solver, predictions of plans, PSPLIB files."""
