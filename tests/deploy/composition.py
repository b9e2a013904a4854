"""The compose file with its variables replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def example_settings() -> dict[str, str]:
    """Return the variables of `.env.example`."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_compose(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the compose file; fail if a demanded setting is absent."""

    def value(match: re.Match[str]) -> str:
        name, kind, other = match.groups()
        if settings.get(name):
            return settings[name]
        assert kind == "-", f"{name} is not set"
        return str(other)

    text = (DEPLOY / "compose.yaml").read_text()
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    composed: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, "\n".join(lines)))
    return composed
