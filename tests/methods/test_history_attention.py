import numpy as np
import torch

from methods.temporal.history_attention import (
    Histories,
    HistoryAttention,
    Recipe,
    gaussian_loss,
    predict,
    train,
)

RECIPE = Recipe(16, 2, 0.1, 1e-2, 0.0, 15, 15, 64, 0)


def histories(seed: int, n: int = 600):
    """Create targets that depend on the second feature of the latest release.

    The effect is proportional to the artist's first parameter.
    """
    r = np.random.default_rng(seed)
    tokens = np.vstack([r.normal(size=(500, 3)), np.zeros((1, 3))]).astype(np.float32)
    past = r.integers(0, 500, (n, 4))
    past[: n // 10, 2:] = 500
    gap = np.tile(np.arange(4, dtype=np.float32) * 3, (n, 1))
    query = r.normal(size=(n, 2)).astype(np.float32)
    prior, variance = r.normal(size=(n, 1)).astype(np.float32), np.full((n, 1), 4.0, np.float32)
    data = Histories(tokens, past, gap, np.zeros((n, 4), np.float32), query, prior, variance)
    signal = 2 * tokens[past[:, 0], 1][:, None]
    return data, (prior + signal + 0.3 * r.normal(size=(n, 1))).astype(np.float32)


def test_an_untrained_network_returns_the_forecast_that_it_corrects():
    data, _ = histories(0)
    model = HistoryAttention(3, 2, 1, 16, 2, 0.0)
    mean, factor = predict(model.eval(), data)
    np.testing.assert_array_equal(mean, data.prior)
    np.testing.assert_array_equal(factor, np.ones_like(mean))


def test_it_corrects_the_prior_on_held_out_rows():
    data, truth = histories(1)
    learn = np.arange(600) < 400
    model, epochs = train(data, truth, learn, ~learn & (np.arange(600) < 500), np.ones(1, np.float32), RECIPE)
    mean, factor = predict(model, data)
    out = np.arange(600) >= 500
    assert np.mean((mean - truth)[out] ** 2) < 0.2 * np.mean((data.prior - truth)[out] ** 2)
    assert factor[out].mean() < 0.5
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_truth_of_other_rows_is_not_used():
    data, truth = histories(2)
    learn, hold = np.arange(600) < 300, (np.arange(600) >= 300) & (np.arange(600) < 400)
    other = truth.copy()
    other[400:] = np.nan
    recipe = Recipe(16, 2, 0.1, 5e-3, 0.0, 3, 3, 128, 0)
    a, b = (train(data, part, learn, hold, np.ones(1, np.float32), recipe)[0] for part in (truth, other))
    np.testing.assert_array_equal(predict(a, data)[0], predict(b, data)[0])


def test_trainings_repeat_exactly_and_do_not_change_the_global_generator():
    data, truth = histories(3)
    learn = np.arange(600) < 500
    recipe = Recipe(16, 2, 0.3, 5e-3, 0.0, 3, 3, 128, 7)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    a, b = (train(data, truth, learn, ~learn, np.ones(1, np.float32), recipe)[0] for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(predict(a, data)[0], predict(b, data)[0])


def test_attention_equals_its_formula_and_ignores_padding():
    torch.manual_seed(1)
    model = HistoryAttention(3, 2, 1, 8, 2, 0.0).eval()
    tokens, query = torch.randn(1, 4, 3), torch.randn(1, 2)
    seen = torch.tensor([[True, True, True, False]])
    gap, songs = torch.tensor([[0.1, 0.5, 2.0, 0.0]]), torch.tensor([[0.7, 1.0, 2.0, 0.0]])
    with torch.no_grad():
        pooled, weights = model.attend(tokens, seen, gap, songs, query)
        e = torch.relu(model.embed(tokens))[0]
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            logits = [
                float(model.key(e)[j, part] @ model.ask(query)[0, part]) / 2
                - float(torch.log1p(torch.exp(model.decay[head]))) * float(gap[0, j])
                + float(model.trust[head]) * float(songs[0, j])
                for j in range(3)
            ]
            alpha = np.exp(logits) / np.exp(logits).sum()
            np.testing.assert_allclose(weights[0, head, :3], alpha, atol=1e-6)
            assert weights[0, head, 3] == 0
            np.testing.assert_allclose(pooled[0, part], alpha @ model.value(e)[:3, part].numpy(), atol=1e-6)


def test_the_loss_is_the_normal_log_likelihood():
    r = np.random.default_rng(4)
    mean, log_variance, error = (torch.tensor(r.normal(size=5)) for _ in range(3))
    normal = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    expected = -normal.log_prob(error) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(gaussian_loss(mean, log_variance, error), expected, atol=1e-12)
