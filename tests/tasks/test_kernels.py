"""Check that the kernels of our stages are pinned, also if preloaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from statewright.running.launcher import open_launcher
from tasks.kernels import PINS, TORCH_PINS

ROOT = Path(__file__).parents[2]
PROBE = """
import os, sys
from toy_stages import kernels
if __name__ == "__main__":
    loaded = "torch" in sys.modules
    kernels.start("toy_stages")
    import json, numpy, torch, threadpoolctl
    torch.ones(9, 9) @ torch.ones(9, 9)  # MKL prints which code it runs
    blas = [p["architecture"] for p in threadpoolctl.threadpool_info() if p["internal_api"] == "openblas"]
    print(json.dumps({"process": os.getpid(), "torch": torch.backends.cpu.get_cpu_capability(),
                      "blas": blas, "preloaded": loaded,
                      "wide": numpy._core._multiarray_umath.__cpu_features__["X86_V4"]}))
"""


def probe(folder: Path, preload: list[str]) -> dict[str, Any]:
    """Return the kernels that a stage has, started as the engine starts it."""
    package = folder / "toy_stages"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(ROOT / "tasks" / "kernels.py", package)
    (package / "__main__.py").write_text(PROBE)
    os.chdir(folder)
    environment = {name: value for name, value in os.environ.items() if name not in (*PINS, *TORCH_PINS)}
    environment["MKL_VERBOSE"] = "1"
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    (folder / "ready.py").write_text("import sys; print('torch' in sys.modules)")
    with open_launcher(preload) as launcher:

        def run(module: str) -> str:
            command = launcher.start(f"python -m {module} emotion-x", cwd=folder, env=environment, shell=True)
            with os.fdopen(command.output) as output:
                text = output.read()
            assert command.wait(120)
            assert command.code == 0, text
            return text

        for _ in range(200):  # modules are imported while the supervisor is idle
            if not preload or run("ready").strip() == "True":
                break
            time.sleep(0.2)
        else:
            pytest.fail("the modules were not preloaded")
        text = run("toy_stages")
    values: dict[str, Any] = json.loads(text.splitlines()[-1])
    return {**values, "mkl": set(re.findall(r"CNR:(\w+)", text))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "preload",
    [
        [],
        ["toy_stages.kernels", "numpy", "torch"],
        ["toy_stages.kernels", "numpy", "torch._dynamo"],
        ["numpy", "torch"],
    ],
    ids=["plain", "pinned", "optimiser", "late"],
)
def test_kernels_of_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preload: list[str]) -> None:
    """Find the kernels for AVX2, also if the supervisor loaded the libraries."""
    monkeypatch.chdir(ROOT)
    for name in (*PINS, *TORCH_PINS):
        monkeypatch.delenv(name, raising=False)
    found = probe(tmp_path, preload)
    assert found["torch"] == "AVX2"
    assert set(found["blas"]) == {"Haswell"}
    assert found["mkl"] == {"COMPATIBLE"}
    assert not found["wide"]
    assert found["preloaded"] == (preload[:1] == ["toy_stages.kernels"])  # else started again
