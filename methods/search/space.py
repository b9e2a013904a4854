"""Spaces of params; defined in `statewright.search.space`, which the wheel ships."""

from statewright.search.space import (
    Choice,
    Config,
    Float,
    Integer,
    Space,
    check_space,
    contains,
    from_unit,
    sample,
    to_unit,
)

__all__ = [
    "Choice",
    "Config",
    "Float",
    "Integer",
    "Space",
    "check_space",
    "contains",
    "from_unit",
    "sample",
    "to_unit",
]
