"""Code that a stage reaches, and the edits that change its hash."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import HERE, write

from statewright.fingerprint import FingerprintError, fingerprints

# Each file contains one kind of reference.
TREE = {
    "tasks/__init__.py": "",
    "tasks/song/__init__.py": "",
    "tasks/song/sing.py": '''
        """Sing."""
        from __future__ import annotations
        from methods import fusion
        from methods.scale import RATE, Scale, stretch
        from methods.facade import shown
        from . import helpers
        from .notes import A as first_note
        import methods.deep.inner
        import methods.deep.aliased as other

        def sing(songs: Words, *, params: Params) -> Sung:
            """Sing everything."""
            from methods.late import late
            fusion.encode(songs)
            helpers.breathe()
            methods.deep.inner.dive()
            other.call()
            return late(stretch(shown(first_note), RATE), Scale())

        class Words:
            pass

        class Params:
            width: int = 3

        class Sung:
            """Result of singing."""

        def unused():
            return 1
        ''',
    "tasks/song/hum.py": """
        from methods.scale import stretch

        def hum(songs: "Quiet"):
            # softly
            return stretch(songs, 1)

        class Quiet:
            pass
        """,
    "tasks/song/helpers.py": "def breathe():\n    return _lungs()\n\ndef _lungs():\n    return 2\n",
    "tasks/song/notes.py": "A = 440\nB = 494\n",
    "tasks/short.py": """
        from methods.scale import RATE

        def beep():
            return RATE

        def _not_a_stage():
            pass
        """,
    "methods/fusion.py": """
        def encode(x):
            return weigh(x)

        def weigh(x):
            return x

        def decode(x):
            return x
        """,
    "methods/scale.py": '''
        from functools import lru_cache
        RATE = 2
        PAIR, OTHER = 1, 2

        class Scale:
            """A scale."""
            steps: int = PAIR

            def play(self):
                return tune()

        def tune():
            return OTHER

        @lru_cache
        def stretch(x, by):
            return x * by
        ''',
    "methods/facade/__init__.py": "from methods.facade.behind import inner as shown\n",
    "methods/facade/behind.py": "def inner(x):\n    return x\n",
    "methods/late.py": "def late(*x):\n    return x\n",
    "methods/deep/inner.py": "def dive():\n    return 1\n",
    "methods/deep/aliased.py": "def call():\n    return 1\n",
}

SING = {
    "tasks/song/sing:sing",
    "tasks/song/sing:Words",
    "tasks/song/sing:Params",
    "tasks/song/sing:Sung",
    "tasks/song/helpers:breathe",
    "tasks/song/helpers:_lungs",
    "tasks/song/notes:A",
    "methods/fusion:encode",
    "methods/fusion:weigh",
    "methods/scale:RATE",
    "methods/scale:PAIR",
    "methods/scale:OTHER",
    "methods/scale:Scale",
    "methods/scale:tune",
    "methods/scale:stretch",
    "methods/facade/behind:inner",
    "methods/late:late",
    "methods/deep/inner:dive",
    "methods/deep/aliased:call",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path, TREE)
    return tmp_path


def edit(root: Path, name: str, was: str, now: str) -> None:
    text = (root / name).read_text()
    assert was in text
    (root / name).write_text(text.replace(was, now))


def test_a_stage_reaches_names_across_modules(tree: Path) -> None:
    found = fingerprints(tree)
    assert set(found) == {"song-sing", "song-hum", "short-beep"}
    assert set(found["song-sing"]) == SING
    assert set(found["song-hum"]) == {"tasks/song/hum:hum", "tasks/song/hum:Quiet", "methods/scale:stretch"}
    assert set(found["short-beep"]) == {"tasks/short:beep", "methods/scale:RATE"}


def test_a_cell_of_a_matrix_has_one_hash_for_each_module(tree: Path) -> None:
    whole = fingerprints(tree)["song-sing"]
    edit(tree, "tasks/song/sing.py", "*, params: Params)", "*, params: Params, cell: object = None)")
    cells = fingerprints(tree)["song-sing"]

    assert set(cells) == {f"{label.partition(':')[0]}:*" for label in whole}
    edit(tree, "methods/scale.py", "return x * by", "return x * by * 1")
    changed = fingerprints(tree)["song-sing"]
    assert {label for label in cells if cells[label] != changed[label]} == {"methods/scale:*"}


NO_CHANGE = {
    "a comment": ("tasks/song/hum.py", "# softly", "# loudly, and at length"),
    "a docstring": ("tasks/song/sing.py", '"""Sing everything."""', '"""Sing everything twice."""'),
    "a docstring of a class": ("methods/scale.py", '"""A scale."""', '"""Two scales."""'),
    "the docstring of an otherwise empty class": (
        "tasks/song/sing.py",
        "Result of singing.",
        "Output of singing.",
    ),
    "a docstring of the module": ("tasks/song/sing.py", '"""Sing."""', '"""Sing loud."""'),
    "formatting": ("methods/scale.py", "return x * by", "return (\n        x *\n        by\n    )"),
    "quotes and blank lines": ("tasks/song/hum.py", '"Quiet"', "'Quiet'"),
    "a function that is never called": ("tasks/song/sing.py", "return 1", "return 2"),
    "a helper that is never called": ("methods/fusion.py", "def decode(x)", "def decode(x, y)"),
    "another name of an import": ("tasks/song/notes.py", "B = 494", "B = 495"),
}


@pytest.mark.parametrize("what", NO_CHANGE)
def test_an_edit_that_is_not_code_changes_no_hash(tree: Path, what: str) -> None:
    before = fingerprints(tree)
    edit(tree, *NO_CHANGE[what])
    assert fingerprints(tree) == before


BOTH = {"song-sing", "song-hum"}
SINGERS = {"song-sing"}
HUMMERS = {"song-hum"}
CHANGES = {
    "the stage": ("tasks/song/hum.py", "songs, 1", "songs, 2", HUMMERS, ":hum"),
    "a helper of two stages": ("methods/scale.py", "x * by", "x + by", BOTH, ":stretch"),
    "a decorator": ("methods/scale.py", "@lru_cache\n", "", BOTH, ":stretch"),
    "a constant": ("methods/scale.py", "RATE = 2", "RATE = 3", {"song-sing", "short-beep"}, ":RATE"),
    "a field of a class": ("tasks/song/sing.py", "int = 3", "int = 4", SINGERS, ":Params"),
    "a default that is a constant": ("methods/scale.py", "= 1, 2", "= 1, 3", SINGERS, ":PAIR"),
    "what a method calls": ("methods/scale.py", "return OTHER", "return 0", SINGERS, ":tune"),
    "an import in a function": ("methods/late.py", "return x", "return x[0]", SINGERS, ":late"),
    "behind a re-export": ("methods/facade/behind.py", "return x", "return -x", SINGERS, ":inner"),
    "a relative import": ("tasks/song/helpers.py", "return 2", "return 3", SINGERS, ":_lungs"),
    "a relative import by another name": ("tasks/song/notes.py", "440", "442", SINGERS, ":A"),
    "an attribute of a module": ("methods/fusion.py", "return weigh(x)", "return x", SINGERS, ":encode"),
    "a dotted import": ("methods/deep/inner.py", "return 1", "return 2", SINGERS, ":dive"),
    "a dotted import by another name": ("methods/deep/aliased.py", "1", "2", SINGERS, ":call"),
    "an annotation in quotes": ("tasks/song/hum.py", "pass", "x: int", HUMMERS, ":Quiet"),
    "a string that is used": ("tasks/song/hum.py", "stretch(songs, 1)", "'a'", HUMMERS, ":hum"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_affects_its_users_only(tree: Path, what: str) -> None:
    name, was, now, users, label = CHANGES[what]
    before = fingerprints(tree)
    edit(tree, name, was, now)
    after = fingerprints(tree)
    assert {stage for stage in before if before[stage] != after[stage]} == users
    for stage in users:
        label = name.removesuffix(".py") + label if label.startswith(":") else label
        assert before[stage].get(label) != after[stage].get(label)


FILLED = {
    "added to": ("A += [1]", "A += [2]"),
    "filled": ("A[0] = 1", "A[0] = 2"),
    "appended to": ("A.append(1)", "A.append(2)"),
    "filled under a condition": ("if B:\n    A[0] = 1", "if B:\n    A[0] = 2"),
    "bound twice": ("A = [440]\nA = [1, *A]", "A = [441]\nA = [1, *A]"),
    "defined where an import fails": (
        "try:\n    import fast\nexcept ImportError:\n    A = 1",
        "try:\n    import fast\nexcept ImportError:\n    A = 2",
    ),
}


@pytest.mark.parametrize("how", FILLED)
def test_each_statement_that_fills_a_constant_counts(tree: Path, how: str) -> None:
    before_edit, after_edit = FILLED[how]
    (tree / "tasks/song/notes.py").write_text(f"A = [0]\n{before_edit}\n")
    before = fingerprints(tree)
    (tree / "tasks/song/notes.py").write_text(f"A = [0]\n{after_edit}\n")
    after = fingerprints(tree)
    assert {stage for stage in before if before[stage] != after[stage]} == {"song-sing"}


def test_adding_or_removing_a_docstring_changes_no_hash(tree: Path) -> None:
    before = fingerprints(tree)
    edit(tree, "tasks/song/sing.py", '    """Sing everything."""\n', "")
    edit(tree, "methods/late.py", "    return x", "    'At last.'\n    return x")
    edit(tree, "tasks/song/hum.py", "pass", "'An empty class.'")
    assert fingerprints(tree) == before


def test_a_star_import_is_refused(tree: Path) -> None:
    edit(tree, "methods/late.py", "def late", "from methods.scale import *\n\ndef late")
    with pytest.raises(FingerprintError, match=r"methods/late\.py: `import \*` hides"):
        fingerprints(tree)


def test_modules_may_import_each_other(tree: Path) -> None:
    write(tree, {"methods/late.py": "from tasks.song.sing import sing\n\ndef late(*x):\n    return sing\n"})
    assert set(fingerprints(tree)["song-sing"]) == SING


def test_a_cycle_of_re_exports_has_no_definition(tree: Path) -> None:
    write(
        tree,
        {
            "methods/facade/__init__.py": "from methods.facade.behind import shown\n",
            "methods/facade/behind.py": "from methods.facade import shown\n",
        },
    )
    assert "methods/facade/behind:inner" not in fingerprints(tree)["song-sing"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("def late(:\n", r"methods/late\.py cannot be parsed.*line 1"), (b"\xff\xfe", r"methods/late\.py")],
)
def test_a_file_that_cannot_be_parsed_is_named(tree: Path, text: str | bytes, words: str) -> None:
    (tree / "methods/late.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FingerprintError, match=words):
        fingerprints(tree)


def test_nothing_is_imported(tree: Path) -> None:
    edit(tree, "methods/late.py", "def late", "raise SystemExit('imported')\n\ndef late")
    assert "methods/late:late" in fingerprints(tree)["song-sing"]


# Properties.


def reformatted(text: str, seed: int) -> str:
    """Return the same code with other formatting, and with random comments."""
    lines = []
    generator = random.Random(seed)
    inside = False
    for line in ast.unparse(ast.parse(text)).splitlines():
        quotes = line.count('"""')
        if not inside and not quotes and generator.random() < 0.3:
            lines += ["", " " * (len(line) - len(line.lstrip())) + f"# {generator.random()}"]
        lines.append(line)
        inside ^= bool(quotes % 2)
    return "\n".join(lines) + "\n"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_reformatted_code_has_the_same_hashes(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    original, copy = (tmp_path_factory.mktemp("tree") for _ in range(2))
    write(original, TREE)
    write(copy, {name: reformatted(dedent(text), seed) for name, text in TREE.items()})
    assert fingerprints(original) == fingerprints(copy)


@pytest.mark.slow
def test_the_reformatted_code_of_this_repository_has_the_same_hashes(tmp_path: Path) -> None:
    for top in ("tasks", "methods", "releaf", "statewright"):
        for path in (HERE / top).rglob("*.py"):
            target = tmp_path / path.relative_to(HERE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(reformatted(path.read_text(), 0))
    ours = fingerprints(HERE)
    assert ours
    assert fingerprints(tmp_path) == ours
