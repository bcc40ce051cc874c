"""An upstream with a store gives what it gives without, and computes an utterance once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fairseq_budget.objectives import OBJECTIVES
from s3prl_upstreams.store import folder, numerics
from s3prl_upstreams.store.folder import Store
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from tests.unit.s3prl_upstreams.test_upstream_expert import SETTINGS, Save, waves


def features(upstream: Callable[[list[Tensor]], dict[str, list[Tensor]]], *batches: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [torch.stack(upstream(batch)["hidden_states"]) for batch in batches]


def as_s3prl_reads(states: Tensor, batch: list[Tensor]) -> list[Tensor]:
    """A featurizer takes ``round(samples / rate)`` frames, which can be one more than the wave has."""
    return [states[:, row, : round(len(wave) / 320)] for row, wave in enumerate(batch)]


# of 320 samples, 79 are too few for a frame, 80 to 159 make one that s3prl doesn't read, and with 161 it reads one more
LENGTHS = (9600, 9679, 9680, 9759, 9761, 9800, 100, 350)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings.values()))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_features_are_those_without_a_store(
    save_tiny: Save, store: Store, tmp_path: Path, objective: str, normalize: bool, settings: dict[str, str]
) -> None:
    plain = UpstreamExpert(str(save_tiny(tmp_path / "c.pt", objective, normalize, **settings))).eval()
    stored, all_waves = StoredUpstream(plain, store), waves(*LENGTHS)
    alone = [[wave] for wave in all_waves]
    batches = [*alone[:4], all_waves, *alone, all_waves[3:5], all_waves[::-1]]
    for batch, expected, found in zip(batches, features(plain, *batches), features(stored, *batches), strict=True):
        assert expected.shape == found.shape
        for one, two in zip(as_s3prl_reads(expected, batch), as_s3prl_reads(found, batch), strict=True):
            torch.testing.assert_close(two, one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings.values()))
def test_means_are_those_of_the_frames_that_s3prl_reads(
    save_tiny: Save, store: Store, tmp_path: Path, settings: dict[str, str]
) -> None:
    plain = UpstreamExpert(str(save_tiny(tmp_path / "c.pt", "hubert", False, **settings))).eval()
    stored, all_waves = StoredUpstream(plain, store, means=True), waves(*LENGTHS[:-2])
    batches = [all_waves, *([wave] for wave in all_waves), all_waves[3:5], all_waves[::-1]]
    for batch, whole, means in zip(batches, features(plain, *batches), features(stored, *batches), strict=True):
        assert means.shape == (*whole.shape[:2], 1, whole.shape[3])
        expected = torch.stack([states.mean(dim=1) for states in as_s3prl_reads(whole, batch)], dim=1)
        torch.testing.assert_close(means[:, :, 0], expected, atol=1e-5, rtol=1e-4)
    assert stored.computed == []
    assert all(file.size < 3000 for file in folder.files(store.folder)), "one frame, not thirty"


def test_means_and_frames_are_kept_apart(upstream: UpstreamExpert, store: Store) -> None:
    frames, means = StoredUpstream(upstream, store), StoredUpstream(upstream, store, means=True)
    for _ in range(2):
        assert features(frames, waves(16000))[0].shape[2] == 49
        assert features(means, waves(16000))[0].shape[2] == 1


def test_an_utterance_is_computed_once(upstream: UpstreamExpert, store: Store) -> None:
    stored, (one, two, three) = StoredUpstream(upstream, store), waves(4000, 5000, 6000)
    for batch, computed in (([one, two, one], [4000, 5000]), ([three, one], [6000]), ([two, three], []), ([one], [])):
        features(stored, batch)
        assert stored.computed == computed
    again = StoredUpstream(upstream, Store(store.folder))
    first, second = features(stored, [one, two])[0], features(again, [one, two])[0]
    assert torch.equal(first, second) and again.computed == []


def test_the_first_pass_gives_what_later_ones_read(upstream: UpstreamExpert, store: Store) -> None:
    for half in (False, True):
        stored, batch = StoredUpstream(upstream, store, half), waves(4000, 5000)
        first, second = features(stored, batch, batch)
        assert torch.equal(first, second) and stored.computed == []


def test_half_precision_is_half_the_size_and_kept_apart(upstream: UpstreamExpert, store: Store) -> None:
    batch = waves(16000)
    sizes = []
    for half in (False, True):
        before = sum(file.size for file in folder.files(store.folder))
        found = features(StoredUpstream(upstream, store, half), batch)[0]
        torch.testing.assert_close(found, features(upstream, batch)[0], atol=2e-3 if half else 0, rtol=1e-3 if half else 0)
        sizes.append(sum(file.size for file in folder.files(store.folder)) - before)
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)


def test_what_half_precision_cannot_hold_is_kept_whole(upstream: UpstreamExpert, store: Store) -> None:
    with torch.no_grad():
        upstream.model.encoder.layer_norm.weight.fill_(1e6)
    found = features(StoredUpstream(upstream, store, half=True), waves(16000))[0]
    assert torch.isfinite(found).all() and torch.equal(found, features(upstream, waves(16000))[0])


@pytest.mark.parametrize("change", ["sample", "length", "weight", "normalize", "crop"])
def test_anything_else_is_a_miss(upstream: UpstreamExpert, store: Store, change: str) -> None:
    (wave,) = waves(16000)
    features(StoredUpstream(upstream, store), [wave])
    if change == "sample":
        wave[8000] += 1e-7
    elif change == "length":
        wave = torch.cat([wave, torch.zeros(1)])
    elif change == "crop":
        wave = wave[1:]
    elif change == "weight":
        with torch.no_grad():
            upstream.model.encoder.layers[0].fc1.weight[0, 0] += 1e-6
    else:
        upstream.normalize = True
    stored = StoredUpstream(upstream, store)
    found = features(stored, [wave])[0]
    assert stored.computed == [len(wave)]
    torch.testing.assert_close(found, features(upstream, [wave])[0], atol=1e-5, rtol=1e-4)


def test_the_code_and_the_precision_are_part_of_a_key(
    upstream: UpstreamExpert, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    features(StoredUpstream(upstream, store), waves(4000))
    monkeypatch.setattr("s3prl_upstreams.store.upstream.computation", lambda: "another")
    another = StoredUpstream(upstream, store)
    features(another, waves(4000))
    assert another.computed == [4000]
    on_gpu = {numerics.precision(torch.device("cuda"))}
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32)
    on_gpu.add(numerics.precision(torch.device("cuda")))
    assert len(on_gpu) == 2 and numerics.precision(torch.device("cpu")) == "cpu"


def test_crops_do_not_fill_the_disk(upstream: UpstreamExpert, store: Store) -> None:
    """Once what was expected is stored, only what comes a second time is."""
    stored, (wave, other) = StoredUpstream(upstream, store, expected=3), waves(16000, 4000)
    features(stored, [wave[:8000], wave[1:8001], wave[2:8002]])
    assert len(folder.files(store.folder)) == 3
    features(stored, *([wave[begin : begin + 8000]] for begin in range(10, 20)), [other])
    assert len(folder.files(store.folder)) == 3
    features(stored, [other])
    assert stored.computed == [4000] and len(folder.files(store.folder)) == 4
    features(stored, [other])
    assert stored.computed == []


@pytest.mark.parametrize("reason", ["training", "gradients", "autocast"])
def test_a_pass_that_is_not_a_frozen_models_leaves_the_store_alone(
    upstream: UpstreamExpert, store: Store, reason: str
) -> None:
    stored = StoredUpstream(upstream, store).train(reason == "training")
    with torch.set_grad_enabled(reason == "gradients"), torch.autocast("cpu", enabled=reason == "autocast"):
        stored(waves(4000))
    assert stored.computed == [4000] and folder.files(store.folder) == []


def test_damage_is_computed_again(upstream: UpstreamExpert, store: Store, told: list[str]) -> None:
    batch = waves(4000, 5000)
    expected = features(StoredUpstream(upstream, store), batch)[0]
    damaged = folder.files(store.folder)[0].path
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    stored = StoredUpstream(upstream, Store(store.folder, tell=told.append))
    torch.testing.assert_close(features(stored, batch)[0], expected, atol=1e-5, rtol=1e-4)
    assert len(stored.computed) == 1 and len(told) == 1 and str(damaged) in told[0]
    features(stored, batch)
    assert stored.computed == []
