"""Stand-ins for the storage schemes whose DVC plug-in is not installed.

DVC rejects a whole `dvc.yaml` if one path in it is `s3://...` and `dvc-s3` is missing. To read a
graph, the paths of a store are enough, so stand-ins replace the missing plug-ins. A request for a
file raises an error that names the package to install.
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
"""Kind of checksum that identifies a version of a file; an etag for other schemes."""


def stand_in_for_missing() -> None:
    """Register a stand-in for every storage scheme that DVC knows but cannot load."""
    for scheme, entry in known_implementations.items():
        package = entry["class"].partition(".")[0]
        if "err" in entry and package != "dvc" and find_spec(package) is None:
            entry["class"] = f"{__name__}.{STAND_IN}{scheme}"


class StandIn(FileSystem):
    """A file system that knows the paths of a store, but not its files."""

    root_marker = ""

    @cached_property
    def fs(self) -> Any:
        """Always an error, which names the package that DVC needs for this store."""
        raise RemoteMissingDepsError(
            self, self.protocol, f"{self.protocol}://", [f"dvc-{PACKAGES.get(self.protocol, self.protocol)}"]
        )

    def coalesce_version(self, path: str, version_id: str | None) -> tuple[str, str | None]:
        """Return the path and the version unchanged."""
        return path, version_id

    def version_path(self, path: str, version_id: str | None) -> str:
        """Return the path unchanged."""
        return path

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        url = urlparse(path)
        return (url.netloc + url.path).rstrip("/") if url.scheme else path

    def unstrip_protocol(self, path: str) -> str:
        """Return the address of a path."""
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
