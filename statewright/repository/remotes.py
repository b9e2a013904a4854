"""Paths on storage whose plug-in is not installed: DVC can read them, and so plan around them.

DVC refuses a whole `dvc.yaml` if one path in it is `s3://...` and `dvc-s3` is missing. Reading a
graph needs no more of a store than its paths, so stand-ins take the place of the missing plug-ins;
whoever asks one for a file is told which package to install.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlparse

from dvc_objects.fs import known_implementations
from dvc_objects.fs.base import FileSystem
from dvc_objects.fs.errors import RemoteMissingDepsError

STAND_IN = "stand_in_"
CHECKSUMS = {"ssh": "md5", "hdfs": "checksum", "webhdfs": "checksum", "gdrive": "checksum"}
"""What identifies a file's version there; an etag, if the scheme is not named."""


def stand_in_for_missing() -> None:
    """Let every storage scheme that DVC knows and cannot load be read by a stand-in."""
    for scheme, entry in known_implementations.items():
        package = entry["class"].partition(".")[0]
        if "err" in entry and package != "dvc" and find_spec(package) is None:
            entry["class"] = f"{__name__}.{STAND_IN}{scheme}"


class StandIn(FileSystem):
    """The paths of a store, and nothing of what is there."""

    root_marker = ""

    @cached_property
    def fs(self) -> Any:
        """Nothing is to be had there; the error names the package that DVC needs for it."""
        raise RemoteMissingDepsError(
            self, self.protocol, f"{self.protocol}://", [f"dvc-{PACKAGES.get(self.protocol, self.protocol)}"]
        )

    def coalesce_version(self, path: str, version_id: str | None) -> tuple[str, str | None]:
        """The path as it is, and the version as recorded."""
        return path, version_id

    def version_path(self, path: str, version_id: str | None) -> str:
        """The path as it is."""
        return path

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        url = urlparse(path)
        return (url.netloc + url.path).rstrip("/") if url.scheme else path

    def unstrip_protocol(self, path: str) -> str:
        """The address of a path."""
        return f"{self.protocol}://{path}"


PACKAGES = {"webdavs": "webdav"}


@cache
def _stand_in(scheme: str) -> type[StandIn]:
    return type(
        f"{scheme}StandIn", (StandIn,), {"protocol": scheme, "PARAM_CHECKSUM": CHECKSUMS.get(scheme, "etag")}
    )


def __getattr__(name: str) -> type[StandIn]:
    if name.startswith(STAND_IN):
        return _stand_in(name.removeprefix(STAND_IN))
    raise AttributeError(name)
