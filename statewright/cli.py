"""Command line `statewright COMMAND`, a thin layer over the engine."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from statewright.arguments.parser import build_parser
from statewright.environment import quiet
from statewright.masking import mask_command
from statewright.workflow import WorkflowError

UNUSABLE, INTERRUPTED, PIPE_CLOSED = 2, 130, 128 + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the command and exit with its status."""
    quiet()
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    # A script's `setsid statewright run &` ignores SIGINT, so that Ctrl-C ends the script only. But as
    # the leader of a group, this process receives only a signal that is meant for it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and os.getpgrp() == os.getpid():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if options.directory:
            _enter(options.directory)
        status = command(options)
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        # `statewright plan | head`: the reader has seen enough. Python would report it again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except _user_errors() as error:
        print(f"statewright: {mask_command(str(error))}", file=sys.stderr)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        print(f"statewright: interrupted{_resumption(options)}", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _resumption(options: argparse.Namespace) -> str:
    """Return the command that resumes an interrupted one, after a semicolon.

    A command that changes nothing has none.
    """
    name = options.command.__name__
    if name not in ("run", "loop"):
        return ""
    # A loop continues with its feedback stage; a run finds by itself which stages are left.
    words = [name, *([options.target] if name == "loop" and options.target else [])]
    return f"; `statewright {' '.join(words)}` resumes"


def run_and_exit() -> None:
    """Run the command line, and end the process without the interpreter's teardown.

    The teardown of the imported libraries takes longer than many stages.
    """
    from statewright.running.supervisor import exit_now

    try:
        main()
    except SystemExit as end:
        exit_now(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)


def _user_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions to report as one message, without a traceback.

    A module that is not imported cannot have raised its error. It is not imported here, because
    that takes time.
    """
    kinds = {"contracts": "ContractError", "files": "FileError", "fingerprint": "FingerprintError"}
    loaded = {name: sys.modules.get(f"statewright.{name}") for name in kinds}
    return (WorkflowError, *(getattr(module, kinds[name]) for name, module in loaded.items() if module))


def _enter(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise WorkflowError(f"-C {directory}: {error.strerror}; expected an existing folder") from error
