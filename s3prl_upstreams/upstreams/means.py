"""Means over time, for heads that read nothing else of an utterance.

SUPERB's heads of KS, IC, SID and ER are a projection of each frame, the mean over frames, and a linear layer (Yang et al.
2021, section 3).  The weighted sum over layers, the projection and the mean are linear and may change places: on an
utterance's mean alone such a head computes, up to rounding, what it computes on all of its frames.

Letters: B waves, T samples, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Cut = Callable[[list[Tensor], Tensor], list[Tensor]]
"""Of s3prl's featurizer, ``tolist``: the frames of a padded batch (B, F, D) that are each wave's own, (F_b, D)."""
_FRAMES = (7, 4)
"""Of the two utterances that a head is tried on."""
_ROUNDING = 1e-4


class MeanUpstream(nn.Module):
    """An upstream whose answers are one frame for each wave: the mean of those that s3prl's featurizer would `cut`."""

    def __init__(self, upstream: nn.Module, cut: Cut) -> None:
        super().__init__()
        self.upstream, self.cut = upstream, cut

    def get_downsample_rates(self, key: str) -> int:
        """The upstream's own."""
        return self.upstream.get_downsample_rates(key)

    def forward(self, wavs: list[Tensor]) -> dict[str, Any]:
        """Shape: B waves of (T_b,) -> by key, tensors (B, 1, D) or lists of such."""
        return {key: self._means(wavs, value) for key, value in self.upstream(wavs).items()}

    def _means(self, wavs: list[Tensor], value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._means(wavs, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._means(wavs, inner) for inner in value]
        if isinstance(value, Tensor) and value.dim() == 3:
            return torch.stack([own.mean(dim=0, keepdim=True) for own in self.cut(wavs, value)])
        return value


def suffice(expert: Any, featurizer: Any) -> bool:
    """Whether a head of s3prl's gives the mean of an utterance the logits that it gives all frames; tried on two."""
    projector, model = getattr(expert, "projector", None), getattr(expert, "model", None)
    if featurizer.normalize or not isinstance(projector, nn.Linear) or not isinstance(model, nn.Module):
        return False
    draw = torch.Generator().manual_seed(0)
    frames = [torch.randn(count, projector.in_features, generator=draw).to(projector.weight.device) for count in _FRAMES]
    means = [own.mean(dim=0, keepdim=True) for own in frames]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            whole, alone = (_logits(projector, model, given) for given in (frames, means))
    except (TypeError, ValueError, RuntimeError):  # a model of another kind
        return False
    finally:
        model.train(was_training)
    return whole.shape == alone.shape and torch.allclose(whole, alone, rtol=_ROUNDING, atol=_ROUNDING)


def _logits(projector: nn.Linear, model: nn.Module, frames: list[Tensor]) -> Tensor:
    """As the experts call their models.  Shape: B tensors (F_b, D) -> (B, classes)"""
    lengths = torch.tensor([len(own) for own in frames], dtype=torch.int32, device=frames[0].device)
    logits, _ = model(projector(nn.utils.rnn.pad_sequence(frames, batch_first=True)), lengths)
    return torch.as_tensor(logits)
