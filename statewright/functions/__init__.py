"""Stages that are Python functions: signatures, the runner behind ``python -m tasks STAGE``, checks."""
