"""An exported model is stored once, and completely."""

from __future__ import annotations

from pathlib import Path

import pytest

from methods.exchange import no_cache
from service.model_cache import cache_in_folder


def test_a_model_is_exported_once_for_each_key(tmp_path: Path):
    exported: list[str] = []

    def export(content: str) -> bytes:
        exported.append(content)
        return content.encode()

    folder = tmp_path / "deep" / "er"
    cached = cache_in_folder(folder)
    wanted = {"one": "first", "two": "second"}
    for key, content in [*wanted.items(), *wanted.items()]:
        path = cached("a", key, lambda content=content: export(content))
        assert isinstance(path, Path)
        assert path.read_text() == content
    assert no_cache("a", "one", lambda: export("third")) == b"third"
    assert exported == ["first", "second", "third"]

    def fail() -> bytes:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        cached("a", "three", fail)
    assert sorted(path.suffix for path in folder.iterdir()) == [".onnx", ".onnx"]
