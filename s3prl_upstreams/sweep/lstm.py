"""LSTMs of heads in bf16: those of ASR and SF hold 42 million parameters, more than a small upstream computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

PRECISIONS = ("fp32", "bf16")
"""What LSTMs may compute in: SUPERB's own, or torch's mixed precision."""


class HalfLSTM(nn.LSTM):
    """An LSTM that computes in bf16, with parameters, inputs and outputs in fp32."""

    def forward(self, sequence: Any, state: Any = None) -> Any:  # type: ignore[override]
        """Shape: as torch's, packed or not."""
        values = sequence.data if isinstance(sequence, PackedSequence) else sequence
        with torch.autocast(values.device.type, torch.bfloat16):
            found, last = super().forward(sequence, state)
        return found.to(torch.float32), tuple(value.float() for value in last)


def halve(head: nn.Module) -> None:
    """Have all LSTMs of a head compute in bf16; what they have learned, and their names in checkpoints, stay."""
    for module in head.modules():
        if type(module) is nn.LSTM:
            module.__class__ = HalfLSTM
