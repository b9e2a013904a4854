"""A kept model is made once, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from methods.exchange import no_cache
from service.model_cache import keep_in


def test_what_is_kept_is_made_once_for_each_key_and_whole(tmp_path: Path):
    made: list[str] = []

    def make(content: str) -> bytes:
        made.append(content)
        return content.encode()

    folder = tmp_path / "deep" / "er"
    kept = keep_in(folder)
    wanted = {"one": "first", "two": "second"}
    for key, content in [*wanted.items(), *wanted.items()]:
        path = kept("a", key, lambda content=content: make(content))
        assert isinstance(path, Path)
        assert path.read_text() == content
    assert no_cache("a", "one", lambda: make("third")) == b"third"
    assert made == ["first", "second", "third"]

    def fail() -> bytes:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        kept("a", "three", fail)
    assert sorted(path.suffix for path in folder.iterdir()) == [".onnx", ".onnx"]
