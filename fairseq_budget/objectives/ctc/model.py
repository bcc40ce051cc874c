"""CTC (Graves et al. 2006) on an encoder that was pre-trained, or on one from scratch.

Letters: B utterances, S samples, F frames, D model width, U units, L units of a transcript.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.kernels.dropout import dropout
from fairseq_budget.modules.encoder import Lengths, SpeechEncoder, device_tensor, valid_frames
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.objectives.ctc.cost import frozen_shape
from fairseq_budget.objectives.ctc.defaults import CtcConfig
from fairseq_budget.objectives.loss import Loss

BLANK = 0
"""The first symbol of fairseq's dictionaries, ``<s>``, which no transcript has; stock fairseq's CTC takes it, too."""
BLANK_BIAS = 5.0
"""Added to the blank's bias, so that training begins with few letters (the code of Vaessen and van Leeuwen)."""
LETTER_SCALE = 0.1
"""Of the other units' first weights (the same)."""


class Ctc(SpeechEncoder):
    """An encoder and a linear layer that gives every frame a distribution over blank and units.

    What was pre-trained is frozen in phases: the front end with its projection as long as `train_frontend` is off, the
    Transformer and the mask embedding for `freeze_updates` updates.  From scratch nothing is frozen.
    """

    config: CtcConfig

    def __init__(self, config: CtcConfig) -> None:
        super().__init__(config)
        self.proj = nn.Linear(config.encoder_embed_dim, config.units)
        with torch.no_grad():
            self.proj.bias[BLANK] += BLANK_BIAS
            others = torch.arange(config.units) != BLANK
            self.proj.weight[others] *= LETTER_SCALE
        self.updates = 0

    def set_num_updates(self, num_updates: int) -> None:
        """Called by fairseq before every step."""
        self.updates = num_updates

    @property
    def frozen_frontend(self) -> bool:
        return bool(self.config.checkpoint) and (self.frozen_encoder or not self.config.train_frontend)

    @property
    def frozen_encoder(self) -> bool:
        return bool(self.config.checkpoint) and self.updates < self.config.freeze_updates

    @property
    def step_shape(self) -> ModelShape:
        return frozen_shape(self.model_shape, self.frozen_frontend, self.frozen_encoder)

    def log_probabilities(
        self, source: Tensor, lengths: Lengths = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[int]]:
        """Of every frame.  Shape: source (B, S), lengths (B,) samples or None, mask (B, F) or None -> (B, F, U); frames."""
        trained = torch.is_grad_enabled()
        with torch.set_grad_enabled(trained and not self.frozen_frontend):
            raw, frame_lengths = self.features(source, device_tensor(lengths, source.device))
            x = self.project(self.normalise(raw))
        batch, frames = x.shape[:2]
        rows = [frames] * batch if lengths is None else [self.model_shape.frames(length) for length in lengths.tolist()]
        with torch.set_grad_enabled(trained and not self.frozen_encoder):
            if mask is None and self.training:
                mask = draw_mask(rows, self.config.mask_prob, self.config.mask_length, min_spans=0, equal=False)
            if mask is not None:
                x = torch.where(device_tensor(mask, source.device)[..., None], self.mask_emb.to(x.dtype), x)
            hidden = self.encoder(x, valid_frames(frame_lengths, frames))
        scores = self.proj(dropout(hidden, self.config.final_dropout, self.training))
        return F.log_softmax(scores.float(), dim=-1), rows

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        target_lengths: np.ndarray,
        lengths: Lengths = None,
        mask: Tensor | None = None,
    ) -> Loss:
        """The mean over utterances of a transcript's loss for each of its units, as a sum.

        A transcript that needs more frames than there are (one for each unit, and one between two equal ones) has no loss.

        Shape: source (B, S); target (B, L) int64, padded; target_lengths (B,); lengths (B,) samples or None; mask (B, F).
        """
        logs, frames = self.log_probabilities(source, lengths, mask)
        wanted = torch.as_tensor(target_lengths)
        losses = F.ctc_loss(
            # (B, F, U) -> (F, B, U)
            logs.transpose(0, 1),
            target,
            torch.tensor(frames),
            wanted,
            BLANK,
            reduction="none",
            zero_infinity=True,
        )
        total = (losses / wanted.clamp(min=1).to(losses.device)).sum()
        loss = Loss(total, len(losses), {"loss_prediction": total.detach()})
        if not self.training:
            loss.ratios["unit_error_rate"] = self._errors(logs, frames, target, target_lengths)
        return loss

    @staticmethod
    def _errors(logs: Tensor, frames: Sequence[int], target: Tensor, target_lengths: np.ndarray) -> tuple[Tensor, Tensor]:
        """How far the most probable units are from the transcripts.  Shape: -> edits (), units ()."""
        from rapidfuzz.distance import Levenshtein

        heard = best_path(logs, frames)
        meant = [row[:length] for row, length in zip(target.tolist(), target_lengths.tolist(), strict=True)]
        edits = sum(Levenshtein.distance(*pair) for pair in zip(heard, meant, strict=True))
        return logs.new_tensor(edits), logs.new_tensor(float(target_lengths.sum()))


def best_path(logs: Tensor, frames: Sequence[int]) -> list[list[int]]:
    """The units of each utterance's most probable path: repeats joined, blanks left out (Graves et al. 2006, section 3.2).

    Shape: logs (B, F, U), frames (B,) -> B lists
    """
    paths = [row[:length] for row, length in zip(logs.argmax(-1).cpu(), frames, strict=True)]
    return [[unit for unit in torch.unique_consecutive(path).tolist() if unit != BLANK] for path in paths]


MODEL = Ctc
