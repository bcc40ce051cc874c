"""BEST-RQ (Chiu et al. 2022): predict the code that a frozen random quantizer gives each masked frame.

Unlike the paper, which masks and encodes log-mel frames with a Conformer, masking, front end and Transformer are those of
the study (Liu et al. 2024), so that objectives compare: only what is predicted is BEST-RQ's.  Targets are two stacked
log-mel frames of 10 ms for each frame of 20 ms; the paper stacks four for its 40 ms.

Letters: B utterances, S samples, F frames, M masked frames of each utterance, V codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.modules.encoder import Lengths, SpeechEncoder, device_tensor
from fairseq_budget.modules.log_mel import KaldiLogMel, pairs_of_frames
from fairseq_budget.objectives.best_rq.cost import STACKED
from fairseq_budget.objectives.best_rq.defaults import BestRQConfig
from fairseq_budget.objectives.best_rq.quantizer import RandomProjectionQuantizer
from fairseq_budget.objectives.loss import FEATURES_PENALTY, Loss

SMALLEST_DEVIATION = 1e-5
"""Below it a mel band says nothing: digital silence stays 0 instead of becoming noise."""


class BestRQ(SpeechEncoder):
    """One cross-entropy over the codes of the masked frames, and the penalty that every objective of the study has."""

    config: BestRQConfig

    def __init__(self, config: BestRQConfig) -> None:
        super().__init__(config)
        self.final_proj = nn.Linear(config.encoder_embed_dim, config.codes)
        self.log_mel = KaldiLogMel(config.mels)
        self.quantizer = RandomProjectionQuantizer(
            STACKED * config.mels, config.codes, config.code_dim, config.quantizer_seed
        )

    def forward(self, source: Tensor, lengths: Lengths = None, mask: Tensor | None = None) -> Loss:
        """Shape: source (B, S); lengths (B,) samples or None; mask (B, F) is drawn if None."""
        encoded = self.encode_masked(source, lengths, mask)
        frames = self.target_frames(source, encoded.hidden.size(1), device_tensor(lengths, source.device))
        wanted = self.quantizer(encoded.masked(frames).flatten(0, 1))
        # (B, M, V) -> (B * M, V)
        logits = self.final_proj(encoded.masked(encoded.hidden)).flatten(0, 1).float()
        prediction = F.cross_entropy(logits, wanted, reduction="sum")
        penalty = FEATURES_PENALTY * encoded.features_pen * wanted.numel()
        correct = (logits.detach().argmax(-1) == wanted).sum()
        terms = {"loss_prediction": prediction.detach(), "loss_features_pen": penalty.detach(), "correct": correct}
        return Loss(prediction + penalty, wanted.numel(), terms, {"code_perplexity": perplexity(wanted, self.config.codes)})

    @torch.no_grad()
    def target_frames(self, source: Tensor, frames: int, lengths: Tensor | None = None) -> Tensor:
        """Two stacked log-mel frames, normalised over the utterance, for each frame of the encoder.

        Every mel band has mean 0 and deviation 1 over the frames that exist: without it, all frames fall to a few codes
        (Chiu et al. 2022, section 3.1).

        Shape: source (B, S), lengths (B,) or None -> (B, F, 2 * mels)
        """
        mel = self.log_mel(source)
        own = None if lengths is None else self.log_mel.frames(lengths)
        return pairs_of_frames(normalise(mel, own), frames, own)


def normalise(x: Tensor, frames: Tensor | None) -> Tensor:
    """Mean 0 and deviation 1 of each value over an utterance's frames.

    Shape: x (B, T, D), frames (B,) that exist, or None when all do -> (B, T, D)
    """
    there = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    if frames is not None:
        there = (torch.arange(x.size(1), device=x.device) < frames[:, None]).to(x.dtype)
    there, count = there[..., None], there.sum(1)[:, None, None].clamp(min=1)
    centred = x - (x * there).sum(1, keepdim=True) / count
    deviation = ((centred.square() * there).sum(1, keepdim=True) / count).sqrt()
    return centred / deviation.clamp(min=SMALLEST_DEVIATION)


def perplexity(codes: Tensor, count: int) -> Tensor:
    """``exp(H(p))`` of the codes in a batch: of how many the targets make use.  Shape: (N,) -> ()"""
    share = torch.zeros(count, device=codes.device).index_add_(0, codes, torch.ones(len(codes), device=codes.device))
    share = share / max(len(codes), 1)
    return torch.exp(-(share * torch.log(share + 1e-7)).sum())


MODEL = BestRQ
