"""All that touches DVC: `reading` and `runcache` read, `ledger` and `lockfile` write, `locks` waits.

Of DVC only ``dvc.api`` is public; what is used here beyond it is pinned in ``pyproject.toml``
and held by tests that compare `dvc.lock`, byte for byte, with what ``dvc repro`` writes.
"""
