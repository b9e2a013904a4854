"""Stages run twice in scratch copies: differences, and an unchanged repository."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from toys import HERE, commit, dvc, make_repository, statewright, write

from statewright.running.process import StageFailedError
from statewright.verify.compare import compare_files, compare_paths
from statewright.verify.reproduction import Verification, verify_stages
from statewright.verify.scratch import content_hashes, copy_checkout, dvc_hash
from statewright.workflow import WorkflowError

STAGES = """
stages:
  steady:
    cmd: python make.py ${strength} < raw.csv > steady.csv
    deps: [make.py, raw.csv]
    outs: [steady.csv]
  folder:
    cmd: mkdir -p out/deep && cp steady.csv out/a.csv && echo b > out/deep/b.txt && echo c > out/c.tmp
    deps: [steady.csv]
    outs: [out]
  clock:
    cmd: date +%s.%N > clock.txt && cp steady.csv same.csv
    deps: [steady.csv]
    outs: [clock.txt, same.csv]
  noise:
    cmd: python noise.py
    deps: [noise.py]
    outs: [noise.parquet]
    metrics: [noise.json: {cache: false}]
  asks:
    cmd: git rev-parse HEAD > commit.txt && python params.py > params.txt && test ! -e commit.tx
    outs: [commit.txt, params.txt]
    params: [strength]
  nested:
    wdir: sub
    cmd: cat ../raw.csv here.txt > made.txt
    deps: [../raw.csv, here.txt]
    outs: [made.txt]
"""
MAKE = """
    import sys
    for line in sys.stdin:
        print(line.strip(), sys.argv[1], sep=",")
"""
NOISE = """
    import json, os
    import pandas as pd
    noise = int.from_bytes(os.urandom(4), "big") / 2**32
    table = pd.DataFrame({"fixed": [1.0, 2.0], "noisy": [5.0, 10.0 + noise], "word": ["a", "b"]})
    table.to_parquet("noise.parquet")
    json.dump({"fixed": 1, "inner": {"noisy": noise}}, open("noise.json", "w"))
