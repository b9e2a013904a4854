"""Params of this repository, for tests that need a block of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from statewright.contracts import Params

ROOT = Path(__file__).resolve().parents[1]
Block = TypeVar("Block", bound=Params)


def shipped_params(model: type[Block], key: str, /, **changes: Any) -> Block:
    """Return a block of ``params.yaml``, such as ``emotion.train``, with changes."""
    block: Any = _read()
    for part in key.split("."):
        block = block[part]
    return model(**{**block, **changes})


@cache
def _read() -> Any:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
