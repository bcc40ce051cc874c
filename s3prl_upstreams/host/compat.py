"""What s3prl 0.4.18 needs to run on today's Python, torch, torchaudio and huggingface_hub, put right before it is imported.

Each fix is a function that looks first whether it is needed and leaves a fine environment as it is.  No file of a host is
changed.  Failures and fixes were found by running s3prl's ten SUPERB tasks; the reason stands in each docstring.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shutil
import sys
import types
from collections.abc import Sequence
from typing import Any

import torch

from fairseq_budget.checkpoints.safe_load import check_file
from fairseq_budget.errors import BudgetError
from fairseq_budget.extras import install
from fairseq_budget.fixes import apply_fixes
from s3prl_upstreams.host import evaluation, sox


def apply() -> dict[str, bool]:
    """Put everything right that needs it, in an order in which each fix finds what it builds on.  May be called again.

    By name, whether each fix is in place, being needed here.
    """
    if importlib.util.find_spec("s3prl") is None:
        raise BudgetError(f"the package s3prl is not installed: {install('s3prl')}")
    return apply_fixes(
        "s3prl",
        (
            load_torchaudio,
            keep_audio_backend_call,
            provide_sox_effects,
            load_audio_with_soundfile,
            provide_audio_info,
            provide_tensorboard_writer,
            allow_saved_arguments,
            read_checkpoints_as_data,
            evaluate_names_only,
            provide_hub_names,
            provide_unused_imports,
            provide_edit_distance,
            name_items_of_series,
            stay_on_the_processor,
        ),
    )


def load_torchaudio() -> bool:
    """torchaudio is imported before the fixes below need it; without its compiled part where that doesn't fit torch."""
    import_torchaudio()
    return getattr(sys.modules.get("torchaudio._extension.utils"), "_load_lib", None) is _no_library


def import_torchaudio() -> types.ModuleType:
    """Import torchaudio; beside a CPU-only torch, without its compiled part.

    PyPI's torchaudio wheel is built for CUDA, and its compiled part asks for libc10_cuda.so.  torchaudio goes on without
    that part when its file is not there, and nothing s3prl does needs it; so it is told that the file is not there.
    """
    try:
        return importlib.import_module("torchaudio")
    except ImportError as error:
        raise BudgetError("s3prl needs the package torchaudio: install the release that fits your torch") from error
    except OSError:
        loader = sys.modules.get("torchaudio._extension.utils")
        if loader is None:
            raise
        loader._load_lib = _no_library
        return importlib.import_module("torchaudio")


def _no_library(name: str) -> bool:
    """In place of torchaudio's ``_load_lib``: no library of that name is there."""
    return False


def keep_audio_backend_call() -> bool:
    """``torchaudio.set_audio_backend`` is gone since 2.2; s3prl still calls it, and there is nothing left to set."""
    torchaudio = importlib.import_module("torchaudio")
    if not hasattr(torchaudio, "set_audio_backend"):
        torchaudio.set_audio_backend = _ignore
    return torchaudio.set_audio_backend is _ignore


def _ignore(*_: Any, **__: Any) -> None:
    """In place of calls that have become meaningless."""


def provide_sox_effects() -> bool:
    """``torchaudio.sox_effects`` is gone since 2.9; KS, ASV and QbE read their audio with it."""
    torchaudio = importlib.import_module("torchaudio")
    present = sys.modules.get("torchaudio.sox_effects")
    if present is not None or importlib.util.find_spec("torchaudio.sox_effects") is not None:
        return getattr(present, "apply_effects_file", None) is sox.apply_effects_file
    module = types.ModuleType("torchaudio.sox_effects", sox.__doc__)
    module.apply_effects_file = sox.apply_effects_file
    module.apply_effects_tensor = sox.apply_effects_tensor
    sys.modules[module.__name__] = torchaudio.sox_effects = module
    return True


def load_audio_with_soundfile() -> bool:
    """``torchaudio.load`` needs torchcodec and FFmpeg since 2.9; soundfile reads what SUPERB's corpora are made of."""
    torchaudio = importlib.import_module("torchaudio")
    needs_torchcodec = hasattr(torchaudio, "load_with_torchcodec")
    if needs_torchcodec and importlib.util.find_spec("torchcodec") is None:
        torchaudio.load = sox.load
    return torchaudio.load is sox.load


def provide_audio_info() -> bool:
    """``torchaudio.info`` is gone since 2.9; ``s3prl.problem`` measures recordings with it."""
    torchaudio = importlib.import_module("torchaudio")
    if not hasattr(torchaudio, "info"):
        torchaudio.info = sox.info
    return torchaudio.info is sox.info


def provide_tensorboard_writer() -> bool:
    """``s3prl.problem`` writes events by torch's writer, which needs the package tensorboard; tensorboardX does as well."""
    name = "torch.utils.tensorboard"
    here = {package: importlib.util.find_spec(package) is not None for package in ("tensorboard", "tensorboardX")}
    if name in sys.modules or here["tensorboard"] or not here["tensorboardX"]:
        return not here["tensorboard"] and name in sys.modules
    package, writer = types.ModuleType(name), types.ModuleType(f"{name}.writer")
    package.__path__, package.writer = [], writer
    package.SummaryWriter = writer.SummaryWriter = importlib.import_module("tensorboardX").SummaryWriter
    sys.modules |= {module.__name__: module for module in (package, writer)}
    return True


