"""Links from a flow run in Prefect to its record in MLflow, and to its reports.

The server of `statewright ui` knows both pages. It answers links that name the flow run only, because
MLflow gets the run after its end: `run_pages.py`. On another server, the links say what to type. Links end
with the server, so the command that starts it stands above them.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from statewright.masking import mask_text
from statewright.record.store import tracking_uri

BASE = "/statewright"
"""Path of the pages of `statewright ui` on its Prefect server."""
TIMEOUT_S = 2.0


def repository_digest(root: Path) -> str:
    """Return a name of a repository on this machine that does not tell its path."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]


def ask_ui(page: str) -> dict[str, str] | None:
    """Return what `statewright ui` at the address of Prefect's pages says of itself.

    The keys are `name`, the folder of its repository, and `repository`, see `repository_digest`.
    """
    try:
        with urllib.request.urlopen(f"{page}{BASE}/ui", timeout=TIMEOUT_S) as answer:
            values = json.loads(answer.read())
        return {key: str(values[key]) for key in ("name", "repository")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def links_of(page: str | None, root: Path) -> Callable[[str, Mapping[str, str]], str]:
    """Return a function that writes the links of a flow run.

    Parameters
    ----------
    page : str or None
        Address of Prefect's pages.
    """
    ui = ask_ui(page) if page else None
    known = ui is not None and ui["repository"] == repository_digest(root)
    base = f"{page}{BASE}/runs" if known else None
    return lambda flow_run, reports: _links(f"{base}/{flow_run}" if base else None, root, reports)


def _links(run: str | None, root: Path, reports: Mapping[str, str]) -> str:
    """Return the links of a run as a Markdown list, or else what to type."""
    lines = []
    if run:
        # Prefect keeps this text, and another server may show it when the pages are gone.
        lines.append(f"The links work while this command runs: `{_ui_command(run, root)}`\n")
        lines.append(f"- [MLflow: params, metrics and files of this run]({run})")
        for file, stage in reports.items():
            link = urlencode({"stage": stage, "file": Path(file).name}, quote_via=quote)
            lines.append(f"- [Report: {Path(file).name}]({run}?{link}), `{root / file}`")
        return "\n".join(lines)
    uri = mask_text(tracking_uri(root))
    lines.append(f"- MLflow: {uri}" if uri.startswith("http") else "- MLflow: `statewright ui --open`")
    lines += [f"- Report: `{root / file}`" for file in reports]
    return "\n".join(lines)


def _ui_command(link: str, root: Path) -> str:
    """Return the command that starts the server of a link."""
    port = urlsplit(link).port
    return shlex.join(["statewright", "-C", str(root), "ui", "--prefect-port", str(port)])
