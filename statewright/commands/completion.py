"""The command that prints the completion script of a shell."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from statewright.commands import OK

# The names of stages and of pipelines, from the files of this folder, without the start of Python.
# A line of `stages:` with the indentation of the first is a name; `dvc.lock` has the cells of a matrix.
_AWK = (
    "awk 'FNR == 1 { on = 0 } /^stages:/ { on = 1; first = -1; next } /^[^ #]/ { on = 0 } "
    "on && /^ +[A-Za-z0-9_][^: ]*:/ { match($0, /[^ ]/); at = RSTART; if (first < 0) first = at; "
    'if (at == first) { name = substr($0, at); sub(/:.*/, "", name); print name; '
    'h = index(name, "-"); if (h > 1) print substr(name, 1, h - 1) } }\' '
    "dvc.yaml dvc.lock 2>/dev/null | sort -u"
)
_GIT = "{ git for-each-ref --format='%(refname:short)' 2>/dev/null; echo HEAD; }"

_IDS = "statewright history --ids 2>/dev/null"
"""Command that prints id and cause of each run, divided by a tab."""

STAGES = {
    "bash": "_statewright_stages",
    "zsh": "_statewright_stages",
    "fish": "(_statewright_stages)",
    "preamble": {
        # A name such as clean@a is one word; by default, bash divides words at the sign.
        "bash": f"""
COMP_WORDBREAKS=${{COMP_WORDBREAKS//@/}}
_statewright_stages() {{
  compgen -W "$({_AWK})" -- "$1"
  compgen -f -- "$1"
}}
""",
        "zsh": f"""
_statewright_stages() {{
  local -a names=(${{(f)"$({_AWK})"}})
  compadd -a names
  _files
}}
""",
        "fish": f"""
function _statewright_stages
  {_AWK}
  __fish_complete_path (commandline -ct)
end
""",
    },
}
"""Completion of a target: the stages and pipelines of the folder, and files."""

RUNS = {
    "bash": "_statewright_runs",
    "zsh": "_statewright_runs",
    "fish": "(_statewright_runs)",
    "preamble": {
        "bash": f"""
_statewright_runs() {{
  compgen -W "last last~1 $({_GIT}) $({_IDS} | cut -f1)" -- "$1"
}}
""",
        "zsh": f"""
_statewright_runs() {{
  local -a names=(last 'last~1' ${{(f)"$({_GIT})"}})
  local -a runs=(${{(f)"$({_IDS} | tr '\\t' ':')"}})
  compadd -a names
  _describe -t runs 'recorded run' runs
}}
""",
        "fish": f"""
function _statewright_runs
  printf '%s\\n' last 'last~1' HEAD
  git for-each-ref --format='%(refname:short)' 2>/dev/null
  {_IDS}
end
""",
    },
}
"""Completion of a run or revision: ids of runs, the last runs, branches and tags."""


def completion(options: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    import shtab

    parser = options.parser()
    _describe(parser, {Path: shtab.FILE})
    print(shtab.complete(parser, options.shell))
    return OK


def _describe(parser: argparse.ArgumentParser, by_type: dict[Callable[[str], object], object]) -> None:
    """Say which values the arguments take, of a parser and of those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words = {choice.dest: choice.help for choice in action._choices_actions}
            for name, below in action.choices.items():
                below.description = words[name]  # one line, as in the list of commands
                _describe(below, by_type)
            continue
        if action.dest in ("targets", "target", "explain", "subject"):
            action.complete = STAGES  # type: ignore[attr-defined]
            action.help = "stage, pipeline or file"
        elif action.dest in ("run", "old", "new", "against"):
            action.complete = RUNS  # type: ignore[attr-defined]
            action.help = "run or revision"
        elif action.dest == "directory":
            action.complete = "directory"  # type: ignore[attr-defined]
        elif action.type in by_type:
            action.complete = by_type[action.type]  # type: ignore[attr-defined]
