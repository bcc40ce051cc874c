"""torch.compile for the Transformer's layers, one compilation for all lengths."""

from __future__ import annotations

import os
import shutil

import torch

from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.encoder import SpeechEncoder

COMPILERS = ("g++", "clang++", "c++")


def compile_layers(network: SpeechEncoder) -> None:
    """Replace each layer's computation by a compiled one that takes any number of utterances and frames.

    Modules aren't wrapped: state dicts keep stock fairseq's names.  The rest of the model is matrix products already, of
    shapes that differ with the length of a batch.
    """
    check_compiler()
    for layer in network.encoder.layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def check_compiler() -> None:
    """Refuse before training begins what torch.compile would only refuse in the first step, at length."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    if not any(shutil.which(name) for name in wanted):
        raise BudgetError(
            f"`model.compile` needs a C++ compiler, but none of {', '.join(wanted)} is on the PATH: "
            "install one (Debian: `apt install g++`) or train without `model.compile=true`"
        )