"""
PARAMS = """
    import dvc.api
    print(dvc.api.params_show())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that is up to date after `dvc repro`."""
    root = make_repository(
        tmp_path_factory.mktemp("verify") / "songs",
        {
            "dvc.yaml": STAGES.replace("python ", f"{sys.executable} "),
            "params.yaml": "strength: 3",
            "raw.csv": "a,1\nb,2\n",
            "make.py": MAKE,
            "noise.py": NOISE,
            "params.py": PARAMS,
            "sub/here.txt": "here\n",
            ".dvcignore": "*.tmp\n",
            ".gitignore": "secret.txt\n",
        },
    )
    commit(root)
    assert dvc(root, "repro", "--quiet") == 0
    return root


def files_of(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and time of every file, without logs and DVC's temporary files."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and not {".statewright", "tmp"} & set(path.relative_to(root).parts)
    }


def verified(root: Path, *names: str) -> dict[str, Verification]:
    results: dict[str, Verification] = {}
    messages: list[str] = []
    verify_stages(root, names, messages.append, lambda result: results.update({result.stage: result}))
    os.chdir(HERE)
    return results


def test_a_deterministic_stage_is_identical_and_as_recorded(root: Path) -> None:
    before = files_of(root)
    results = verified(root, "steady", "folder")
    assert {path: output.recorded for path, output in outputs(results).items()} == recorded(
        root, "steady", "folder"
    )
    for output in outputs(results).values():
        assert output.hashes == (output.recorded, output.recorded) and output.as_recorded
    assert all(result.identical and not result.stale for result in results.values())
    assert files_of(root) == before


def outputs(results: dict[str, Verification]) -> dict[str, Any]:
    return {output.path: output for result in results.values() for output in result.outputs}


def recorded(root: Path, *names: str) -> dict[str, str]:
    entries = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for name in names for out in entries[name]["outs"]}


def test_a_stage_that_writes_the_time_is_not_repeatable(root: Path) -> None:
    before = files_of(root)
    result = verified(root, "clock")["clock"]
    assert not result.identical
    clock, same = result.outputs
    assert clock.path == "clock.txt" and not clock.repeatable and len(set(clock.hashes)) == 2
    assert same.as_recorded and not same.differences
    assert files_of(root) == before


@pytest.mark.slow
def test_the_largest_difference_of_a_column_and_a_key_is_reported(root: Path) -> None:
    result = verified(root, "noise")["noise"]
    table, metrics = result.outputs
    (column,) = table.differences
    assert column.where == "column noisy" and (column.count, column.of) == (1, 2)
    assert column.absolute is not None and 0 < column.absolute < 1
    assert column.relative is not None and column.absolute / 11 <= column.relative <= column.absolute / 10
    (key,) = metrics.differences
    assert key.where == "key inner.noisy" and key.absolute == pytest.approx(column.absolute)


def test_a_stage_with_a_working_directory_runs_there(root: Path) -> None:
    (output,) = verified(root, "nested")["nested"].outputs
    assert output.path == "sub/made.txt" and output.as_recorded
    assert output.recorded == recorded(root, "nested")["made.txt"]


@pytest.mark.slow
def test_a_stage_can_use_git_and_dvc_in_the_copy(root: Path) -> None:
    result = verified(root, "asks")["asks"]
    assert result.identical, result


def test_recorded_hashes_are_not_compared_if_inputs_changed(root: Path) -> None:
    write(root, {"raw.csv": "a,1\nb,2\nc,3\n"})
    try:
        result = verified(root, "steady")["steady"]
    finally:
        write(root, {"raw.csv": "a,1\nb,2\n"})
    assert result.stale == ("raw.csv changed",) and result.identical
    assert result.outputs[0].hashes[0] != recorded(root, "steady")["steady.csv"]


@pytest.mark.slow
def test_an_output_that_differs_from_the_record_is_reported(root: Path) -> None:
    lock = (root / "dvc.lock").read_text()
    true = recorded(root, "steady")["steady.csv"]
    entries = yaml.safe_load(lock)
    entries["stages"]["steady"]["outs"][0]["md5"] = "0" * 32
    (root / "dvc.lock").write_text(yaml.safe_dump(entries))
    try:
        done = statewright(root, "verify", "steady")
    finally:
        (root / "dvc.lock").write_text(lock)
    assert done.returncode == 1
    assert "repeatable here, but not what dvc.lock records" in done.stdout
    assert f"{true[:4]} recorded 0000" in done.stdout


@pytest.mark.slow
def test_the_command_prints_the_result_and_exits_with_it(root: Path) -> None:
    done = statewright(root, "verify", "steady", "clock", "--json")
    assert done.returncode == 1
    assert "steady: run 1 of 2" in done.stderr and "clock: run 2 of 2" in done.stderr
    found = {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert found["steady"]["identical"] and not found["clock"]["identical"]
    assert found["clock"]["outputs"][0]["recorded"] == recorded(root, "clock")["clock.txt"]
    text = statewright(root, "verify", "folder")
    assert text.returncode == 0 and "identical in two runs" in text.stdout
    assert f"out  {recorded(root, 'folder')['out'][:4]} as recorded" in text.stdout


def broken(tmp_path: Path, stage: str, **files: str) -> Path:
    return make_repository(
        tmp_path / "songs",
        {"dvc.yaml": f"stages:\n  odd:\n    {stage}\n", ".gitignore": "secret.txt\n", **files},
    )


def test_the_error_of_a_failed_stage_names_cause_and_log(tmp_path: Path) -> None:
    root = broken(tmp_path, "{cmd: echo no such song; exit 3, outs: [x.txt]}")
    done = statewright(root, "verify", "odd")
    assert done.returncode == 1
    assert "stage 'odd' ended with status 3: no such song; log: " in done.stderr
    log = done.stderr.split("log: ")[1].split()[0]
    assert Path(log).read_text() == "no such song\n"


def test_without_names_all_verifiable_stages_are_verified(tmp_path: Path) -> None:
    root = broken(tmp_path, "{cmd: echo x > x.txt, outs: [x.txt]}\n  even: {cmd: echo, deps: [.gitignore]}")
    messages: list[str] = []
    results: list[Verification] = []
    assert verify_stages(root, (), messages.append, results.append)
    os.chdir(HERE)
    assert [result.stage for result in results] == ["odd"]
    assert results[0].stale == ("dvc.lock does not record the stage",)
    assert "skipped: stage 'even' declares no outputs: there is nothing to compare" in messages


def test_an_undeclared_file_is_not_in_the_copy(tmp_path: Path) -> None:
    root = broken(tmp_path, "{cmd: cat secret.txt > x.txt, outs: [x.txt]}")
    (root / "secret.txt").write_text("not in git, not in deps")
    with pytest.raises(StageFailedError, match=r"does not declare in deps"):
        verified(root, "odd")


def test_a_stage_that_writes_to_an_absolute_path_is_an_error(tmp_path: Path) -> None:
    root = broken(tmp_path, f"{{cmd: date +%N | tee {tmp_path}/songs/x.txt > x.txt, outs: [x.txt]}}")
    with pytest.raises(WorkflowError, match=r"songs/x\.txt changed while a scratch copy ran"):
        verified(root, "odd")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("{cmd: touch /tmp/elsewhere.txt, outs: [/tmp/elsewhere.txt]}", "outside of the repository"),
        ("{cmd: echo, deps: [.gitignore]}", "declares no outputs"),
        ("{cmd: cat gone.txt > x.txt, deps: [gone.txt], outs: [x.txt]}", r"gone\.txt does not exist"),
    ],
)
def test_a_stage_that_cannot_be_verified_is_an_error_with_the_reason(
    tmp_path: Path, stage: str, message: str
) -> None:
    root = broken(tmp_path, stage)
    with pytest.raises(WorkflowError, match=message):
        verified(root, "odd")


@pytest.mark.slow
def test_an_unknown_stage_is_an_error(root: Path) -> None:
    done = statewright(root, "verify", "stedy")
    assert done.returncode == 2 and "'stedy' is not a stage" in done.stderr and "steady" in done.stderr


def test_links_do_not_lead_a_stage_into_the_original(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    write(outside, {"big.csv": "big\n"})
    root = make_repository(tmp_path / "songs", {"raw/a.csv": "a\n", "code.py": "1\n", "gone.txt": "x"})
    (root / "data").symlink_to(outside)
    (root / "same").symlink_to("raw")
    (root / "input.csv").symlink_to(outside / "big.csv")
    copied = copy_checkout(root, tmp_path / "copy", ["data/big.csv", "input.csv"], ["gone.txt"])
    assert (copied / "same" / "a.csv").read_text() == "a\n" and (copied / "same").is_symlink()
    assert not (copied / "gone.txt").exists()
    for name in ("data/big.csv", "input.csv"):
        path = copied / name
        assert path.read_text() == "big\n" and path.resolve().is_relative_to(tmp_path / "copy")
        path.write_text("overwritten")
    assert (outside / "big.csv").read_text() == "big\n"


def test_without_git_the_whole_checkout_is_copied(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "songs", {"a.txt": "a", "deep/b.txt": "b"})
    (root / ".git").rename(tmp_path / "no-git")
    (root / ".dvc" / "cache").mkdir(exist_ok=True)
    (root / ".dvc" / "cache" / "big").write_text("big")
    copied = copy_checkout(root, tmp_path / "copy", [], [])
    names = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
    assert {"a.txt", "deep/b.txt", ".dvc/config"} <= names and ".dvc/cache/big" not in names


def test_the_hash_of_a_folder_is_that_of_dvc(root: Path) -> None:
    ours = dvc_hash(content_hashes(root / "out", lambda path: path.suffix == ".tmp"))
    assert ours == recorded(root, "folder")["out"]
    assert dvc_hash(content_hashes(root / "nowhere")) is None


# Differences, without a repository.


def test_the_differences_of_parquet_columns_equal_those_of_pandas(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    one = pd.DataFrame({"x": generator.normal(size=50), "n": range(50), "who": list("ab") * 25})
    one.loc[3, "x"] = np.nan
    two = one.assign(x=one["x"] * (1 + generator.normal(size=50) * 1e-3), n=one["n"] + (one["n"] == 7) * 2)
    two.loc[9, "who"] = "c"
    found = {item.where: item for item in differences(tmp_path, one, two)}
    assert set(found) == {"column x", "column n", "column who"}
    x, n, who = found["column x"], found["column n"], found["column who"]
    assert x.absolute == pytest.approx((one["x"] - two["x"]).abs().max()) and x.count == 49
    scale = np.maximum(one["x"].abs(), two["x"].abs())
    assert x.relative == pytest.approx(((one["x"] - two["x"]).abs() / scale).max())
    assert (n.absolute, n.count, n.of) == (2.0, 1, 50)
    assert who.count == 1 and "row 9: 'b' and 'c'" in who.text


def differences(folder: Path, one: pd.DataFrame, two: pd.DataFrame) -> list[Any]:
    for name, table in (("one", one), ("two", two)):
        table.to_parquet(folder / f"{name}.parquet")
    return compare_files(folder / "one.parquet", folder / "two.parquet")


def test_differences_of_shape_type_name_and_bytes_only(tmp_path: Path) -> None:
    one = pd.DataFrame({"x": [1.0, 2.0], "gone": [1, 2]})
    assert [item.text for item in differences(tmp_path, one, pd.DataFrame({"x": [1.0], "new": ["a"]}))] == [
        "2 rows in run 1, 1 row in run 2",
        "only in run 1",
        "only in run 2",
    ]
    (item,) = differences(tmp_path, one, one.astype({"x": "float32"}))
    assert item.text == "float64 in run 1, float32 in run 2"
    one.to_parquet(tmp_path / "a.parquet", compression="zstd")
    one.to_parquet(tmp_path / "b.parquet", compression="gzip")
    (item,) = compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert item.text.startswith("the same values")


def test_embeddings_in_a_list_column_are_compared_as_numbers(tmp_path: Path) -> None:
    one = pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]], "ragged": [[1], [2, 3]]})
    two = pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.5]], "ragged": [[1, 2], [3]]})
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.schema([("v", pa.list_(pa.float64(), 2)), ("ragged", pa.list_(pa.int64()))])
    for name, table in (("one", one), ("two", two)):
        pq.write_table(pa.Table.from_pandas(table, kind), tmp_path / f"{name}.parquet")
    v, ragged = compare_files(tmp_path / "one.parquet", tmp_path / "two.parquet")
    assert v.absolute == 0.5 and v.count == 1
    assert ragged.count == 2


def test_tensors_arrays_tables_and_documents(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    base = np.arange(6, dtype="float32").reshape(2, 3)
    for name, shift in (("one", 0), ("two", 0.25)):
        moved = base + np.float32(shift) * (base == 4)
        save_file({"layer.weight": moved, "bias": base[0].copy()}, tmp_path / f"{name}.safetensors")
        np.save(tmp_path / f"{name}.npy", moved)
        np.savez(tmp_path / f"{name}.npz", w=moved, same=base)
        pd.DataFrame({"y": moved[1], "s": ["a", "b", "c"]}).to_csv(tmp_path / f"{name}.csv", index=False)
        document = {"list": [1, {"x": 4 + shift}], "same": None, "flag": bool(shift), "name": f"run {name}"}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    expected = {"safetensors": "tensor layer.weight", "npy": "", "npz": "array w", "csv": "column y"}
    for suffix, where in expected.items():
        (item,) = compare_files(tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}")
        assert (item.where, item.absolute, item.count) == (where, 0.25, 1)
        assert item.relative == pytest.approx(0.25 / 4.25)
    found = {i.where: i for i in compare_files(tmp_path / "one.json", tmp_path / "two.json")}
    assert set(found) == {"key list.1.x", "key flag", "key name"}
    assert found["key list.1.x"].absolute == 0.25 and "'run one' and 'run two'" in found["key name"].text


def test_pickles_are_not_opened_and_damaged_files_are_reported(tmp_path: Path) -> None:
    for name, text in (("one", b"cos\nsystem\n(S'touch owned'\ntR."), ("two", b"cos\nsystem\n(S'true'\ntR.")):
        (tmp_path / f"{name}.pkl").write_bytes(text)
        (tmp_path / f"{name}.parquet").write_bytes(text)
    (item,) = compare_files(tmp_path / "one.pkl", tmp_path / "two.pkl")
    assert item.text.startswith("bytes differ; 30 and 23") and not Path("owned").exists()
    (item,) = compare_files(tmp_path / "one.parquet", tmp_path / "two.parquet")
    assert "not readable as .parquet" in item.text


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"1/a.json": '{"x": 1}', "1/b.txt": "b", "1/c.txt": "c", "2/a.json": '{"x": 3}', "2/b.txt": "b"},
    )
    one, two = tmp_path / "1", tmp_path / "2"
    found = compare_paths(one, two, (content_hashes(one), content_hashes(two)))
    assert [(item.where, item.absolute or item.text) for item in found] == [
        ("file c.txt", "only in run 1"),
        ("file a.json: key x", 2.0),
    ]
    (missing,) = compare_paths(one, tmp_path / "3", (content_hashes(one), None))
    assert missing.text == "not written by run 2"


def test_ignored_environments(tmp_path: Path) -> None:
    """Run a command that uses an ignored interpreter and an ignored `.env` in a copy."""
    root = make_repository(
        tmp_path / "local",
        {
            "dvc.yaml": """
            stages:
              tool: {cmd: tools/bin/python -c 'print(1)' > a.txt, outs: [a.txt]}
              secret: {cmd: '. ./.env && echo $WORD > b.txt', outs: [b.txt]}
            """,
            ".gitignore": "tools\n.env\n",
            ".env": "WORD=5\n",
        },
    )
    (root / "tools" / "bin").mkdir(parents=True)
    (root / "tools" / "bin" / "python").symlink_to(sys.executable)
    results: list[Verification] = []
    assert verify_stages(root, (), lambda line: None, results.append)
    assert [result.stage for result in results] == ["tool", "secret"]
