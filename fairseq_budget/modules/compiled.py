"""torch.compile for the Transformer's layers, one compilation for all lengths."""

from __future__ import annotations

import torch

from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.compiler import find_compiler, wanted_compilers
from fairseq_budget.modules.encoder import SpeechEncoder


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
    if find_compiler() is None:
        raise BudgetError(
            f"`model.compile` needs a C++ compiler, but none of {', '.join(wanted_compilers())} is on the PATH: "
            "install one (Debian: `apt install g++`) or train without `model.compile=true`"
        )
