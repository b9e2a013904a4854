"""Check fine-tuning: the update, the tokens that count, the restored weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.language.lora import add_adapter
from methods.language.perplexity import Example, mean_loss
from methods.language.training import Recipe, fine_tune

EXAMPLES = [Example((5, 6, 7, 8, 9, 10), 1), Example((11, 12, 13, 14), 2)]
RECIPE = Recipe(
    steps=30,
    batch_size=2,
    learning_rate=0.02,
    lowest_rate=1e-6,
    warm_up=0.1,
    weight_decay=0.01,
    clip=1.0,
    check_every=5,
    patience=5,
    seed=0,
)


def weights_of(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_training_changes_the_adapter_only(tiny):
    adapted = add_adapter(tiny().model, rank=4, alpha=8, dropout=0.0)
    before, loss = weights_of(adapted), mean_loss(adapted, EXAMPLES)
    tuned = fine_tune(adapted, EXAMPLES, EXAMPLES, RECIPE)
    assert mean_loss(adapted, EXAMPLES) < 0.3 * loss
    assert [check.step for check in tuned.history] == [5, 10, 15, 20, 25, 30]
    for name, weight in adapted.named_parameters():
        assert torch.equal(weight, before[name]) != ("lora" in name)


def test_one_step_is_a_step_of_adamw_on_the_mean_over_tokens(tiny):
    """Compare with one clipped step of the optimiser of torch over all tokens."""
    recipe = dataclasses.replace(RECIPE, steps=1, warm_up=0.0, check_every=1)
    adapted, oracle = (add_adapter(tiny().model, rank=4, alpha=8, dropout=0.0) for _ in range(2))
    fine_tune(adapted, EXAMPLES, EXAMPLES, recipe)
    losses = []
    for example in EXAMPLES:
        ids = torch.tensor([example.ids])
        logits = oracle(input_ids=ids).logits[0, example.start - 1 : -1]
        losses.append(torch.nn.functional.cross_entropy(logits, ids[0, example.start :], reduction="none"))
    torch.cat(losses).mean().backward()
    learning = [weight for weight in oracle.parameters() if weight.requires_grad]
    torch.nn.utils.clip_grad_norm_(learning, 1.0)
    torch.optim.AdamW(learning, lr=0.02, weight_decay=0.01).step()
    for (name, weight), expected in zip(adapted.named_parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, atol=1e-4, rtol=1e-4, msg=name)


def test_the_best_weights_are_restored_and_patience_ends_training(tiny):
    other = [Example((20, 3, 60, 2, 33), 1)]
    adapted = add_adapter(tiny().model, rank=4, alpha=8, dropout=0.0)
    recipe = dataclasses.replace(RECIPE, steps=60, check_every=1, patience=3, warm_up=0.0)
    tuned = fine_tune(adapted, EXAMPLES, other, recipe)
    losses = [check.validation_loss for check in tuned.history]
    best = losses.index(min(losses))
    assert tuned.best_step == best + 1
    assert len(losses) == best + 4 < 60
    assert mean_loss(adapted, other) == pytest.approx(min(losses), rel=1e-6)


def test_a_seed_determines_the_adapter(tiny):
    def once(seed):
        adapted = add_adapter(tiny().model, rank=2, dropout=0.3)
        fine_tune(adapted, EXAMPLES, EXAMPLES, dataclasses.replace(RECIPE, steps=5, seed=seed))
        return torch.cat([w.flatten() for w in adapted.parameters() if w.requires_grad])

    assert torch.equal(once(0), once(0))
    assert not torch.equal(once(0), once(1))


def test_missing_examples_raise_an_error(tiny):
    with pytest.raises(ValueError, match="0 examples and 1 held out"):
        fine_tune(tiny().model, [], EXAMPLES[:1], RECIPE)
