"""Serve the waste assistant, or register the version that is served."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.ratings import KEEP_DAYS

if TYPE_CHECKING:
    from service.engine import InferenceEngine

ROOT = Path(__file__).resolve().parent.parent
WARM_UP_S = 20.0
"""Seconds that the service waits for its language model before it is ready."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exit with 1 and a message if it fails."""
    from service.bundle import BundleError

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BundleError as error:
        sys.exit(f"{error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    promote = commands.add_parser(
        "promote",
        help="register the outputs of `statewright run releaf`; make them champion if they are no worse",
    )
    promote.add_argument(
        "--force", action="store_true", help="make them champion even if accuracy on held-out items is lower"
    )
    promote.set_defaults(run=_promote)
    serve = commands.add_parser(
        "serve",
        help="serve the API and the web page with the champion of the model registry",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all, which needs --behind-proxy",
    )
    serve.add_argument(
        "--behind-proxy",
        type=_network,
        action="append",
        default=[],
        metavar="NETWORK",
        help="address or network of the reverse proxy, such as 10.0.0.0/8: its X-Forwarded-For names the "
        "client; may be repeated",
    )
    serve.add_argument("--port", type=int, default=8000, help="port to listen on; 0 for any free port")
    serve.add_argument(
        "--rate",
        type=_rate,
        default=120.0,
        metavar="N",
        help="maximum requests per minute of one client; 0 for no limit",
    )
    serve.add_argument(
        "--ratings",
        type=Path,
        default=ROOT / "data" / "feedback" / "ratings.db",
        metavar="FILE",
        help="SQLite database for answers and ratings",
    )
    serve.add_argument(
        "--keep-days",
        type=_positive_integer,
        default=KEEP_DAYS,
        metavar="N",
        help="days after which an answer and its rating are deleted",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="further name under which clients reach the service; may be repeated",
    )
    serve.add_argument(
        "--threads",
        type=_positive_integer,
        default=1,
        metavar="N",
        help="threads of each model; more than one is slower under load",
    )
    serve.add_argument(
        "--batch-texts",
        type=_positive_integer,
        default=32,
        metavar="N",
        help="maximum batch size of the text encoder",
    )
    serve.add_argument(
        "--batch-photographs",
        type=_positive_integer,
        default=8,
        metavar="N",
        help="maximum batch size of the photograph encoder",
    )
    serve.set_defaults(run=_serve)
    return parser


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not rate >= 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of 0 or more")
    return rate


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}; expected an address or a network such as 10.0.0.0/8"
        ) from error


def _positive_integer(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number of 1 or more")
    return int(text)


def _promote(options: argparse.Namespace) -> None:
    from service.registry import promote

    print(promote(ROOT, force=options.force).message)


def _serve(options: argparse.Namespace) -> None:
    import uvicorn

    from service.app import create_app
    from service.hosts import is_loopback
    from service.registry import fetch_champion
    from service.telemetry import log_event, log_to_stderr

    if not is_loopback(options.host) and not options.behind_proxy:
        sys.exit(
            f"--host {options.host} lets other machines use the service, which has no login; put a reverse "
            "proxy in front of it and name its address: --behind-proxy NETWORK (docs/deploy.md has one)"
        )
    bundle = fetch_champion(ROOT)
    log_to_stderr()
    app = create_app(
        lambda: _load_engine(bundle, options),
        requests_per_minute=options.rate or math.inf,
        hosts=[options.host, *options.allow_host],
    )
    log_event("starting", page=f"http://{options.host}:{options.port}", bundle=str(bundle))
    uvicorn.run(app, host=options.host, port=options.port, **connection_settings(options.behind_proxy))


def connection_settings(proxies: list[str]) -> dict[str, Any]:
    """Return the settings of the web server.

    Parameters
    ----------
    proxies : list of str
        Networks of reverse proxies. Their header `X-Forwarded-For` names the client. From others it is
        ignored: a client could send one with another address and so escape the rate limit.
    """
    from service.connections import MAX_CONCURRENCY, TimedConnection

    return {
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": 20,
        "limit_concurrency": MAX_CONCURRENCY,
        "http": TimedConnection,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": proxies,
    }


def _load_engine(bundle: Path, options: argparse.Namespace) -> InferenceEngine:
    import torch

    from service.assistant import load_assistant
    from service.bundle import read_settings
    from service.engine import EngineLimits, start_engine
    from service.ratings import RatingLog
    from service.writing import Writer

    torch.set_num_threads(options.threads)
    cache = ROOT / ".statewright" / "models"
    writer = Writer(bundle, read_settings(bundle), cache)
    warming = writer.warm_up()
    assistant = load_assistant(bundle, threads=options.threads, cache=cache)
    # The first sentence is then as fast as the next one. The first conversion of a packaged model takes
    # minutes, and the other answers do not wait for it.
    warming.join(WARM_UP_S)
    limits = EngineLimits(max_text_batch=options.batch_texts, max_photograph_batch=options.batch_photographs)
    ratings = RatingLog(options.ratings, keep_days=options.keep_days)
    return start_engine(assistant, ratings, writer, limits)


if __name__ == "__main__":
    main()
