"""fairseq's checkpoints: written whole, on the disk before they have their name."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from fairseq_budget.files import copy_whole, sync
from fairseq_budget.plugin.errors import UserError

logger = logging.getLogger(__name__)


def copy_checkpoints_whole() -> bool:
    """fairseq writes one checkpoint whole and copies it over checkpoint_last.pt in place: a run that is killed meanwhile
    leaves half a file, and never starts again.  The copy gets its name when it is complete."""
    if not hasattr(PathManager.copy, "__wrapped__"):
        PathManager.copy = staticmethod(_copy(PathManager.copy))
    return True


def _copy(original: Any) -> Any:
    @functools.wraps(original)
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if not PathManager.supports_rename(dst_path):
            return original(src_path, dst_path, overwrite)
        copy_whole(Path(src_path), Path(dst_path))
        return dst_path

    return copy


def rename_what_is_on_the_disk() -> bool:
    """fairseq renames a checkpoint whose content may still be in memory: after a power failure the name is there and the
    content isn't."""
    if not hasattr(PathManager.rename, "__wrapped__"):
        PathManager.rename = staticmethod(_rename(PathManager.rename))
    return True


def _rename(original: Any) -> Any:
    @functools.wraps(original)
    def rename(src: str, dst: str) -> Any:
        sync(Path(src))
        return original(src, dst)

    return rename


def say_why_a_save_failed() -> bool:
    """A full disk ends in a page of tracebacks, twice over: once more for `crash.pt`, a last checkpoint that fairseq writes
    after any error and that hides what the error was.  The error is one line, and `crash.pt` isn't written: nothing reads
    it, and it may hold the weights that the error is about."""
    if not hasattr(checkpoint_utils.torch_persistent_save, "__wrapped__"):
        checkpoint_utils.torch_persistent_save = _save(checkpoint_utils.torch_persistent_save)
    return True


def _save(original: Any) -> Any:
    @functools.wraps(original)
    def save(obj: Any, filename: str, async_write: bool = False) -> None:
        if os.path.basename(filename) == "crash.pt":
            logger.error("an error ends the run; it goes on from its last checkpoint when it is mended")
            return
        try:
            original(obj, filename, async_write)
        except (OSError, RuntimeError) as error:
            Path(f"{filename}.tmp").unlink(missing_ok=True)
            raise UserError(
                f"`{os.path.abspath(filename)}` can't be written ({_first_line(error)}): is the disk full or the folder "
                "read-only?  The checkpoint before it stands: mend it and give the same command again"
            ) from None

    return save


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
