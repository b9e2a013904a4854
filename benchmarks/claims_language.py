"""Claims of specification 2 on the language model: its adapter's size, how it learns, what it keeps."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN, RUN, UNTESTABLE, Claim, Metrics
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
        f"r (d + k) gives {low:,} of {full:,}, {full / low:.0f} times fewer, for that one square matrix; "
        "over "
        f"the seven matrices named, of Llama-3-8B's shapes, {mean:.1f} times. {_ours(metrics)}"
    )


def _ours(metrics: Metrics) -> str:
    adapt = metrics["releaf"].get("adapt")
    if adapt is None:
        return "Ours is not measured yet."
    equal = "equal to" if adapt["formula_holds"] else "not equal to"
    return (
        f"Ours on {adapt['model']}, rank {adapt['rank']}: {adapt['trainable']:,} trained, {equal} the "
        "formula, "
        f"{adapt['reduction']:.1f} times fewer."
    )


def _perplexities(metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Without and with the adapter by kind of text: of the benchmark, where it is kept, for only that reads
    WikiText-2; else of the pipeline."""
    rows = table_rows(metrics, "adapt", "perplexity")
    if rows:
        return {row["text"]: (row["before"], row["after"]) for row in rows}
    found = metrics["releaf"].get("adapt", {"perplexity": {}})["perplexity"]
    return {name: (one["before"], one["after"]) for name, one in found.items()}


def _keeps_verdict(metrics: Metrics) -> str:
    found = _perplexities(metrics).values()
    return holds(all(after <= before for before, after in found)) if found else OPEN


def _keeps(metrics: Metrics) -> str:
    found = _perplexities(metrics)
    if not found:
        return "The adapter is not trained yet."
    parts = ", ".join(f"{name} {before:.2f} to {after:.2f}" for name, (before, after) in found.items())
    other = "" if "wikitext2" in found else " Text that has nothing to do with waste is not measured."
    return (
        f"Full fine-tuning is not compared. Perplexity without and with the adapter: {parts}.{other}"
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
        f"The base counts {model.parameters():,}. Rank 64 on the seven matrices named is {count:,}; the "
        "figure "
        f"fits two square matrices a layer ({square:,})."
    )


CLAIMS = (
    Claim("2 §2.2", "LoRA: 16,777,216 parameters become 524,288, 32 times fewer.",
          lambda m: holds(_one_matrix(m) == (16_777_216, 524_288)), _lora, RUN),
    Claim("2 §2.2", "B is the down-projection, A the up-projection.", CORRECTED,
          "In W0 + BA, A (r x k) projects down and B (d x r) up; B starts at zero, so that training starts "
          "at W0."),
    Claim("2 §6.1", "Cosine with warm-up (§6.2; §2.4 has none).", CORRECTED,
          "(1 + cos(pi (t - Tw)/(T - Tw)))/2 after Tw steps of a rise in a line. With the text's t/Tw the "
          "first step has rate 0 and learns nothing: ours is (t + 1)/Tw.",
          "`pytest tests/methods -k cosine`"),
    Claim("2 §6.5", "FP16 with loss scaling 2^16 on MPS.", UNTESTABLE,
          "No such processor here. All that learns is FP32; the weights that stay frozen beside the adapter "
          "are in bfloat16, without scaling (`params.yaml`, releaf.adapt.precision)."),
    Claim("2 §8.1", "AdamW converges at O(1/sqrt(T)); the LoRA error falls with the rank.", UNTESTABLE,
          "Neither constants nor assumptions are stated."),
    Claim("2 §9.1", "Language model: 8B and 33M of LoRA.", CORRECTED, _adapter_size),
    Claim("2, end", "LoRA maintains performance.", _keeps_verdict, _keeps, ADAPT),
)  # fmt: skip
