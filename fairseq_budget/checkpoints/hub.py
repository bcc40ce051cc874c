"""To Hugging Face's hub: a folder that was exported becomes a repository there."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from fairseq_budget.errors import BudgetError


def check_push(repository: str) -> None:
    """Refuse what can't be pushed before anything is written.

    Raises:
        BudgetError: the name isn't a repository's, nobody is logged in, or the hub isn't to be asked.
    """
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise BudgetError(f"`--push {repository}` names no repository ({error}): give one such as user/model") from error
    if constants.HF_HUB_OFFLINE:
        raise BudgetError("`--push` needs the network, but HF_HUB_OFFLINE is set: unset it, or upload the folder later")
    if get_token() is None:
        raise BudgetError("`--push` needs a token of huggingface.co: run `huggingface-cli login`, or set HF_TOKEN")


def push(folder: Path, repository: str) -> str:
    """Upload a folder to a repository, which is made if it isn't there; returns its address.

    Raises:
        BudgetError: the hub refuses, or can't be reached.
    """
    api = HfApi()
    try:
        address = str(api.create_repo(repository, exist_ok=True))
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Exported by fairseq-budget")
    except OSError as error:  # what requests raises, too
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BudgetError(
            f"`{repository}` can't be written ({reason}): `{folder}` is complete, so push it again with "
            f"`huggingface-cli upload {repository} {folder}`"
        ) from error
    return address
