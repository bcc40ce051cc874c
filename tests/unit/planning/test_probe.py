"""The probe measures what it can and scales the rest, and says which is which."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.plan import Setting
from fairseq_budget.arithmetic.sizes import SIZES, Size
from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import shape_of
from fairseq_budget.planning import probe
from fairseq_budget.planning.probe import MEASURED, SCALED, Prober
from fairseq_budget.planning.steps import Phases

SMALL = replace(SIZES["30"], name="tiny", encoder_layers=1, encoder_embed_dim=32, encoder_ffn_embed_dim=32)
LARGER = replace(SMALL, name="larger", encoder_layers=3)
SETTING = Setting(ranks=2, samples_per_batch=100_000, accumulation=3, crop=20_000)
RATE = 1e12


def prober(**settings: object) -> Prober:
    values = {"utterances": 1, "samples": 4000, "seconds": 60.0}
    return Prober("tera", SETTING, torch.device("cpu"), "fp32", RATE, **{**values, **settings})


def flops(size: Size) -> int:
    return training_flops(shape_of("tera", size), [4000])


def test_measured_and_scaled_rows() -> None:
    larger, small = prober(seconds=1e-9).probe([LARGER, SMALL])
    assert (small.how, larger.how) == (MEASURED, SCALED)
    computing = small.seconds.forward + small.seconds.backward
    assert small.flops_per_second == pytest.approx(flops(SMALL) / computing)
    assert small.matmul_share == pytest.approx(small.flops_per_second / RATE)
    # three batches of 88.8% of 100,000 samples, beside one step of the optimizer
    batch = 0.888 * 100_000 / 20_000 * training_flops(shape_of("tera", SMALL), [20_000])
    expected = 3 * batch / small.flops_per_second + small.seconds.optimizer
    assert small.update_seconds == pytest.approx(expected, rel=1e-6)
    assert larger.flops_per_second == pytest.approx(small.flops_per_second)
    assert larger.seconds.forward == pytest.approx(small.seconds.forward * flops(LARGER) / flops(SMALL))
    assert larger.batch_bytes is larger.plan_bytes is larger.largest_batch is None


def test_mel_frames_are_probed() -> None:
    (row,) = prober(frontend="mel").probe([SMALL])
    spent = training_flops(shape_of("tera", SMALL, frontend="mel"), [4000])
    assert row.flops_per_second == pytest.approx(spent / (row.seconds.forward + row.seconds.backward))


def test_memory_is_measured_and_reckoned() -> None:
    (row,) = prober(samples=16_000).probe([SMALL])
    assert 2**20 < row.batch_bytes < 2**31
    assert row.plan_bytes > row.batch_bytes, "the plan's batch is larger"
    assert row.largest_batch > SETTING.samples_per_batch
    assert row.largest_batch % SETTING.crop == 0
    assert not row.largest_batch_ran


@pytest.mark.parametrize(
    ("largest", "accumulation", "max_tokens"),
    [
        (1_000_000, 1, 300_000),  # the plan accumulates three batches of five crops; one of fifteen fits
        (300_000, 1, 300_000),
        (280_000, 2, 160_000),  # eight and seven crops
        (100_000, 3, 100_000),
        (40_000, 8, 40_000),
        (20_000, 15, 20_000),
    ],
)
def test_the_fewest_batches_that_fit(largest: int, accumulation: int, max_tokens: int) -> None:
    assert (SETTING.accumulation, SETTING.samples_per_batch, SETTING.crop) == (3, 100_000, 20_000)
    row = prober()._row(shape_of("tera", SMALL), Phases(1.0, 1.0, 1.0), 1)
    found = replace(row, largest_batch=largest).with_batches(SETTING)
    assert (found.accumulation, found.max_tokens) == (accumulation, max_tokens)


def test_no_batches_where_none_fits() -> None:
    row = prober()._row(shape_of("tera", SMALL), Phases(1.0, 1.0, 1.0), 1)
    found = replace(row, largest_batch=0).with_batches(SETTING)
    assert found.accumulation is found.max_tokens is None


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Prober._measured_batch
    tried = []

    def limited(self: Prober, size: Size, utterances: int) -> probe.Probe:
        tried.append(utterances)
        if utterances > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return measure(self, size, utterances)

    monkeypatch.setattr(Prober, "_measured_batch", limited)
    (row,) = prober(utterances=4).probe([SMALL])
    assert tried == [4, 2, 1]
    assert (row.how, row.utterances) == (MEASURED, 1)
    assert row.flops_per_second == pytest.approx(flops(SMALL) / (row.seconds.forward + row.seconds.backward))


def test_other_failures_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Prober, size: Size, utterances: int) -> probe.Probe:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(Prober, "_measured_batch", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        prober().probe([SMALL])


def test_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "available_memory", lambda device: 1000)
    with pytest.raises(ConfigError, match="not even the smallest size fits"):
        prober().probe([SMALL])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"utterances": 0}, "needs at least 1 utterance of 400 samples, which give one frame, but is 0 of 4000"),
        ({"samples": 300}, "but is 1 of 300"),
        ({"seconds": 0.0}, "`--probe-seconds` must be positive, but is 0"),
    ],
)
def test_settings_that_tell_nothing(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prober(**settings).probe([SMALL])
