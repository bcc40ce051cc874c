"""s3prl's contract: unpadded waves in, one hidden state for every layer out, whatever else is in the batch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.frontends.mel.defaults import STATISTICS
from fairseq_budget.objectives import OBJECTIVES
from s3prl_upstreams.upstreams import hubconf
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from tests.warm_start import warm

Save = Callable[..., Path]


def waves(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(length, generator=generator) for length in lengths]


SETTINGS = [{"frontend": "conv"}, *({"frontend": "mel", "mel_statistics": statistics} for statistics in STATISTICS)]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings.values()))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_features_alone_are_those_in_a_padded_batch(
    save_tiny: Save, tmp_path: Path, objective: str, normalize: bool, settings: dict[str, str]
) -> None:
    expert = UpstreamExpert(str(save_tiny(tmp_path / "c.pt", objective, normalize, **settings))).eval()
    batch = waves(16000, 9137, 4801)
    with torch.no_grad():
        together = expert(batch)["hidden_states"]
        for row, wave in enumerate(batch):
            for alone, state in zip(expert([wave])["hidden_states"], together, strict=True):
                frames = alone.shape[1]
                torch.testing.assert_close(state[row, :frames], alone[0], atol=1e-4, rtol=1e-4)


def test_shapes_and_rate_are_what_s3prl_asserts(tiny: Path) -> None:
    expert = UpstreamExpert(str(tiny))
    result = expert(waves(16000, 12000))
    assert [tuple(state.shape) for state in result["hidden_states"]] == [(2, 49, 32)] * 3
    assert result["last_hidden_state"] is result["hidden_states"][-1]
    assert expert.get_downsample_rates("hidden_states") == 320
    assert abs(49 - round(16000 / 320)) < 5


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_waves_too_short_for_a_frame_still_have_one(save_tiny: Save, tmp_path: Path, frontend: str) -> None:
    expert = UpstreamExpert(str(save_tiny(tmp_path / "c.pt", "hubert", frontend=frontend))).eval()
    states = expert(waves(100, 3200))["hidden_states"]
    assert states[-1].shape[:2] == (2, 9) and bool(torch.isfinite(states[-1]).all())
    assert expert(waves(100))["last_hidden_state"].shape[:2] == (1, 1)


def test_normalisation_makes_loudness_disappear(save_tiny: Save, tmp_path: Path) -> None:
    quiet = waves(8000)
    for normalize in (True, False):
        expert = UpstreamExpert(str(save_tiny(tmp_path / "c.pt", "hubert", normalize))).eval()
        loud = expert([10 * quiet[0]])["hidden_states"][0]
        same = torch.allclose(loud, expert(quiet)["hidden_states"][0], atol=2e-3)
        # without normalisation the first layer's group norm already takes out most of the loudness, so look closer
        assert same if normalize else not torch.equal(loud, expert(quiet)["hidden_states"][0])


def test_fine_tuning_reaches_all_weights_and_drops_no_layer(save_tiny: Save, tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "c.pt", "hubert", encoder_layerdrop=1.0)
    expert = UpstreamExpert(str(path)).train()
    states = expert(waves(8000, 8000))["hidden_states"]
    assert len(states) == 2 + 1
    sum(state.square().sum() for state in states).backward()
    without = {name for name, weight in expert.named_parameters() if weight.grad is None}
    assert without == {"model.mask_emb", "model.label_embs_concat", "model.final_proj.weight", "model.final_proj.bias"}


def test_there_is_a_name_for_every_size(thirty: Path) -> None:
    published = {f"random_{name}" for name, size in SIZES.items() if not size.mini}
    assert set(hubconf.WITHOUT_CHECKPOINT) == published
    names = {f"budget_{size}" for size in SIZES} | {"budget_local", "random_local"} | published
    assert set(hubconf.UPSTREAMS) == names
    assert all(getattr(hubconf, name) is function for name, function in hubconf.UPSTREAMS.items())
    for function in (hubconf.budget_30, hubconf.budget_local):
        assert isinstance(function(ckpt=str(thirty), model_config=None, refresh=False), UpstreamExpert)


def test_an_untrained_model_has_the_shape_and_the_statistics(save_tiny: Save, tmp_path: Path) -> None:
    checkpoint = str(save_tiny(tmp_path / "c.pt", "hubert", frontend="mel"))
    trained = UpstreamExpert(checkpoint).model
    torch.manual_seed(1)
    model = hubconf.random_local(checkpoint).model
    torch.manual_seed(1)
    again = hubconf.random_local(checkpoint).model
    weights = dict(trained.named_parameters())
    assert all(value.shape == weights[name].shape for name, value in model.named_parameters())
    assert not torch.equal(model.encoder.layers[0].fc1.weight, trained.encoder.layers[0].fc1.weight)
    assert torch.equal(model.encoder.layers[0].fc1.weight, again.encoder.layers[0].fc1.weight)
    buffers = dict(trained.named_buffers())
    assert buffers and all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())


def test_an_untrained_model_of_a_size_is_always_the_same(thirty: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    expert = hubconf.random_30(ckpt=None, model_config=None, refresh=False)
    assert torch.equal(torch.rand(3), expected), "what is drawn after it, such as a head, doesn't depend on it"
    again = hubconf.random_30().state_dict()
    assert all(torch.equal(value, again[name]) for name, value in expert.state_dict().items())
    trained = {name: value.shape for name, value in UpstreamExpert(str(thirty)).model.encoder.named_parameters()}
    assert {name: value.shape for name, value in expert.model.encoder.named_parameters()} == trained
    assert not expert.model.training and not expert.normalize
    with pytest.raises(BudgetError, match="`-u random_30` reads no checkpoint: leave out `.*`, or use `-u random_local`"):
        hubconf.random_30(ckpt=str(thirty))


def test_no_checkpoint() -> None:
    with pytest.raises(
        BudgetError, match=r"`-u budget_slim` needs a checkpoint: add `-k PATH` \(`path_or_url` of S3PRLUpstream\)"
    ):
        hubconf.budget_slim(ckpt=None, model_config=None, refresh=False)


def test_a_model_configuration_is_refused(tiny: Path) -> None:
    with pytest.raises(BudgetError, match="leave out `-g x.yaml`"):
        hubconf.budget_local(ckpt=str(tiny), model_config="x.yaml", refresh=False)


def test_a_checkpoint_of_another_size(thirty: Path, tiny: Path) -> None:
    with pytest.raises(BudgetError, match="`-u budget_slim` is of size slim, but `.*` is of size 30: use `-u budget_30`"):
        hubconf.budget_slim(ckpt=str(thirty))
    with pytest.raises(BudgetError, match=r"is of no size in the table \(2 layers x 32\): use `-u budget_local`"):
        hubconf.budget_slim(ckpt=str(tiny))


WITHOUT_FAIRSEQ = """
import sys

