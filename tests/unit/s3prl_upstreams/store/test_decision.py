"""Whether a store pays: a count with the same answer every time, and what the user is told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from fairseq_budget.arithmetic.flops import encoder_flops
from s3prl_upstreams.store import decision, demand
from s3prl_upstreams.store.decision import Options, Price, decide
from s3prl_upstreams.store.demand import Demand, Split
from s3prl_upstreams.store.folder import GIB
from s3prl_upstreams.store.use import price_of
from s3prl_upstreams.upstreams.expert import UpstreamExpert

HEARD_OFTEN = Demand((Split("train", 51000, (16000,), 51000, 125.0), Split("dev", 6800, (16000,), 6800, 40.0)))
HEARD_ONCE = Demand((Split("train", 51000, (16000,), 51000, 1.0),))
SLIM = Price(60 * GIB, 3e16, 2.6e14)


def options(tmp_path: Path, mode: str = "auto", gib: float | None = 100) -> Options:
    return Options(mode, gib, str(tmp_path / "store"))


@pytest.fixture(autouse=True)
def a_large_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3prl_upstreams.store.folder.free_bytes", lambda place: 200 * GIB)


def test_a_store_pays_where_computing_takes_longer_than_reading(tmp_path: Path) -> None:
    decided = decide(options(tmp_path), HEARD_OFTEN, SLIM, "cpu")
    assert decided.mode == "fp32"
    assert decided.reason == "hidden states are stored (fp32, 60.0 GiB): 57,800 utterances are heard 115 times"
    fast = decide(options(tmp_path), HEARD_OFTEN, SLIM, "cuda")
    assert fast.mode == "off" and fast.reason.endswith("heard 115 times, and reading them would take longer than it saves")
    once = Price(60 * GIB, 2.6e14, 2.6e14)
    assert decide(options(tmp_path), HEARD_ONCE, once, "cpu").mode == "off"


def test_there_must_be_room(tmp_path: Path) -> None:
    decided = decide(options(tmp_path, gib=40), HEARD_OFTEN, SLIM, "cpu")
    assert decided.mode == "off"
    assert decided.reason.endswith("they need 60.0 GiB, there is room for 40.0 GiB; `--cache fp16` needs 30.0 GiB")
    assert decide(options(tmp_path, gib=20), HEARD_OFTEN, SLIM, "cpu").reason.endswith("room for 20.0 GiB")
    assert decide(options(tmp_path, gib=None), HEARD_OFTEN, Price(300 * GIB, 3e16, 2.6e14), "cpu").mode == "off"


def test_what_the_user_asks_for_is_taken(tmp_path: Path) -> None:
    asked = decide(options(tmp_path, "fp16", gib=1), HEARD_ONCE, SLIM, "cuda")
    assert asked.mode == "fp16" and "(fp16, 30.0 GiB)" in asked.reason
    assert decide(options(tmp_path, "off"), HEARD_OFTEN, SLIM, "cpu").mode == "off"
    unknown = Price(60 * GIB, None, None)
    assert decide(options(tmp_path), HEARD_OFTEN, unknown, "cpu").mode == "fp32"


def test_the_price_is_that_of_files_and_of_the_closed_form(upstream: UpstreamExpert) -> None:
    heard = Demand((Split("train", 10, (16000, 8000), 10, 4.0), Split("dev", 2, (4000,), 2, 3.0)))
    price = price_of(upstream, heard)
    frames = 10 * (49 + 24) / 2 + 2 * 12
    assert price.store_bytes == 12 * 64 + frames * 3 * 32 * 4
    flops = {samples: encoder_flops(upstream.model.model_shape, samples) for samples in (16000, 8000, 4000)}
    each = 5 * (flops[16000] + flops[8000]), 2 * flops[4000]
    assert price.flops_with == pytest.approx(sum(each)) and price.flops_without == pytest.approx(4 * each[0] + 3 * each[1])
    assert heard.passes == pytest.approx(46 / 12) and heard.utterances == 12


class Expert:
    """As s3prl's: items are utterances, or batches of two."""

    def __init__(self, length: int, waves_in_an_item: int = 1) -> None:
        self.length, self.waves_in_an_item = length, waves_in_an_item

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        random.random()
        torch.rand(1)
        return [([float(number)] * (1000 + index), index) for number in range(self.waves_in_an_item)]

    def collate_fn(self, items: list[Any]) -> Any:
        return zip(*(pair for item in items for pair in item), strict=True)

    def get_dataloader(self, split: str) -> DataLoader[Any]:
        return DataLoader(self, batch_size=4, collate_fn=self.collate_fn, drop_last=split == "train")  # type: ignore[arg-type]


