"""Record the first commands of README.md as an animated drawing of a terminal.

    python .ci/record_session.py docs/pictures/session.svg

The commands of the first console block of README.md are typed into a real terminal, in the repository
that docs/tutorial.md builds. Their output is shown as it arrived; long pauses are shortened. The drawing
has no script: lines appear by CSS, and all of them at once for a reader who prefers reduced motion.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[1]
ROWS, COLUMNS = 44, 100
READY = "\x1b]0;ready\x07"
"""Sequence that the prompt prints, so that the end of a command is seen."""
KEY_S, PAUSE_S, MOST_S = 0.045, 1.6, 1.2
"""Seconds for a key, after the output of a command, and of a pause at most."""
LIMIT_S = 180
CELL, LINE, MARGIN, BAR = 8.4, 20.0, 16.0, 34.0
"""Width of a character, height of a line, margin and title bar, in pixels."""
COLOURS = {
    "red": ("#b3261e", "#ff8a80"), "green": ("#1a6e3c", "#6fdc9b"), "brown": ("#7a5a00", "#f0cd6b"),
    "yellow": ("#7a5a00", "#f0cd6b"), "blue": ("#1557b0", "#8ab8ff"), "magenta": ("#8a2f8a", "#f0a0f0"),
    "cyan": ("#006a75", "#6adbe6"), "dim": ("#57606a", "#9aa4af"),
}  # fmt: skip
"""Colour of a terminal -> those of light and dark mode."""
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Run:
    """Part of a line with one style; `style` is a list of CSS classes."""

    column: int
    text: str
    style: str


@dataclass(frozen=True)
class Shown:
    """A line from `start` to `end`, in seconds; the last ones have no end."""

    row: int
    runs: tuple[Run, ...]
    start: float
    end: float | None


def main() -> None:
    """Record the session and write it to the path of the first argument."""
    target = Path(sys.argv[1])
    commands = readme_commands()
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "weather"
        environment = clean_environment(Path(folder))
        build(repository, environment)
        events = list(session(repository, environment, commands))
    shown = lines(events)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(drawing(shown, commands), encoding="utf-8")
    length = max(line.start for line in shown)
    print(f"{target}: {len(commands)} commands in {length:.0f} s, {target.stat().st_size / 1e3:.0f} kB")


def readme_commands() -> list[str]:
    """Return the commands of the first console block of README.md."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block, "README.md has no console block"
    return re.findall(r"^\$ (.+)$", block[1], re.MULTILINE)


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of the session: no server of the user, no colours lost."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_", "STATEWRIGHT_"))}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
        "TERM": "xterm-256color",
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "true",
        "DVC_NO_ANALYTICS": "1",
        "PS1": rf"\[{READY}\]$ ".replace("\x1b", r"\e").replace("\x07", r"\a"),
    }


def build(repository: Path, environment: dict[str, str]) -> None:
    """Build the repository of the tutorial and run it once."""
    (repository / "data").mkdir(parents=True)
    for name, text in FILE.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        (repository / name).write_text(text, encoding="utf-8")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        [sys.executable, "make_readings.py"],
        ["git", "add", "."],
        ["git", *identity, "commit", "-qm", "A weather pipeline"],
        ["statewright", "run"],
        ["git", "add", "."],
        ["git", *identity, "commit", "-qm", "The first run"],
    ):
        subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True)


def session(
    repository: Path, environment: dict[str, str], commands: list[str]
) -> Iterator[tuple[float, str]]:
    """Type the commands into a shell and yield what it prints, with seconds.

    Raises
    ------
    TimeoutError
        A command did not end.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(repository)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    clock = 0.0
    try:
        for command in [None, *commands]:
            for key in f"{command}\n" if command else "":
                os.write(terminal, key.encode())
                clock += KEY_S
                if key != "\n":
                    yield clock, until(terminal, partial(contains, key))[0][1]
            before = clock
            for passed, text in until(terminal, partial(contains, READY)):
                clock = max(clock, before + passed)
                yield clock, text
            clock = min(clock, before + 12) + PAUSE_S if command else 0.6
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def contains(part: str, text: str) -> bool:
    """Return whether a text contains a part."""
    return part in text


def until(terminal: int, done: Callable[[str], bool]) -> list[tuple[float, str]]:
    """Read until `done` is true of the text; pauses are shortened to `MOST_S`."""
    parts: list[tuple[float, str]] = []
    text, passed = "", 0.0
    limit = last = time.monotonic()
    limit += LIMIT_S
    while not done(text):
        ready, _, _ = select.select([terminal], [], [], max(limit - time.monotonic(), 0))
        if not ready:
            raise TimeoutError(f"a command of the session did not end; its output:\n{text}")
        part = os.read(terminal, 65536).decode(errors="replace")
        now = time.monotonic()
        passed, last = passed + min(now - last, MOST_S), now
        text += part
        parts.append((passed, part))
    return parts


def lines(events: list[tuple[float, str]]) -> list[Shown]:
    """Return each line of the screen with the seconds in which it is shown."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    open_lines: dict[int, tuple[tuple[Run, ...], float]] = {}
    shown: list[Shown] = []
    for moment, text in events:
        screen.dirty.clear()
        stream.feed(text)
        for row in sorted(screen.dirty):
            runs = styled(screen, row)
            before = open_lines.get(row, ((), 0.0))
            if runs == before[0]:
                continue
            if before[0]:
                shown.append(Shown(row, before[0], before[1], moment))
            open_lines[row] = (runs, moment)
    shown += [Shown(row, runs, start, None) for row, (runs, start) in open_lines.items() if runs]
    return [line for line in shown if line.end is None or line.end - line.start > 0.02]


