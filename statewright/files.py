"""Read and write files by their suffix; a write is atomic.

The formats are Parquet, CSV, JSON, safetensors, plain text and plain bytes. None of them can
contain code, because nothing here unpickles.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

TEXT_SUFFIXES = frozenset({".html", ".svg", ".txt", ".md"})


def file_name(address: str, suffix: str) -> str:
    """Return a name for a file about a stage, with at most 255 bytes.

    Most file systems allow no longer names, but an address can be longer.
    """
    name = address.replace("/", "_").replace(":", "_")
    if len(os.fsencode(name + suffix)) > 255:
        name = f"{name[:50]}-{hashlib.md5(os.fsencode(name), usedforsecurity=False).hexdigest()}"
    return name + suffix


class FileError(ValueError):
    """Error on reading or writing a file; the message names the file and the cause."""


def load(path: Path) -> Any:
    """Read a file by its suffix.

    Returns
    -------
    object
        A frame, a dict of arrays, parsed JSON, text, or bytes; for a folder, its path.

    Raises
    ------
    FileError
        If the file is absent, empty, damaged or of an unknown kind.
    """
    if path.is_dir():
        return path
    if not path.is_file():
        raise FileError(f"{path} does not exist; `statewright graph` shows which stage writes it")
    if path.stat().st_size == 0:
        raise FileError(f"{path} is empty (0 bytes); restore it, or run the stage that writes it")
    reader = _reader(path)
    try:
        return reader(path)
    except ModuleNotFoundError as error:
        raise FileError(
            f"{path}: reading {path.suffix} needs {error.name}; install 'statewright[functions]'"
        ) from error
    except Exception as error:
        raise FileError(f"{path} cannot be read as {path.suffix or 'bytes'}: {error}") from error


def _reader(path: Path) -> Callable[[Path], Any]:
    if path.suffix in TEXT_SUFFIXES:
        return lambda p: p.read_text(encoding="utf-8")
    readers = {
        ".parquet": _read_parquet,
        ".csv": _read_csv,
        ".json": lambda p: json.loads(p.read_text(encoding="utf-8")),
        ".safetensors": _read_safetensors,
        ".png": Path.read_bytes,
    }
    if path.suffix not in readers:
        known = ", ".join(sorted([*readers, *TEXT_SUFFIXES]))
        raise FileError(f"{path}: unknown file type '{path.suffix}'; expected one of {known}")
    return readers[path.suffix]


def save(value: Any, path: Path) -> None:
    """Write `value` atomically, in the format of the suffix of `path`."""
    save_all({path: value})


def save_all(values: Mapping[Path, Any]) -> None:
    """Write each value to its path; if one cannot be written, write none."""
    with ExitStack() as stack:
        for path, value in values.items():
            _write(value, path, stack.enter_context(replacing(path)))


def _write(value: Any, path: Path, temporary: Path) -> None:
    if path.suffix in TEXT_SUFFIXES:
        temporary.write_text(value, encoding="utf-8")
    elif path.suffix == ".parquet":
        value.to_parquet(temporary, index=False, compression="zstd")
    elif path.suffix == ".csv":
        value.to_csv(temporary, index=False, lineterminator="\n")
    elif path.suffix == ".json":
        temporary.write_text(_dump_json_for(path, value), encoding="utf-8")
    elif path.suffix == ".safetensors":
        _write_safetensors(value, temporary)
    elif path.suffix == ".png":
        temporary.write_bytes(value)
    else:
        raise FileError(f"{path}: unknown file type '{path.suffix}'")


def md5(path: Path) -> str:
    """Return the hash that DVC uses for a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def dump_json(value: Any) -> str:
    """Return canonical JSON of a value: sorted keys; NaN is an error."""
    if hasattr(value, "model_dump"):  # a pydantic model; to import pydantic takes longer than many runs
        value = value.model_dump(mode="json")
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _dump_json_for(path: Path, value: Any) -> str:
    try:
        return dump_json(value)
    except (ValueError, TypeError) as error:
        raise FileError(f"{path} cannot be written: {error}") from error


@contextmanager
def replacing(path: Path, most: int = 0o777) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success.

    If the process is killed, `path` is the complete old file or the complete new one. The next
    writer of the same path removes the temporary file that is left. A new file gets its mode from
    the user's umask; a file that its owner can write keeps its mode.

    Parameters
    ----------
    most : int
        Permissions that the file may have at most, such as 0o600 for a copy of a private file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, handle = _claim(path)
    mode = (_mode(path) or stat.S_IMODE(os.fstat(handle).st_mode)) & most
    os.fchmod(handle, mode)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(mode)  # a writer such as safetensors sets a mode of its own
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _mode(path: Path) -> int | None:
    """Return the mode of a file that its owner can write, else None.

    A link into DVC's cache is read-only; the file that replaces it is not.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return mode if mode & stat.S_IWUSR else None


def _claim(path: Path) -> tuple[Path, int]:
    """Create a temporary file in the folder of `path`, locked until it is closed.

    The names are numbered, so a file that a killed process left is used again. The folder is not listed:
    for the watch of a run, that would be a read of its files.
    """
    for number in itertools.count():
        name = f"{path.parent}/.{path.name}.{number}.part"
        try:
            # Not by `tempfile`, whose files only the owner may read: here the kernel applies the umask.
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EACCES) and os.path.lexists(name):
                continue  # somebody else's
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.lstat(name)):
                os.ftruncate(handle, 0)
                return Path(name), handle
        except (BlockingIOError, FileNotFoundError):
            pass  # another writer holds the file, or has just renamed it
        os.close(handle)
    raise AssertionError("unreachable")


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, encoding="utf-8")


def _read_safetensors(path: Path) -> Any:
    from safetensors.numpy import load_file

    return load_file(path)


def _write_safetensors(tensors: Any, path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    # `ascontiguousarray` would give a number the shape (1,).
    save_file({name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}, path)


def conflict_in(path: Path) -> str:
    """Return a sentence about the conflict markers that a merge left in a file.

    The text is empty if there are none, or if the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            numbers = [number for number, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")]
    except OSError:
        return ""
    if not numbers:
        return ""
    if path.suffix == ".lock":
        fix = (
            f"choose a version of the file with `git checkout --ours {path}` or `--theirs`; a run updates it"
        )
    else:
        fix = "edit the file and remove the lines that start with <<<<<<<, ======= and >>>>>>>"
    return f"{path}, line {numbers[0]}: conflict markers of a merge (<<<<<<<); {fix}"
