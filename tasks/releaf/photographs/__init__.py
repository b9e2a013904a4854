"""Helpers of the stage ``releaf-vision``."""
