"""BEST-RQ (Chiu et al. 2022): predict the code that a frozen random quantizer gives each masked frame.

Unlike the paper, which masks and encodes log-mel frames with a Conformer, masking, front end and Transformer are those of
the study (Liu et al. 2024), so that objectives compare: only what is predicted is BEST-RQ's.  Targets are two stacked
log-mel frames of 10 ms for each frame of 20 ms; the paper stacks four for its 40 ms.  A model that reads fixed frames
predicts the codes of those, as the paper's does.

Letters: B utterances, S samples, F frames, M masked frames of each utterance, V codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.modules.encoder import Lengths, SpeechEncoder, device_tensor
from fairseq_budget.modules.log_mel import KaldiLogMel, normalise, pairs_of_frames
from fairseq_budget.objectives.best_rq.defaults import BestRQConfig
from fairseq_budget.objectives.best_rq.quantizer import RandomProjectionQuantizer
from fairseq_budget.objectives.loss import FEATURES_PENALTY, Loss


class BestRQ(SpeechEncoder):
    """One cross-entropy over the codes of the masked frames, and the penalty that every objective of the study has."""

    config: BestRQConfig

    def __init__(self, config: BestRQConfig) -> None:
        super().__init__(config)
        self.final_proj = nn.Linear(config.encoder_embed_dim, config.codes)
        self.log_mel = KaldiLogMel(config.mels)
        width = config.head().frame_dim(self.model_shape)
        self.quantizer = RandomProjectionQuantizer(width, config.codes, config.code_dim, config.quantizer_seed)

    def forward(self, source: Tensor, lengths: Lengths = None, mask: Tensor | None = None) -> Loss:
        """Shape: source (B, S); lengths (B,) samples or None; mask (B, F) is drawn if None."""
        encoded = self.encode_masked(source, lengths, mask)
        frames = encoded.frames
        if self.model_shape.frontend.learns:
            frames = self.target_frames(source, frames.size(1), device_tensor(lengths, source.device))
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


def perplexity(codes: Tensor, count: int) -> Tensor:
    """``exp(H(p))`` of the codes in a batch: of how many the targets make use.  Shape: (N,) -> ()"""
    share = torch.zeros(count, device=codes.device).index_add_(0, codes, torch.ones(len(codes), device=codes.device))
    share = share / max(len(codes), 1)
    return torch.exp(-(share * torch.log(share + 1e-7)).sum())


MODEL = BestRQ
