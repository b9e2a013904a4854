"""Access to the servers of `statewright ui`: addresses, names and login.

::

    loopback, without a password         programs and users of this machine
    loopback, STATEWRIGHT_PASSWORD       who knows the password
    --host ADDRESS, the same variable    other machines too; without the variable it is refused

The variable is the one setting of Prefect's token, of MLflow's login, and of the clients of this engine.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from statewright.environment import PASSWORD, USER
from statewright.workflow import WorkflowError

SHORTEST_PASSWORD = 12
"""Characters; MLflow accepts no shorter one."""
LOGIN_FILE = "mlflow-login.ini"


@dataclass(frozen=True)
class Access:
    """Addresses, names and login of the servers.

    Parameters
    ----------
    host : str
        Address on which the servers listen.
    names : tuple of str
        Names under which they answer besides those of loopback, the best for a link first.
    password : str
        Empty for servers without a login.
    """

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    password: str = field(default="", repr=False)

    @property
    def page_host(self) -> str:
        """Return the name of the servers in links."""
        return self.names[0] if self.names else "127.0.0.1"

    @property
    def own_host(self) -> str:
        """Return the address at which this machine asks the servers."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host

    @property
    def credentials(self) -> str:
        """Return the login, such as ``user:password``; empty without a password."""
        return f"{USER}:{self.password}" if self.password else ""

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the settings of both servers' logins.

        Parameters
        ----------
        folder : Path
            Folder of `write_login_file`.
        """
        if not self.password:
            return {}
        return {
            "PREFECT_SERVER_API_AUTH_STRING": self.credentials,
            "PREFECT_API_AUTH_STRING": self.credentials,
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / LOGIN_FILE),
            "MLFLOW_AUTH_ADMIN_USERNAME": USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(24).hex(),
        }


def read_access(host: str, names: Sequence[str], *, with_mlflow: bool) -> Access:
    """Return who reaches servers that listen on `host`.

    Parameters
    ----------
    names : sequence of str
        Further names under which they answer.
    with_mlflow : bool
        Whether MLflow's server is one of them.

    Raises
    ------
    WorkflowError
        If other machines would reach servers without a login, or the password is too short, or MLflow's
        login is not installed.
    """
    password = os.environ.get(PASSWORD, "")
    beyond = not _is_loopback(host)
    if beyond and not password:
        raise WorkflowError(
            f"--host {host} lets other machines use the servers, and {PASSWORD} is not set; set it "
            f"first: export {PASSWORD}=$(openssl rand -hex 24)"
        )
    if password and len(password) < SHORTEST_PASSWORD:
        raise WorkflowError(
            f"{PASSWORD} has {len(password)} characters; expected {SHORTEST_PASSWORD} or more: "
            f"export {PASSWORD}=$(openssl rand -hex 24)"
        )
    if password and with_mlflow and find_spec("flask_wtf") is None:
        raise WorkflowError(
            f"{PASSWORD} is set, and MLflow's login needs the package Flask-WTF, which is not installed; "
            "install it: uv pip install 'mlflow[auth]'"
        )
    _check_address(host)
    return Access(
        host, tuple(dict.fromkeys((*_own_names(host), *names))) if beyond else tuple(names), password
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address(host: str) -> None:
    try:
        with socket.socket() as probe:
            probe.bind((host, 0))
    except OSError as error:
        raise WorkflowError(
            f"--host {host} cannot be used ({error}); expected an IPv4 address or a name of this machine, "
            "or 0.0.0.0 for all of its addresses"
        ) from error


def _own_names(host: str) -> list[str]:
    """Return the names of this machine, that of `host` first if it is one."""
    names = [socket.gethostname().lower(), socket.getfqdn().lower()]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells the address towards other machines
        names.append(str(probe.getsockname()[0]))
    names = [name for name in names if not _is_loopback(name)]
    return names if host == "0.0.0.0" else [host.lower(), *names]


def write_login_file(folder: Path) -> None:
    """Write the configuration of MLflow's login; it holds no password.

    The database of users begins empty at each start, so that a new password is valid at once.
    """
    (folder / LOGIN_FILE).write_text(
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = sqlite:///{folder / 'users.db'}\n"
        f"admin_username = {USER}\n"
        "auth_cache_ttl_seconds = 600\n",
        encoding="utf-8",
    )