RUNNER = {"total_steps": 50, "gradient_accumulate_steps": 2, "eval_step": 10, "eval_dataloaders": ["dev"]}


def test_a_training_is_counted_by_its_recipe() -> None:
    heard = demand.of_training(Expert(43, 2), {"runner": RUNNER})
    train, dev = heard.splits
    assert (train.utterances, train.passes, dev.utterances, dev.passes) == (86, 10.0, 86, 5.0)
    assert len(train.samples) == demand.LOOKED_AT and min(train.samples) == 1000 and max(train.samples) > 1035
    assert demand.of_training(Expert(3), {"runner": {**RUNNER, "evaluate_ratio": 0.5}}).splits[1].passes == 2.5
    assert demand.of_evaluations(Expert(5), {"dev": 13}).splits == (Split("dev", 5, (1000, 1001, 1002, 1003, 1004), 5, 13),)


class Cropped(Expert):
    """Of every fourth item, a part at a random place, as KS has it of noise."""

    def __getitem__(self, index: int) -> Any:
        return [([random.random() if index % 4 == 0 else float(index)] * 1000, index)]


def test_what_is_cropped_at_random_is_computed_each_time(upstream: UpstreamExpert) -> None:
    heard = demand.of_training(Cropped(40), {"runner": RUNNER})
    assert [split.cropped for split in heard.splits] == [0.25, 0.0], "an evaluation crops at the same places every time"
    flops = encoder_flops(upstream.model.model_shape, 1000)
    assert price_of(upstream, heard).flops_with == pytest.approx((80 + 0.25 * 10 * 40) * flops)


class Neighbourhoods(Expert):
    """As PR's: an item is an utterance with its next neighbours."""

    def __getitem__(self, index: int) -> Any:
        start = max(0, min(index, self.length - self.waves_in_an_item))
        return [
            ([0.0] * (1000 + number), number) for number in range(start, min(self.length, start + self.waves_in_an_item))
        ]


@pytest.mark.parametrize(("length", "waves", "different", "heard"), [(100, 5, 104, 500), (4, 9, 4, 16), (1, 3, 1, 1)])
def test_neighbourhoods_hear_an_utterance_several_times(length: int, waves: int, different: int, heard: int) -> None:
    (split,) = demand.of_evaluations(Neighbourhoods(length, waves), {"dev": 2}).splits
    assert (split.utterances, split.heard, split.visits) == (different, heard, 2 * heard)


class Forgetful(Expert):
    """As s3prl's: keeps what it has loaded, and takes a setting out of its own dictionary."""

    def __init__(self) -> None:
        super().__init__(8)
        self.corpus = {"num_workers": 0, "path": ["x"]}

    def get_dataloader(self, split: str) -> DataLoader[Any]:
        self.loaded, self.corpus["num_workers"] = split, self.corpus.pop("num_workers") + 1
        return super().get_dataloader(split)


def test_counting_leaves_an_expert_as_it_is() -> None:
    expert = Forgetful()
    demand.of_training(expert, {"runner": RUNNER})
    assert not hasattr(expert, "loaded") and expert.corpus == {"num_workers": 0, "path": ["x"]}


def test_counting_draws_no_random_numbers() -> None:
    random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), torch.rand(1)
    random.seed(1)
    torch.manual_seed(1)
    demand.of_training(Expert(43), {"runner": RUNNER})
    assert (random.random(), torch.rand(1)) == expected


def test_the_room_is_what_is_free_and_what_the_store_has(tmp_path: Path) -> None:
    asked = options(tmp_path, gib=None)
    assert asked.room() == 200 * GIB
    (tmp_path / "store" / "00").mkdir(parents=True)
    (tmp_path / "store" / "00" / "00.states").write_bytes(b"x" * 100)
    assert asked.room() == 200 * GIB + 100 and decision.Options("auto", 1.0, asked.folder).room() == GIB
