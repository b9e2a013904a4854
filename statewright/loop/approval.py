"""Ask a person to approve a patch, in the terminal or on Prefect's page."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.prompt import Confirm

from statewright.running.servers import use_running_server
from statewright.terminal.words import terminal
from statewright.workflow import WorkflowError

Ask = Callable[[str], bool]
"""Shows a question to a person and returns whether the answer is yes."""


def select_prompt() -> Ask:
    """Select the terminal, or else the page of the Prefect server in use.

    Raises
    ------
    WorkflowError
        If there is neither a terminal nor a server.
    """
    if sys.stdin.isatty():
        return ask_in_terminal
    if not use_running_server():
        raise WorkflowError("--ask needs a terminal or a Prefect server: `statewright ui` starts a server")
    return ask_in_prefect


def ask_in_terminal(question: str) -> bool:
    """Ask y/n."""
    return Confirm.ask(question, console=terminal())


def ask_in_prefect(question: str, *, poll_s: int = 2, wait_s: int = 86_400) -> bool:
    """Start a flow run that pauses until a person resumes it with an answer.

    Without an answer in `wait_s` seconds (a day) the answer is no.
    """
    from prefect import flow
    from prefect.exceptions import FlowPauseTimeout
    from prefect.flow_runs import pause_flow_run
    from prefect.input import RunInput

    class Answer(RunInput):
        go_on: bool

    def loop_question() -> bool:
        form = Answer.with_initial_data(description=question, go_on=True)
        return bool(pause_flow_run(wait_for_input=form, timeout=wait_s, poll_interval=poll_s).go_on)

    try:
        return flow(name="loop-question")(loop_question)()
    except FlowPauseTimeout:
        return False