def styled(screen: pyte.Screen, row: int) -> tuple[Run, ...]:
    """Return the parts of a line that have one style each."""
    runs: list[Run] = []
    for column in range(COLUMNS):
        cell = screen.buffer[row][column]
        name = cell.fg.removeprefix("bright")
        style = " ".join([*([name] if name in COLOURS else []), *(["bold"] if cell.bold else [])])
        if runs and runs[-1].style == style:
            runs[-1] = Run(runs[-1].column, runs[-1].text + cell.data, style)
        else:
            runs.append(Run(column, cell.data, style))
    return tuple(Run(r.column, r.text.rstrip(), r.style) for r in runs if r.text.strip())


def drawing(shown: list[Shown], commands: list[str]) -> str:
    """Return the drawing of the session."""
    width = COLUMNS * CELL + 2 * MARGIN
    height = (max(line.row for line in shown) + 1) * LINE + MARGIN + BAR
    label = f"A terminal in which these commands run: {'; '.join(commands)}"
    body = "\n".join(_line(line) for line in sorted(shown, key=lambda line: (line.start, line.row)))
    light, dark = ("".join(f"--{name}:{colours[k]};" for name, colours in COLOURS.items()) for k in (0, 1))
    classes = "".join(f".{name}{{fill:var(--{name})}}" for name in COLOURS)
    last = "\n".join(
        "".join(run.text for run in line.runs)
        for line in sorted(shown, key=lambda line: line.row)
        if line.end is None
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" \
height="{height:g}" role="img" aria-labelledby="title output">
<title id="title">{escape(label)}</title>
<desc id="output">{escape(last)}</desc>
<style>
:root{{--ink:#1f2328;--paper:#f6f8fa;--rule:#d0d7de;{light}}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e6edf3;--paper:#12171d;--rule:#30363d;{dark}}}}}
text{{font:14px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}}
text{{fill:var(--ink)}}
.window{{fill:var(--paper);stroke:var(--rule)}}.buttons{{fill:var(--rule)}}
.bold{{font-weight:700}}{classes}
.l{{visibility:hidden;animation:show 1ms forwards}}
.g{{animation-fill-mode:none}}
@keyframes show{{from,to{{visibility:visible}}}}
@media (prefers-reduced-motion:reduce){{.l{{animation:none!important}}.l:not(.g){{visibility:visible}}}}
</style>
<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8" class="window"/>
<g class="buttons"><circle cx="20" cy="17" r="5"/><circle cx="38" cy="17" r="5"/>
<circle cx="56" cy="17" r="5"/></g>
<text x="{width / 2:g}" y="22" text-anchor="middle" class="dim">weather</text>
{body}
</svg>
"""


def _line(line: Shown) -> str:
    y = BAR + (line.row + 1) * LINE - 4
    spans = "".join(
        f'<tspan x="{MARGIN + run.column * CELL:g}" textLength="{len(run.text) * CELL:g}"'
        f"{f' class={chr(34)}{run.style}{chr(34)}' if run.style else ''}>{escape(run.text)}</tspan>"
        for run in line.runs
    )
    # A line that stays is visible from its start on, another one while its animation runs.
    length = "" if line.end is None else f";animation-duration:{line.end - line.start:.2f}s"
    kind = "l" if line.end is None else "l g"
    return f'<text class="{kind}" y="{y:g}" style="animation-delay:{line.start:.2f}s{length}">{spans}</text>'


if __name__ == "__main__":
    main()
