"""A PostgreSQL server for tests, from the packages of the system."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
    Path(found) for found in [shutil.which("initdb")] if found
]
"""Its program `initdb`, the newest last; empty if PostgreSQL is not installed."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the address of a new server on loopback, without the name of a database."""
    # PostgreSQL refuses root, and folders of pytest are closed to other users.
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder, port = Path(tempfile.mkdtemp(prefix="statewright-postgresql-")), free_port()
    if os.getuid() == 0:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def run(program: str, *options: str, check: bool = True) -> None:
        with (folder / "command.log").open("w") as log:  # not a pipe: the server would hold it open
            done = subprocess.run(
                [str(PROGRAMS[-1].with_name(program)), f"--pgdata={folder / 'data'}", *options],
                cwd=folder,
                user=user.pw_uid if os.getuid() == 0 else None,
                group=user.pw_gid if os.getuid() == 0 else None,
                extra_groups=[] if os.getuid() == 0 else None,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
        assert not check or done.returncode == 0, (folder / "command.log").read_text()

    try:
        run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
        flags = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off"
        run("pg_ctl", "--wait", f"--log={folder / 'log'}", "start", "--options", flags)
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "stop", "--mode=immediate", check=False)
        shutil.rmtree(folder)
