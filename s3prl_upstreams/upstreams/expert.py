"""The upstream that s3prl's runner talks to: unpadded waves in, the hidden states of every layer out.

Letters: B waves, T samples, F frames, D width of the Transformer, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from torch.nn.utils.rnn import pad_sequence

from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.checkpoints.pretrained import Pretrained, load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import OBJECTIVES, build_model
from s3prl_upstreams.store.numerics import model_digest

UNTRAINED_OBJECTIVE = "hubert"
UNTRAINED_SEED = 1


class UpstreamExpert(nn.Module):
    """A pre-trained model as s3prl wants it.

    Arguments are those s3prl gives to an upstream by keyword: `ckpt` (``-k``), `model_config` (``-g``, which has no meaning
    here: a checkpoint says everything), and others that are ignored as s3prl's own upstreams do.  `upstream` is the name to
    use in messages, `size` the size that the checkpoint must have (None: any), `untrained` to have its shape and
    what it measured of its corpus, but weights drawn anew; with a size, too, no checkpoint is read.

    Raises:
        BudgetError: there is no checkpoint, or one too many, it cannot be read, or it is of another size.
    """

    def __init__(
        self,
        ckpt: str | None = None,
        model_config: str | None = None,
        upstream: str = "budget_local",
        size: str | None = None,
        untrained: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        if model_config is not None:
            raise BudgetError(f"`-u {upstream}` takes no configuration: leave out `-g {model_config}`")
        if untrained and size is not None:
            if ckpt:
                raise BudgetError(f"`-u {upstream}` reads no checkpoint: leave out `{ckpt}`, or use `-u random_local`")
            self.model, self.normalize = never_trained(size)
        else:
            pretrained = _read(ckpt, upstream, size)
            self.model = _drawn_anew(pretrained) if untrained else pretrained.model
            self.normalize = pretrained.normalize
        self.shortest_wave = self.model.model_shape.shortest_crop
        """Samples: what one frame sees.  A shorter wave is read as if silence followed, so that it still has a frame."""

    def get_downsample_rates(self, key: str) -> int:
        """Samples of the wave for each frame of the features called `key`; the same for all of them."""
        return self.model.model_shape.stride

    def frames(self, samples: int) -> int:
        """Frames of a wave of so many samples."""
        return self.model.model_shape.frames(max(samples, self.shortest_wave))

    def state_shape(self) -> tuple[int, int]:
        """Hidden states of a frame, and their width."""
        return self.model.model_shape.layers + 1, self.model.model_shape.dim

    def identity(self) -> str:
        """A digest of everything in the model that decides its numbers; the store of hidden states asks for it."""
        return model_digest(self.model, self.model.config, self.normalize)

    def forward(self, wavs: list[Tensor], least_frames: int = 0) -> dict[str, Any]:
        """Features of `wavs`, 16 kHz.

        Shape: B waves of (T_b,) -> ``hidden_states``: L + 1 tensors (B, F, D), the input of the first layer and every
        layer's output; ``last_hidden_state``: the last of them.  F is that of the longest wave, or `least_frames`; frames
        behind the end of a shorter one mean nothing, but are the same in every batch that has them.
        """
        if self.normalize:
            wavs = [layer_norm(wave, wave.shape) for wave in wavs]
        lengths = torch.tensor([max(len(wave), self.shortest_wave) for wave in wavs], device=wavs[0].device)
        source = pad_sequence(wavs, batch_first=True)  # B x (T_b,) -> (B, T)
        longest = max(self.shortest_wave, source.shape[1])
        longest += self.get_downsample_rates("hidden_states") * max(0, least_frames - self.frames(longest))
        source = nn.functional.pad(source, (0, longest - source.shape[1]))
        hidden_states, _ = self.model.extract(source, lengths)
        return {"hidden_states": hidden_states, "last_hidden_state": hidden_states[-1]}


def never_trained(size: str) -> tuple[SpeechEncoder, bool]:
    """HuBERT of a published size with its first weights, always the same ones, and whether its waves are normalised.

    Up to Base the objectives differ in heads alone, which features don't come from; of Large, the others have other norms.
    """
    objective = OBJECTIVES[UNTRAINED_OBJECTIVE]
    settings = objective.settings(get_size(size))
    with torch.random.fork_rng(devices=[]):  # what others draw stays the same
        torch.default_generator.manual_seed(UNTRAINED_SEED)
        model = build_model(objective.name, objective.model_config(settings)).eval()
    return model, settings["normalize"]


def _read(ckpt: str | None, upstream: str, size: str | None) -> Pretrained:
    if not ckpt:
        raise BudgetError(f"`-u {upstream}` needs a checkpoint: add `-k PATH` (`path_or_url` of S3PRLUpstream)")
    pretrained = load_pretrained(ckpt)
    found = pretrained.size.name if pretrained.size else None
    if size is not None and found != size:
        is_found = f"of size {found}" if found else f"of no size in the table ({pretrained.shape})"
        raise BudgetError(
            f"`-u {upstream}` is of size {size}, but `{ckpt}` is {is_found}: "
            f"use `-u budget_{found or 'local'}` or another checkpoint"
        )
    return pretrained


def _drawn_anew(pretrained: Pretrained) -> SpeechEncoder:
    """The model before its first update: torch's seed decides its weights, buffers (statistics of mel bands) are kept."""
    model = build_model(pretrained.objective, pretrained.config).eval()
    model.load_state_dict(dict(pretrained.model.named_buffers()), strict=False)
    return model
