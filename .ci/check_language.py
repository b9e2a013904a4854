"""Check words and docstrings against the table in CONTRIBUTING.md.

``python .ci/check_language.py [PATH ...]`` prints one line for each fault and exits with 1 if
there is one. Without a path it reads every tracked text file.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENDINGS = {".py", ".md", ".html", ".j2", ".js", ".css", ".txt", ".yaml", ".yml", ".toml"}
NAMES = {"Makefile"}
# The list itself, other people's words, and values that a run recorded.
EXEMPT = {"CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "dvc.lock"}
EXEMPT_FOLDERS = ("data/source/", "benchmarks/figures/")
LONGEST = 79
# At the end of a line whose words a model was measured with.
MEASURED = "# wording: measured"
NOT_IMPERATIVE = re.compile(
    r"(the|a|an|this|that|these|each|every|all|what|whether|how|who|which|where|when|why|of|if|for|"
    r"one|two|both|no|not|it|its|is|are|from|in|by|with|as)\b",
    re.IGNORECASE,
)
QUESTION = re.compile(r"(what|whether|how|who|whose|which|that|where|when|why)\b", re.IGNORECASE)


def main(paths: list[str]) -> int:
    """Print every fault and return the exit code."""
    words = read_words((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    faults = [fault for path in paths or tracked() for fault in check_file(Path(path), words)]
    print("\n".join(faults))
    print(f"language: {len(faults)} fault{'' if len(faults) == 1 else 's'}")
    return 1 if faults else 0


def tracked() -> list[str]:
    """Return the tracked text files that the rules are for."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        path
        for path in listed.stdout.splitlines()
        if (Path(path).suffix in ENDINGS or path in NAMES)
        and path not in EXEMPT
        and not path.startswith(EXEMPT_FOLDERS)
    ]


def read_words(page: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns of the table with what to write instead."""
    rows = re.findall(r"^\| `(.+)` \| (.+) \|$", page, re.MULTILINE)
    return [
        (re.compile(rf"\b({pattern.replace(chr(92) + '|', '|')})\b", re.IGNORECASE), advice)
        for pattern, advice in rows
    ]


def check_file(path: Path, words: list[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    """Yield a sentence for every fault of one file."""
    if not (ROOT / path).is_file():
        return
    text = (ROOT / path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if line.endswith(MEASURED):
            continue
        for pattern, advice in words:
            for match in pattern.finditer(line):
                yield f"{path}:{number}: '{match[0]}': write: {advice}"
    if path.suffix == ".py":
        yield from check_docstrings(path, text)


def check_docstrings(path: Path, text: str) -> Iterator[str]:
    """Yield a sentence for every docstring whose first line breaks a rule."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node)
        if not docstring:
            continue
        summary, _, rest = docstring.partition("\n")
        where = f"{path}:{getattr(node, 'lineno', 1)}"
        if len(summary) > LONGEST:
            yield f"{where}: the first line of the docstring has {len(summary)} characters"
        if not summary.endswith(".") or (rest and not rest.startswith("\n")):
            yield f"{where}: the first line of the docstring is not one sentence with a full stop"
        if QUESTION.match(summary):
            yield f"{where}: the docstring starts with a question word: '{summary}'"
        elif is_function(node) and NOT_IMPERATIVE.match(summary):
            yield f"{where}: the docstring does not start with an imperative verb: '{summary}'"


def is_function(node: ast.AST) -> bool:
    """Return whether a docstring describes an action (not a property or a fixture)."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    return not re.search(r"property|fixture", decorators)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
