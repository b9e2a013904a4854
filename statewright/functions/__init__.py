"""Stages that are Python functions: runner, signatures and checks.

The runner is the command ``python -m PACKAGE STAGE``.
"""