class NoFairseq:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fairseq", "omegaconf", "hydra"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, NoFairseq())
import torch
from s3prl_upstreams.upstreams.hubconf import budget_local
states = budget_local(ckpt=sys.argv[1])([torch.zeros(16000)])["hidden_states"]
print(len(states), *states[0].shape)
"""


@pytest.mark.integration
def test_fairseq_is_not_needed(tiny: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_FAIRSEQ, str(tiny)]
    answer = warm(hook=False).run(command, Path(__file__).parents[3])
    assert answer.stdout.split() == ["3", "1", "49", "32"], answer.stderr


def test_stride_and_shortest_wave_are_the_models(save_tiny: Callable[..., Path], tmp_path: Path) -> None:
    """A front end of 10 ms frames says so; what sees fewer samples has shorter waves."""
    path = save_tiny(tmp_path / "fast.pt", "tera")
    assert UpstreamExpert(str(path)).get_downsample_rates("hidden_states") == 320
    fine = tmp_path / "fine.pt"
    content = torch.load(path, weights_only=False)
    content["cfg"]["model"]["conv_feature_layers"] = "[(24,10,5)] + [(24,3,2)] * 4 + [(24,2,2)]"
    del content["model"]["feature_extractor.conv_layers.6.0.weight"]
    torch.save(content, fine)
    expert = UpstreamExpert(str(fine))
    assert expert.get_downsample_rates("hidden_states") == 160
    assert expert.shortest_wave == expert.model.model_shape.shortest_crop == 240
    assert expert([torch.randn(100)])["last_hidden_state"].shape[1] == 1
    assert expert([torch.randn(16_000)])["last_hidden_state"].shape[1] == 99