def allow_saved_arguments() -> bool:
    """s3prl saves its arguments (a Namespace, which is plain data) in checkpoints, which torch >= 2.6 refuses to read."""
    needed = hasattr(torch.serialization, "add_safe_globals")
    if needed:
        torch.serialization.add_safe_globals([argparse.Namespace])
    return needed


def evaluate_names_only() -> bool:
    """s3prl evaluates texts of recipes and checkpoints as code, which only need to be names and numbers."""
    evaluation.guard()
    return True


def read_checkpoints_as_data() -> bool:
    """Some of s3prl's upstreams let a checkpoint run code (``weights_only=False``), and none cares whether reading ends."""
    original = torch.load
    if getattr(original, "as_data", False):
        return True

    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        if not sys._getframe(1).f_globals.get("__name__", "").startswith(("s3prl.", "fairseq.")):
            return original(f, *args, **kwargs)
        path = str(f if isinstance(f, str | os.PathLike) else getattr(f, "name", ""))
        if os.path.isfile(path):
            check_file(path)
        try:
            return original(f, *args, **{**kwargs, "weights_only": True})
        except OSError:
            raise
        except Exception as error:  # whatever is in it
            reason = (str(error.__context__ or error).splitlines() or [""])[0][:160]
            raise BudgetError(f"`{path}` holds more than tensors and plain values ({reason}): it isn't read") from error

    load.as_data = True
    torch.load = load
    return True


def provide_hub_names() -> bool:
    """huggingface_hub >= 1 lacks two names that s3prl imports, for uploading to and reading from that hub."""
    hub = importlib.import_module("huggingface_hub")
    missing = [name for name in ("HfFolder", "Repository") if not hasattr(hub, name)]
    for name in missing:
        setattr(hub, name, _absent(f"huggingface_hub.{name}", "pip install 'huggingface_hub<1'"))
    return bool(missing)


UNUSED = (
    ("catalyst.data.sampler", ("DistributedSamplerWrapper",)),
    ("sox", ("Transformer",)),
    # HEAR's sound events, which `s3prl.problem` imports beside SUPERB's tasks
    ("sed_eval.sound_event", ("SoundEventMetrics", "SegmentBasedMetrics", "EventBasedMetrics")),
    ("dcase_util.containers", ("MetaDataContainer",)),
)
"""Modules that s3prl imports and SUPERB doesn't use without distributed training, and what is asked of them.

None that other packages use: setuptools, whose `distutils` s3prl needs on Python 3.12 and later, found the stand-in of
`more_itertools`, which is therefore installed.
"""


def provide_unused_imports() -> bool:
    """Stand-ins for those packages that are not installed.

    The package `sox` runs the program of that name while it is imported; without the program, a shell complains.
    """
    made = False
    for module, names in UNUSED:
        package = module.partition(".")[0]
        if package in sys.modules:
            continue
        if importlib.util.find_spec(package) is None or (package == "sox" and shutil.which("sox") is None):
            remedy = f"pip install {package}"
            _make_module(module, {name: _absent(f"{module}.{name}", remedy) for name in names})
            made = True
    return made


def provide_edit_distance() -> bool:
    """``editdistance`` has no wheel for Python 3.13 and would need a compiler there; rapidfuzz counts the same edits."""
    needed = "editdistance" not in sys.modules and importlib.util.find_spec("editdistance") is None
    if needed:
        _make_module("editdistance", {"eval": _edits})
    return needed


def name_items_of_series() -> bool:
    """``Series.iteritems`` is gone since pandas 2; ``s3prl.problem`` reads the tables of IC and SF with it."""
    if importlib.util.find_spec("pandas") is None:
        return False
    series = importlib.import_module("pandas").Series
    if not hasattr(series, "iteritems"):
        series.iteritems = series.items
    return series.iteritems is series.items


def _edits(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Counts insertions, deletions and substitutions."""
    return importlib.import_module("rapidfuzz.distance.Levenshtein").distance(one, other)


def _absent(name: str, remedy: str) -> type:
    """A class that can be imported, and says what is missing as soon as it is used."""

    def refuse(*_: Any, **__: Any) -> None:
        raise BudgetError(f"`{name}` is not there, and this way of using s3prl needs it: {remedy}")

    used = type("UsedWhenAbsent", (type,), {"__call__": refuse, "__getattr__": refuse})
    return used(name.rpartition(".")[2], (), {})


def _make_module(full_name: str, content: dict[str, Any]) -> None:
    """Put a module with such content, and the packages above it, into sys.modules."""
    parent = None
    for part in full_name.split("."):
        module = types.ModuleType(part if parent is None else f"{parent.__name__}.{part}")
        module.__path__ = []
        sys.modules[module.__name__] = module
        if parent is not None:
            setattr(parent, part, module)
        parent = module
    vars(parent).update(content)


def stay_on_the_processor() -> bool:
    """Without CUDA, ``tensor.cuda()`` called by s3prl's own modules (ASV has it hard-coded) leaves the tensor where it is.

    Everyone else's call still fails as torch makes it fail.
    """
    original = torch.Tensor.cuda
    if torch.cuda.is_available() or getattr(original, "for_s3prl", False):
        return not torch.cuda.is_available()

    def cuda(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return self if caller.startswith("s3prl.") else original(self, *args, **kwargs)

    cuda.for_s3prl = True
    torch.Tensor.cuda = cuda
    return True
