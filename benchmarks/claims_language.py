"""Claims of specification 2 on the language model: adapter, training, forgetting."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN, RUN_RELEAF, UNTESTABLE, Claim, Metrics
from benchmarks.claims_releaf import holds, table_rows
from benchmarks.model_sizes import Llama, lora_parameters

ADAPT, RANK = "`python -m benchmarks.releaf adapt`", 64


def _one_matrix(metrics: Metrics) -> tuple[int, int]:
    return 4096 * 4096, lora_parameters([(4096, 4096)], RANK)


def _lora(metrics: Metrics) -> str:
    full, low = _one_matrix(metrics)
    whole = Llama().matrices()
    mean = sum(d * k for d, k in whole) / lora_parameters(whole, RANK)
    return (
        f"r (d + k) gives {low:,} of {full:,}, {full / low:.0f} times fewer, for that one square matrix. For "
        f"the seven named matrices with the shapes of Llama-3-8B it is {mean:.1f} times. {_ours(metrics)}"
    )


def _ours(metrics: Metrics) -> str:
    adapt = metrics["releaf"].get("adapt")
    if adapt is None:
        return "Our adapter is not measured yet."
    equal = "equal to" if adapt["formula_holds"] else "not equal to"
    return (
        f"Our adapter of {adapt['model']}, rank {adapt['rank']}: {adapt['trainable']:,} trained weights, "
        f"{equal} the formula, {adapt['reduction']:.1f} times fewer."
    )


def _perplexities(metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Return the perplexities without and with the adapter, by kind of text.

    The figures of the benchmark are preferred, because only the benchmark reads WikiText-2. Without them the
    figures of the pipeline are used.
    """
    rows = table_rows(metrics, "adapt", "perplexity")
    if rows:
        return {row["text"]: (row["before"], row["after"]) for row in rows}
    perplexities = metrics["releaf"].get("adapt", {"perplexity": {}})["perplexity"]
    return {name: (value["before"], value["after"]) for name, value in perplexities.items()}


def _forgetting_verdict(metrics: Metrics) -> str:
    pairs = _perplexities(metrics).values()
    return holds(all(after <= before for before, after in pairs)) if pairs else OPEN


def _forgetting(metrics: Metrics) -> str:
    perplexities = _perplexities(metrics)
    if not perplexities:
        return "The adapter is not trained yet."
    parts = ", ".join(f"{name} {before:.2f} to {after:.2f}" for name, (before, after) in perplexities.items())
    other = "" if "wikitext2" in perplexities else " Text that is not about waste is not measured."
    return (
        f"No comparison with full fine-tuning. Perplexity without and with the adapter: {parts}.{other}"
        f"{_right_bins(metrics)}"
    )


def _right_bins(metrics: Metrics) -> str:
    rows = {row["share"]: row for row in table_rows(metrics, "adapt", "answers")}
    if not rows:
        return ""
    right = rows["names the right bin"]
    return f" Held-out questions with the right bin: {right['before']:.0%} to {right['after']:.0%}."


def _adapter_size(metrics: Metrics) -> str:
    model = Llama()
    count = model.layers * lora_parameters(model.matrices(), RANK)
    square = model.layers * lora_parameters([(4096, 4096)] * 2, RANK)
    return (
        f"The base model has {model.parameters():,} parameters. Rank 64 on the seven named matrices adds "
        f"{count:,}; the claim corresponds to two square matrices per layer ({square:,})."
    )


CLAIMS = (
    Claim("2 §2.2", "LoRA: 16,777,216 parameters become 524,288, 32 times fewer.",
          lambda m: holds(_one_matrix(m) == (16_777_216, 524_288)), _lora, RUN_RELEAF),
    Claim("2 §2.2", "B is the down-projection, A the up-projection.", CORRECTED,
          "In W0 + BA, A (r x k) projects down and B (d x r) projects up. B starts at zero, so that "
          "training starts at W0."),
    Claim("2 §6.1", "Cosine with warm-up (§6.2; §2.4 has none).", CORRECTED,
          "(1 + cos(pi (t - Tw)/(T - Tw)))/2 after a linear rise of Tw steps. With t/Tw, as specified, the "
          "first step has the rate 0 and changes nothing; we use (t + 1)/Tw.",
          "`pytest tests/methods -k cosine`"),
    Claim("2 §6.5", "FP16 with loss scaling 2^16 on MPS.", UNTESTABLE,
          "We have no such processor. All trained weights are FP32. The frozen weights of the adapted model "
          "are bfloat16, without scaling (`params.yaml`, releaf.adapt.precision)."),
    Claim("2 §8.1", "AdamW converges at O(1/sqrt(T)); the LoRA error falls with the rank.", UNTESTABLE,
          "The specification states neither constants nor assumptions."),
    Claim("2 §9.1", "Language model: 8B and 33M of LoRA.", CORRECTED, _adapter_size),
    Claim("2, end", "LoRA maintains performance.", _forgetting_verdict, _forgetting, ADAPT),
)  # fmt: skip
