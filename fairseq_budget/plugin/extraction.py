"""fairseq's `extract_features` on our models, so that the field's scripts run on checkpoints as they are.

HuBERT's answers with a pair, wav2vec 2.0's with a dictionary, as theirs do; other objectives answer as HuBERT.  Unlike stock
HuBERT, which takes a frame for real if any of its 320 samples is, the padding of frames is what the convolutions make of it.

Letters: B utterances, S samples, F frames, C values of a front end's frame, D model width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from fairseq.tasks import FairseqTask
from omegaconf import open_dict
from torch import Tensor

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.errors import ConfigError
from fairseq_budget.modules.encoder import SpeechEncoder, device_tensor, valid_frames
from fairseq_budget.modules.masking import draw_mask


class Extracted(NamedTuple):
    """Hidden states x (B, F, D); padding (B, F) true where no frame is, or None; frames of the front end (B, F, C) as the
    encoder reads them; the encoder's input (B, F, D); every layer's output that ran."""

    x: Tensor
    padding: Tensor | None
    frames: Tensor
    projected: Tensor
    layers: list[Tensor]


class HubertFeatures(SpeechEncoder):
    """Answers as fairseq's HubertModel."""

    def extract_features(
        self,
        source: Tensor,
        padding_mask: Tensor | None = None,
        mask: bool = False,
        ret_conv: bool = False,
        output_layer: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Hidden states and their padding; `output_layer` counts from 1, and has no norm after the last layer.

        Shape: source (B, S), padding_mask (B, S) true where no sample is -> (B, F, D), (B, F) or None.
        """
        found = extract(self, source, padding_mask, mask, output_layer)
        return found.projected if ret_conv else found.x, found.padding


class Wav2Vec2Features(SpeechEncoder):
    """Answers as fairseq's Wav2Vec2Model."""

    def extract_features(
        self,
        source: Tensor,
        padding_mask: Tensor | None = None,
        mask: bool = False,
        layer: int | None = None,
        corpus_key: Any = None,
        output_layer: int | None = None,
    ) -> dict[str, Any]:
        """Hidden states `x`, `padding_mask`, `features` of the front end, and `layer_results`: every layer's output.

        `layer` counts from 0 as theirs, `output_layer` from 1 as HuBERT's.  Of a layer's result, attention's weights and the
        part of the feed-forward are None.  `corpus_key` is taken and of no effect, as theirs without adapters.

        Shape: source (B, S), padding_mask (B, S) -> x (B, F, D), padding_mask (B, F) or None, features (B, F, C),
        layer_results (F, B, D) each.
        """
        found = extract(self, source, padding_mask, mask, output_layer if layer is None else layer + 1)
        results = [(hidden.transpose(0, 1), None, None) for hidden in found.layers]
        return {"x": found.x, "padding_mask": found.padding, "features": found.frames, "layer_results": results}


def extract(
    model: SpeechEncoder, source: Tensor, padding_mask: Tensor | None, mask: bool, output_layer: int | None
) -> Extracted:
    """One pass, whose last layer is `output_layer`.  Shape: source (B, S), padding_mask (B, S) or None.

    Raises:
        ConfigError: there is no such layer.
    """
    depth = len(model.encoder.layers)
    if output_layer is not None and not 1 <= output_layer <= depth:
        raise ConfigError(f"`output_layer` must be from 1 to {depth}, the layers of this model, but is {output_layer}")
    is_padded = padding_mask is not None and bool(padding_mask.any())
    raw, lengths = model.features(source, (~padding_mask.bool()).sum(1) if is_padded else None)  # type: ignore[union-attr]
    valid, frames = valid_frames(lengths, raw.size(1)), model.normalise(raw)
    x = projected = model.project(frames)
    if mask:
        rows = [raw.size(1)] * raw.size(0) if lengths is None else lengths.tolist()
        drawn = device_tensor(draw_mask(rows, model.config.mask_prob, model.config.mask_length), x.device)
        # of a padded batch, the mask is as wide as its longest utterance
        drawn = torch.nn.functional.pad(drawn, (0, x.size(1) - drawn.size(1)))
        x = torch.where(drawn[..., None], model.mask_emb.to(x.dtype), x)
    states: list[Tensor] | None = None if model.training else []
    hidden = model.encoder(x, valid, states, output_layer)
    return Extracted(hidden, None if valid is None else ~valid, frames, projected, (states or [])[1:])


class LoadedTask(FairseqTask):
    """The task of a checkpoint that was only loaded: it tells how waves are prepared, and needs neither data nor labels."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        with open_dict(cfg):
            cfg.sample_rate = SAMPLE_RATE
