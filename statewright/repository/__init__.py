"""All code that uses DVC.

`declaration`, `observation` and `runcache` read a repository. `lock_writer` and `lockfile` write
to it. `locks` waits for DVC's locks.

Only ``dvc.api`` is public in DVC. The engine uses more than that, so ``pyproject.toml`` pins the
version of DVC, and tests compare `dvc.lock`, byte for byte, with the file that ``dvc repro`` writes.
"""
