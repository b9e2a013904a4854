"""Attacks, intervals, bagging, attributions and counterfactuals.

`attacks` finds the worst input near a given one and `hardening` trains against it; `relu` gives the exact
answer for small networks. `conformal` has intervals with guaranteed coverage, `drift` the same for data
that change over time, `bagging` the spread of resampled models. `shapley` divides a prediction among its
inputs, `counterfactual` finds the smallest change of the input that changes the outcome.
"""
