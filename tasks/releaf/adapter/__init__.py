"""Helpers of the stage ``releaf-adapt``."""
