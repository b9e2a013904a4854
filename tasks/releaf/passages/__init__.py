"""Helpers of the stages that search passages."""
