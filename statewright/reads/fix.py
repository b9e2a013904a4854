"""Declare undeclared reads: a patch that DVC's parser accepts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from statewright.files import replacing
from statewright.reads.patch import add_deps, unified_diff
from statewright.reads.undeclared import UndeclaredRead, declaration_of
from statewright.workflow import WorkflowError

Check = Callable[[Mapping[str, str]], None]
"""Raises `WorkflowError` unless DVC accepts these texts instead of the files."""


@dataclass(frozen=True)
class Fix:
    """New texts of the files, and what must be done by hand.

    Parameters
    ----------
    texts : mapping of str to (str, str)
        File -> text before and after.
    by_hand : tuple of str
        Sentences about reads that cannot be declared in place.
    """

    texts: Mapping[str, tuple[str, str]]
    by_hand: tuple[str, ...] = ()

    @property
    def patch(self) -> str:
        """Unified diff of all files."""
        return "".join(unified_diff(*texts, file) for file, texts in self.texts.items())


def make_fix(
    root: Path, reads: Collection[UndeclaredRead], instances: Mapping[str, int], check: Check
) -> Fix:
    """Return the changes that declare some reads, as far as DVC accepts them.

    Parameters
    ----------
    instances : mapping of str to int
        Declaration, see `declaration_of` -> number of stages that it declares.
    check : callable
        Validates texts of files.
    """
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    by_hand: list[str] = []
    for declaration, deps in _grouped(reads).items():
        file, _, name = declaration.rpartition(":")
        for dep, readers in deps.items():
            if file not in before:
                before[file] = after[file] = _read(root / file)
            if len(readers) < instances.get(declaration, 1):
                by_hand.append(
                    f"{file}: {name} is declared once for {instances[declaration]} stages, but only "
                    f"{', '.join(readers)} reads {dep}; add it by hand"
                )
                continue
            text = add_deps(after[file], name, [dep])
            if text is None:
                by_hand.append(f"{file}: add `- {dep}` to deps of {name} by hand")
                continue
            try:
                check({**after, file: text})
            except WorkflowError as error:
                cause = str(error).splitlines()[0]
                by_hand.append(f"{file}: {name} cannot declare {dep}, because DVC rejects it: {cause}")
                continue
            after[file] = text
    return Fix(
        {file: (before[file], after[file]) for file in before if before[file] != after[file]}, tuple(by_hand)
    )


def apply_fix(root: Path, fix: Fix) -> None:
    """Write the changed files."""
    for file, (_, text) in fix.texts.items():
        path = root / file
        mode = path.stat().st_mode
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
        path.chmod(mode)


def _grouped(reads: Collection[UndeclaredRead]) -> dict[str, dict[str, list[str]]]:
    """Return declaration -> dependency -> the stages that read it."""
    groups: dict[str, dict[str, list[str]]] = {}
    for read in reads:
        if not read.stage.endswith(".dvc"):
            groups.setdefault(declaration_of(read.stage), {}).setdefault(read.dep, []).append(read.stage)
    return groups


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as stream:
        return stream.read()
