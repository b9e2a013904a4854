"""Divide trainings among processes, each on one thread.

Two processes of two threads each on two cores wait for one another: a training then takes several times its
CPU seconds on one thread. One thread also fixes the order of sums, so that a result does not depend on the
number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def call_each(
    function: Callable[..., T], arguments: Iterable[tuple[Any, ...]], processes: int = 1
) -> list[T]:
    """Call a function with each tuple of arguments, and return the results in order.

    Parameters
    ----------
    function : callable
        A function of a module; pickle must be able to store its arguments and results.
    arguments : iterable of tuple
    processes : int
        Number of processes; with 1, the calls run in this process.
    """
    from joblib import Parallel, delayed, parallel_config

    # Without a number of its own, a process has the threads of OMP_NUM_THREADS, which the engine sets.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        return list(Parallel(n_jobs=processes)(delayed(_call)(function, *each) for each in arguments))


def _call(function: Callable[..., T], *arguments: Any) -> T:
    import sklearn.ensemble  # noqa: F401 - the limit acts on libraries that are loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return function(*arguments)
