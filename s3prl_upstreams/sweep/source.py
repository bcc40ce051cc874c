"""Which upstream a checkpoint is for, and what tells it from another: files, folders of Hugging Face's, names of models."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import sha256
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS

OURS = "budget_local"
OF_MODEL_TYPE = {"hubert": "hf_hubert_custom", "wav2vec2": "hf_wav2vec2_custom"}
"""s3prl's upstreams by what Hugging Face's config.json calls a model."""
_CONFIG = "config.json"
_MODEL_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def upstream_for(checkpoint: str | None) -> str:
    """The upstream that reads a checkpoint, for whoever named none.

    Raises:
        BudgetError: a folder of Hugging Face's with a model that s3prl has no upstream for.
    """
    config = None if checkpoint is None else Path(checkpoint) / _CONFIG
    if config is None or not config.is_file():
        return OURS
    found = _read(config).get("model_type")
    if found not in OF_MODEL_TYPE:
        raise BudgetError(
            f"`{config}` is of a model `{found}`, and s3prl reads {' and '.join(OF_MODEL_TYPE)} from such a folder: "
            "name one of s3prl's upstreams with `--upstream`"
        )
    return OF_MODEL_TYPE[found]


def fetched(upstream: str | None, checkpoint: str) -> str:
    """The folder, among Hugging Face's own, of a model that is given by its name OWNER/MODEL; anything else as it is.

    Raises:
        BudgetError: there is no such model, or it can't be fetched.
    """
    reads_it = upstream is None or upstream in OF_MODEL_TYPE.values()
    if Path(checkpoint).exists() or not reads_it or not _is_model_name(checkpoint):
        return checkpoint
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(checkpoint, allow_patterns=["*.json", "*.safetensors"])
        if not any(Path(folder).glob("*.safetensors")):
            snapshot_download(checkpoint, allow_patterns=["pytorch_model*.bin"])
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BudgetError(
            f"no checkpoint `{checkpoint}`, and no model of that name can be fetched from Hugging Face's hub "
            f"({type(error).__name__}: {reason}): correct the path or the name, or give the folder of a copy"
        ) from error
    return folder


def identify(upstream: str, checkpoint: str) -> tuple[str, str | None]:
    """A checkpoint as it is given to s3prl, with the digest of its content; None for what isn't on this machine yet.

    Raises:
        BudgetError: there is no such file or folder, and it is no name of a model or URL that the upstream could fetch.
    """
    path = Path(checkpoint).resolve()
    if path.is_file():
        return str(path), sha256(path)
    if upstream not in UPSTREAMS and path.is_dir():
        return str(path), _of_folder(path)
    if upstream not in UPSTREAMS and ("://" in checkpoint or _is_model_name(checkpoint)):
        return checkpoint, None
    wanted = "the path of a file such as checkpoints/checkpoint_last.pt"
    if upstream not in UPSTREAMS:
        wanted += ", a folder of Hugging Face's, or a model's name such as OWNER/MODEL"
    elif _is_model_name(checkpoint):
        wanted += f", or, for a model of that name, `--upstream {' or '.join(OF_MODEL_TYPE.values())}`"
    raise BudgetError(f"no checkpoint `{checkpoint}`: give {wanted}")


def _is_model_name(text: str) -> bool:
    return _MODEL_NAME.fullmatch(text) is not None and not text.endswith((".pt", ".ckpt", ".pth"))


def _of_folder(folder: Path) -> str:
    """Digest of the names and the content of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = "".join(f"{path.relative_to(folder)}\0{sha256(path)}\n" for path in files)
    return hashlib.sha256(told.encode()).hexdigest()


def _read(config: Path) -> dict[str, Any]:
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BudgetError(f"`{config}` is no JSON ({str(error)[:80]}): copy the folder again") from error
    return values if isinstance(values, dict) else {}
