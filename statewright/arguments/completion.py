"""The command that prints the completion script of a shell."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from statewright.arguments.shared import Subcommands
from statewright.commands import completion

SHELLS = ("bash", "zsh", "fish")


def add_completion(subcommands: Subcommands, parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the command `completion`.

    Parameters
    ----------
    parser : callable
        Return the whole parser, which the script describes.
    """
    added = subcommands.add_parser(
        "completion",
        help="print a script that completes commands, options and stages in your shell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="bash:  statewright completion bash > ~/.local/share/bash-completion/completions/statewright\n"
        'zsh:   statewright completion zsh > "${fpath[1]}/_statewright"\n'
        "fish:  statewright completion fish > ~/.config/fish/completions/statewright.fish\n"
        "Then start a new shell. For this one only: source <(statewright completion bash)",
    )
    added.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    added.set_defaults(command=completion.completion, parser=parser)
