"""Client of Prefect's REST API with the standard library only.

``import prefect`` takes longer than many runs, and fails where Prefect's home is not writable. The few
requests that the record of a run needs are plain JSON. Settings are those of Prefect itself: the
environment first, then the active profile.
"""

from __future__ import annotations

import json
import os
import tomllib
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.environment import PASSWORD, basic_authorization

MAJOR_VERSION = "3"
"""Version of the API that this client speaks; a minor version changes no request that it sends."""


class NotPrefectError(RuntimeError):
    """An answer that does not come from Prefect's API of a compatible version."""


def setting(name: str) -> str | None:
    """Return a setting of Prefect from the environment, or from the active profile."""
    if value := os.environ.get(name):
        return value
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
        profile = os.environ.get("PREFECT_PROFILE") or profiles["active"]
        return str(profiles["profiles"][profile][name])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None  # RuntimeError: there is no home


@dataclass
class PrefectApi:
    """A Prefect server.

    Parameters
    ----------
    address : str
        Address of the API, such as ``http://127.0.0.1:4200/api``.
    timeout_s : float
        Longest wait for one answer.
    token : str
        Basic credentials of a temporary server; by default those of Prefect's settings.
    """

    address: str
    timeout_s: float = 5.0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.headers |= {"Content-Type": "application/json"}
        # Only for the server that the user named: any user of this machine may listen on port 4200.
        if self.address == setting("PREFECT_API_URL"):
            self.headers |= _credentials()
        if self.token:
            self.headers["Authorization"] = basic_authorization(self.token)

    def identify(self) -> None:
        """Check that the server is Prefect's API of a compatible version.

        Raises
        ------
        NotPrefectError
            If another program answers, or another version.
        OSError
            If no server answers, or one that is not ready.
        """
        try:
            version = self.get("/admin/version")
        except urllib.error.HTTPError as error:
            if error.code >= 500:
                raise
            if error.code == 401:
                raise NotPrefectError(
                    f"{self.address} demands a login; export {PASSWORD}, or PREFECT_API_AUTH_STRING"
                ) from error
            raise NotPrefectError(
                f"{self.address} answers {error.code} {error.reason}; expected Prefect's API"
            ) from error
        except ValueError as error:
            raise NotPrefectError(f"{self.address} is not Prefect's API") from error
        if not isinstance(version, str) or version.split(".")[0] != MAJOR_VERSION:
            raise NotPrefectError(
                f"{self.address} is Prefect {version}; expected version {MAJOR_VERSION} of its API"
            )
        self._add_csrf_token()

    def get(self, path: str) -> Any:
        """Return the answer to a GET request."""
        return self._ask(urllib.request.Request(self.address + path, headers=self.headers))

    def post(self, path: str, body: Any) -> Any:
        """Return the answer to a POST request."""
        data = json.dumps(body, default=str).encode()
        return self._ask(urllib.request.Request(self.address + path, data, self.headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            return self._send(request)
        except urllib.error.HTTPError as error:
            # A token of the server is valid for an hour; a run may take longer.
            if error.code != 403 or "Prefect-Csrf-Token" not in self.headers or b"CSRF" not in error.read():
                raise
        self._add_csrf_token()
        return self._send(urllib.request.Request(request.full_url, request.data, self.headers))

    def _send(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _add_csrf_token(self) -> None:
        """Add a token to each request, if the server demands one."""
        client = str(uuid.uuid4())
        try:
            address = f"{self.address}/csrf-token?client={client}"
            token = self._send(urllib.request.Request(address, headers=self.headers))["token"]
        except (urllib.error.HTTPError, ValueError, KeyError, TypeError):
            return  # 422: the server demands none; 404: Prefect Cloud
        self.headers |= {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client}


def _credentials() -> dict[str, str]:
    headers: dict[str, str] = {}
    try:
        custom = json.loads(setting("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}")
    except ValueError:
        custom = {}
    if isinstance(custom, dict):
        headers |= {str(name): str(value) for name, value in custom.items()}
    if basic := setting("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = basic_authorization(basic)
    elif key := setting("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers


def page(address: str) -> str | None:
    """Return the address of the server's pages; None if only its API is known."""
    named = setting("PREFECT_UI_URL")
    return named or (address.removesuffix("/api") if address.endswith("/api") else None)
