"""Other people's upstreams: what padding does to their features is noticed, and one utterance at a time it does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from fairseq_budget.checkpoints import s3prl as for_s3prl
from s3prl_upstreams.host import compat, hub
from s3prl_upstreams.sweep.spent import upstream_flops
from s3prl_upstreams.upstreams.batches import OneByOne, padding_effect
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from tests.common import waves


@pytest.fixture(scope="module")
def theirs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """s3prl's own HuBERT, whose first convolution has a group norm, with the parameters of `tiny`."""
    compat.apply()
    path = tmp_path_factory.mktemp("theirs") / "tiny.pt"
    for_s3prl.export(tiny, path)
    return hub.install().hubert_local(ckpt=str(path)).eval()


def test_padding_is_noticed_in_theirs_and_not_in_ours(theirs: nn.Module, tiny: Path) -> None:
    before = torch.random.get_rng_state()
    assert padding_effect(theirs) > 0.1
    assert torch.equal(torch.random.get_rng_state(), before)
    assert padding_effect(UpstreamExpert(str(tiny))) is None
    assert padding_effect(hub.install().fbank(model_config=None)) is None
    assert padding_effect(OneByOne(theirs)) is None


@torch.no_grad()
def test_one_by_one_each_utterance_is_as_alone(theirs: nn.Module) -> None:
    long, short = waves(1, 12000)[0], waves(1, 8000)[0]
    together = OneByOne(theirs)([long, short])
    states = theirs([short])["hidden_states"]
    assert len(together["hidden_states"]) == len(states) == 3
    for state, alone in zip(together["hidden_states"], states, strict=True):
        assert state.shape == (2, 37, 32) and alone.shape[1] == 24
        torch.testing.assert_close(state[1, :24], alone[0])
        assert not state[1, 24:].any()
    assert together["_hidden_states_info"][0] == "self.model.encoder.layers[0]"
    assert OneByOne(theirs).get_downsample_rates("hidden_states") == 320


def test_dictionaries_and_single_tensors_are_put_together() -> None:
    class Named(nn.Module):
        def forward(self, wavs: list[torch.Tensor]) -> dict[str, object]:
            wave = wavs[0]
            return {"layers": {"a": wave[None, :, None]}, "last_hidden_state": wave[None, :, None], "scale": torch.tensor(2)}

    together = OneByOne(Named())([torch.ones(2), torch.ones(3)])
    assert together["layers"]["a"].tolist() == [[[1], [1], [0]], [[1], [1], [1]]]
    assert together["last_hidden_state"].shape == (2, 3, 1) and together["scale"] == 2


def test_what_an_upstream_computes_is_counted_one_by_one_as_well(tiny: Path) -> None:
    ours = UpstreamExpert(str(tiny))
    assert upstream_flops(OneByOne(ours), [16000]) == upstream_flops(ours, [16000])
