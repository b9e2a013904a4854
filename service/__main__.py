"""Serve the waste assistant, or register what is to be served: ``python -m service --help``."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with 1 and one sentence if it cannot."""
    from service.bundle import BundleError

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BundleError as error:
        sys.exit(f"{error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__.partition(":")[0] + ".")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    promote = commands.add_parser(
        "promote",
        help="register what `statewright run releaf` made, and make it the champion if it is no worse",
    )
    promote.add_argument(
        "--force", action="store_true", help="champion even if it is worse on held-out things"
    )
    promote.set_defaults(run=_promote)
    serve = commands.add_parser(
        "serve", help="answer over HTTP, with a page, by the champion of the registry"
    )
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: this machine only)"
    )
    serve.add_argument("--port", type=int, default=8000, help="0 for any free one (default: 8000)")
    serve.add_argument(
        "--rate",
        type=_rate,
        default=120.0,
        help="requests a minute of one client; 0 for no bound (default: 120)",
    )
    serve.add_argument(
        "--thumbs",
        type=Path,
        default=ROOT / "data" / "feedback" / "thumbs.db",
        help="where answers and thumbs are kept (default: data/feedback/thumbs.db)",
    )
    serve.add_argument(
        "--threads", type=int, default=1, help="of each model; more is slower under load (default: 1)"
    )
    serve.add_argument(
        "--batch-texts", type=_count, default=32, metavar="N", help="encoded at a time at most (default: 32)"
    )
    serve.add_argument(
        "--batch-photographs",
        type=_count,
        default=8,
        metavar="N",
        help="the same of photographs (default: 8)",
    )
    serve.set_defaults(run=_serve)
    return parser


def _rate(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not found >= 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of 0 or more")
    return found


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number of 1 or more")
    return int(text)


def _promote(options: argparse.Namespace) -> None:
    from service.registry import promote

    print(promote(ROOT, force=options.force).said)


def _serve(options: argparse.Namespace) -> None:
    import uvicorn

    from service.app import create_app
    from service.registry import champion
    from service.telemetry import log, log_to_stderr

    bundle = champion(ROOT)
    log_to_stderr()
    app = create_app(lambda: _open(bundle, options), a_minute=options.rate or math.inf)
    log("starting", page=f"http://{options.host}:{options.port}", bundle=str(bundle))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=20,
        limit_concurrency=512,
        proxy_headers=False,  # whoever connects from here could name any client, and so escape the rate
    )


def _open(bundle: Path, options: argparse.Namespace):  # type: ignore[no-untyped-def]
    import torch

    from service.assistant import load_assistant
    from service.bundle import read_settings
    from service.engine import Bounds, open_desk
    from service.ratings import ThumbLog
    from service.writing import Writer

    torch.set_num_threads(options.threads)
    cache = ROOT / ".statewright" / "models"
    assistant = load_assistant(bundle, threads=options.threads, cache=cache)
    writer = Writer(bundle, read_settings(bundle), cache)
    bounds = Bounds(texts=options.batch_texts, pictures=options.batch_photographs)
    return open_desk(assistant, ThumbLog(options.thumbs), writer, bounds)


if __name__ == "__main__":
    main()
