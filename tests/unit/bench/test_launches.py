"""Updates of fairseq's trainer on CUDA that isn't there: devices and types fit, and the host waits as often as stated."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from fairseq import metrics

from fairseq_budget.bench.imaginary import GPU, imaginary_cuda
from fairseq_budget.bench.launches import PUBLISHED, RECIPES, Launches, count_launches
from fairseq_budget.bench.samples import run_on_noise, training_sample
from fairseq_budget.objectives import OBJECTIVES
from tests.unit.bench.conftest import TINY

FAIRSEQS_WAITS = {"fp16": 11, "bf16": 8, "fp32": 8}
"""At most, of an update: norm of the gradient, loss scale, what meters look at; padded or not."""
MONITORED = {"wav2vec2": 7}
"""More where perplexities are logged: a meter looks at each."""
GOAL = 900
"""Kernels of an update of Slim, all its layers, on 6 x 14.58 s."""


QUICK = [("hubert", "fp16", True), ("wav2vec2", "bf16", False)]


def tiny(objective: str, precision: str, padded: bool, layerdrop: float = 0.0, frontend: str = "conv") -> Launches:
    overrides = (*TINY, f"model.encoder_layerdrop={layerdrop}")
    return count_launches(objective, "slim", precision, 2, 8000, padded, overrides, frontend)


CASES = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
    for case in product(OBJECTIVES, RECIPES, (False, True))
]


@pytest.mark.parametrize(("objective", "precision", "padded"), CASES)
def test_an_update_waits_where_fairseq_waits(objective: str, precision: str, padded: bool) -> None:
    update = tiny(objective, precision, padded)
    assert update.waits <= FAIRSEQS_WAITS[precision] + MONITORED.get(objective, 0)
    assert update.layers == 2
    assert update.operations["mm"] > 10, "there was a backward pass"


@pytest.mark.parametrize("precision", [pytest.param("fp16", marks=pytest.mark.slow), "bf16"])
@pytest.mark.parametrize("frozen", [pytest.param(False, marks=pytest.mark.slow), True])
def test_fine_tuning_waits_no_more(precision: str, frozen: bool) -> None:
    """Padded, as transcripts need it; the second half of its updates trains all but the front end of a pre-trained model."""
    device, *settings = RECIPES[precision]
    waits, products = [], []
    with imaginary_cuda() as imagined, metrics.aggregate(new_root=True):
        run = run_on_noise("ctc", "slim", "conv", [*settings, *TINY, "model.freeze_updates=2"], device)
        run.task.network.config.checkpoint = "pre-trained" if frozen else ""
        for number in range(4):
            imagined.restart()
            run.trainer.train_step([training_sample(run, "ctc", 2, 8000, number, padded=True)])
            waits.append(sum(imagined.waits.values()))
            products.append(imagined.launches["mm"])
    assert max(waits[1:]) <= FAIRSEQS_WAITS[precision]
    assert (products[1] < products[3]) is frozen


@pytest.mark.slow
def test_layerdrop_starts_fewer() -> None:
    assert tiny("tera", "fp16", padded=False, layerdrop=1.0).kernels < tiny("tera", "fp16", padded=False).kernels


@pytest.mark.slow
def test_mel_frames() -> None:
    assert tiny("best_rq", "bf16", padded=True, frontend="mel").waits <= FAIRSEQS_WAITS["bf16"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_slim_stays_below_the_goal(precision: str) -> None:
    update = count_launches("hubert", "slim", precision, *PUBLISHED, overrides=("model.encoder_layerdrop=0",))
    assert update.layers == 12
    assert update.kernels <= GOAL


def test_mistakes_would_be_noticed() -> None:
    with imaginary_cuda() as imagined:
        on_gpu, here = torch.ones(3, device="cuda"), torch.ones(3)
        assert on_gpu.device == GPU
        with pytest.raises(RuntimeError, match="same device"):
            _ = on_gpu + here
        with pytest.raises(RuntimeError, match="dtype"):
            _ = torch.ones(2, 3, device="cuda", dtype=torch.half) @ torch.ones(3, 2, device="cuda")
        imagined.restart()
        assert float(on_gpu.sum()) == 1.0, "made up"
        on_gpu.cpu()
        assert dict(imagined.waits) == {"_local_scalar_dense": 1, "_to_copy": 1}
        assert dict(imagined.launches) == {"sum": 1}
    assert not torch.cuda.is_available()
