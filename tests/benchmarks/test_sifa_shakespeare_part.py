"""Text by characters: nanoGPT's setting, a training that resumes, its claim."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from benchmarks.claims_sifa import CLAIMS
from benchmarks.parts import Omission
from benchmarks.sifa import _cells, shakespeare
from benchmarks.sifa.shakespeare import CharacterModel, rate

TEXT = "to be, or not to be: that is the question.\n" * 60


def test_the_setting_is_that_of_the_readme() -> None:
    # --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --dropout=0.0
    model = CharacterModel(65)
    assert (shakespeare.CONTEXT, shakespeare.BATCH, shakespeare.UPDATES) == (64, 12, 2000)
    assert [block.heads for block in model.blocks] == [4] * 4
    assert not any(isinstance(module, torch.nn.Dropout) for module in model.modules())
    width = 128
    matrices = 4 * 12 * width**2 + 65 * width + 64 * width  # a causal transformer with a tied embedding
    assert sum(value.numel() for value in model.parameters() if value.ndim == 2) == matrices
    rates = [rate(update) for update in range(2000)]
    assert max(rates) == rates[100] == 1e-3  # after 100 updates of warm-up
    assert rates[0] == pytest.approx(1e-5)
    assert rates[-1] == pytest.approx(1e-4, rel=1e-3)


def test_the_model_sees_no_later_character() -> None:
    torch.manual_seed(0)
    model = CharacterModel(10).eval()
    ids = torch.randint(10, (2, 64))
    changed = ids.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % 10
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])


def test_a_short_training_is_kept_by_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tinyshakespeare.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setenv("STATEWRIGHT_DATA", str(tmp_path))
    monkeypatch.setattr(_cells, "ROOT", tmp_path)
    monkeypatch.setattr(shakespeare, "code_key", lambda function, values: "key")
    small = {"UPDATES": 12, "WARM_UP": 4, "EVALUATED": 3, "WIDTH": 16, "DEPTH": 1, "CONTEXT": 16}
    for name, value in small.items():
        monkeypatch.setattr(shakespeare, name, value)
    (first,) = shakespeare.tables(1)
    assert not isinstance(first, Omission)
    loss = first.rows[0][1]
    assert isinstance(loss, float)
    assert loss < math.log(len(set(TEXT)))  # better than a uniform guess
    train, seeds = shakespeare.train, []

    def counted(*arguments: object) -> float:
        seeds.append(arguments[-1])
        return train(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shakespeare, "train", counted)
    (second,) = shakespeare.tables(2)
    assert not isinstance(second, Omission)
    assert seeds == [1]
    assert second.rows[0] == first.rows[0]
    assert second.rows[1][1] != loss


@pytest.mark.parametrize(
    ("losses", "words"), [([1.85, 1.87], "parity, the mean is 1.860"), ([1.9, 1.94], "is missed by 0.040")]
)
def test_the_claim_says_whether_parity_is_reached(losses: list[float], words: str) -> None:
    (claim,) = [claim for claim in CLAIMS if "WikiText-2" in claim.claim]
    table = {
        "name": "shakespeare",
        "columns": ["seed", "validation loss", "published"],
        "rows": [[f"seed {seed}", loss, 1.88] for seed, loss in enumerate(losses)],
    }
    row = claim.row({"sifa": {}, "benchmarks": {"shakespeare": {"tables": [table]}}})
    assert words in row
    assert ", ".join(f"{loss:.3f}" for loss in losses) in row
    assert "is not measured yet" in claim.row({"sifa": {}, "benchmarks": {}})
