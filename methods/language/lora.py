"""Adapt a model by low-rank matrices (LoRA), with its own weights frozen.

    W = W0 + (alpha / r) B A        B of shape (d, r), A of shape (r, k), W0 of shape (d, k)

A starts at random and B at zero, so training starts at W0. An adapter of r (d + k) weights changes a matrix
of d k weights.

References
----------
Specification 2, section 2.2 as corrected (A projects down to r, B projects up to d). Hu et al. (2022), "LoRA:
Low-Rank Adaptation of Large Language Models".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Arrays = Mapping[str, np.ndarray]
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SCALING = "scaling"


@dataclass(frozen=True)
class AdapterSize:
    """Sizes of an adapter and of the matrices that it adapts.

    Attributes
    ----------
    matrices : int
        Number of adapted matrices.
    adapted, adapter : int
        Sum of d k over those matrices, and sum of r (d + k).
    trainable : int
        Trainable weights, as counted in the model.
    total : int
        Weights of the model without the adapter.
    reductions : dict of str to float
        ``d k / (r (d + k))`` of one matrix, by target. It is equal in all layers.
    """

    matrices: int
    adapted: int
    adapter: int
    trainable: int
    total: int
    reductions: dict[str, float]

    @property
    def reduction(self) -> float:
        """Ratio of the weights of the adapted matrices to those of the adapter."""
        return self.adapted / self.adapter

    @property
    def trainable_share(self) -> float:
        """Share of all weights, with the adapter, that are trainable; 0 to 1."""
        return self.trainable / (self.total + self.trainable)


def reduction_ratio(d: int, k: int, rank: int) -> float:
    """Return ``d k / (r (d + k))``, which is 32 for 4096 by 4096 at rank 64."""
    return d * k / (rank * (d + k))


def add_adapter(
    model: Any,
    *,
    rank: int = 64,
    alpha: int = 128,
    dropout: float = 0.05,
    targets: tuple[str, ...] = TARGETS,
    seed: int = 0,
) -> Any:
    """Add an adapter to every target layer, and freeze the weights of the model.

    B is zero.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, which is changed in place.
    rank : int
        Rank r, at least 1.
    alpha : int
        The product is scaled by ``alpha / rank``.
    dropout : float
        Dropout of the input of A in training, 0 to below 1.
    targets : tuple of str
        Last names of linear layers.
    seed : int
        Seed of the random values of A.

    Returns
    -------
    peft.PeftModel

    Raises
    ------
    ValueError
        If the model has no layer of a target's name.
    """
    names = {name.rpartition(".")[2] for name, part in model.named_modules()}
    if absent := [target for target in targets if target not in names]:
        raise ValueError(
            f"the model has no layer {', '.join(absent)}; expected names among its linear layers"
        )
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets), task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, settings)


def adapter_size(adapted: Any) -> AdapterSize:
    """Count the weights of an adapted model and of its adapter."""
    layers = {name: layer for name, layer in adapted.named_modules() if hasattr(layer, "lora_A")}
    shapes = {name: layer.base_layer.weight.shape for name, layer in layers.items()}
    ranks = {name: layer.r["default"] for name, layer in layers.items()}
    trainable = sum(w.numel() for w in adapted.parameters() if w.requires_grad)
    return AdapterSize(
        matrices=len(layers),
        adapted=sum(d * k for d, k in shapes.values()),
        adapter=sum(ranks[name] * (d + k) for name, (d, k) in shapes.items()),
        trainable=trainable,
        total=sum(w.numel() for w in adapted.parameters()) - trainable,
        reductions={
            name.rpartition(".")[2]: reduction_ratio(d, k, ranks[name]) for name, (d, k) in shapes.items()
        },
    )


def adapter_arrays(adapted: Any) -> dict[str, np.ndarray]:
    """Return the adapter as arrays.

    They are ``LAYER.A`` (r, k) and ``LAYER.B`` (d, r) of every layer, and `scaling`.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, layer in adapted.get_base_model().named_modules():
        if hasattr(layer, "lora_A"):
            arrays[f"{name}.A"] = layer.lora_A["default"].weight.detach().float().numpy().copy()
            arrays[f"{name}.B"] = layer.lora_B["default"].weight.detach().float().numpy().copy()
            arrays[SCALING] = np.array(layer.scaling["default"], dtype=np.float32)
    return arrays


@torch.no_grad()
def merge_adapter(model: Any, adapter: Arrays) -> None:
    """Add ``scaling * B A`` to the weights of a plain model, in place.

    The sum is computed in float32.

    Raises
    ------
    ValueError
        If the adapter is for another model, or lacks an array.
    """
    layers = dict(model.named_modules())
    for name in sorted(key.removesuffix(".A") for key in adapter if key.endswith(".A")):
        if f"{name}.B" not in adapter or SCALING not in adapter:
            raise ValueError(
                f"the adapter lacks {name}.B or {SCALING}; expected the arrays of adapter_arrays"
            )
        down, up = (torch.from_numpy(np.array(adapter[f"{name}.{part}"])).float() for part in "AB")
        weight = getattr(layers.get(name), "weight", None)
        if weight is None or weight.shape != (up.shape[0], down.shape[1]):
            raise ValueError(
                f"the adapter's layer {name} of shape {(up.shape[0], down.shape[1])} is not in this model; "
                "train an adapter for this model"
            )
        weight.copy_((weight.float() + np.asarray(adapter[SCALING]).item() * (up @ down)).to(weight.dtype))
