"""Time programs in one process: a JSON line in, a JSON line out.

This file imports nothing of the project, so that its process has the libraries of the programs only. A
program is imported once; every further run of it measures the work alone.
"""

import importlib.util
import json
import resource
import sys
import time
import traceback
from typing import Any


def load(path: str) -> Any:
    """Import a program from its file."""
    spec = importlib.util.spec_from_file_location(f"program_{len(sys.modules)}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(work: Any) -> tuple[Any, float, float]:
    """Return the result of a call, and its CPU and wall seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def serve() -> None:
    """Answer each request: ``{"program", "words", "repeats"}``."""
    programs: dict[str, Any] = {}
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            path = request["program"]
            if path not in programs:
                programs[path], answer["import_cpu"], answer["import_wall"] = timed(lambda p=path: load(p))
                programs[path].main(request["words"])
            run, words = programs[path].main, request["words"]
            runs = [timed(lambda run=run, words=words: run(words)) for _ in range(request["repeats"])]
            answer["cpu"], answer["wall"] = (min(each[i] for each in runs) for i in (1, 2))
        except BaseException:
            answer = {"error": traceback.format_exc()}
        answer["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
