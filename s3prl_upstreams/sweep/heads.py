"""s3prl's featurizer and expert as they are, one pair for each trial, on one set of data.

Built once by s3prl's own runner, then copied: a run with the same seed and another learning rate begins with the same
parameters.  A copy has parameters and buffers of its own; datasets, dictionaries and settings are the first one's.
"""

from __future__ import annotations

import copy
import importlib
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler

from fairseq_budget.checkpoints.safe_load import check_file
from fairseq_budget.errors import BudgetError
from s3prl_upstreams import scores
from s3prl_upstreams.host import runner
from s3prl_upstreams.sweep import randomness
from s3prl_upstreams.sweep.mixing import StackedLayers
from s3prl_upstreams.sweep.settings import Config

Features = dict[str, Any]
"""What an upstream gives for a batch"""


class _Nowhere:
    """In place of TensorBoard's writer: s3prl throws away what it logs of a checkpoint, too."""

    def __init__(self, folder: str) -> None:
        pass

    def add_scalar(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class DownstreamHead:
    """A featurizer and an expert with the experiment folder that the expert writes to, and an upstream if that learns, too.

    `failed` says why it cannot go on, after an error.  A head that a `checkpoint` is tested with adds its scores to
    `run_folder`, the experiment folder of the run that wrote it; for a head that learns both folders are one.  With
    `one_frame` the features that all share are an utterance's mean over time.
    """

    def __init__(self, featurizer: nn.Module, expert: nn.Module, folder: Path, upstream: nn.Module | None = None) -> None:
        self.featurizer, self.expert, self.folder, self.run_folder = featurizer, expert, folder, folder
        self.upstream, self.one_frame = upstream, False
        self.failed: str | None = None
        self.checkpoint: str | None = None
        self._logger: Any = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What learns, by its name in s3prl's checkpoints and in the order of s3prl's runner."""
        own = {"Featurizer": self.featurizer, "Downstream": self.expert}
        return own if self.upstream is None else {"Upstream": self.upstream, **own}

    def select(self, wavs: list[Tensor], features: Features | StackedLayers | None) -> Any:
        """What the expert reads, of the features that all share, or of its own upstream's."""
        if self.one_frame:  # the featurizer cuts features to the waves' lengths
            wavs = [wavs[0].new_empty(self.featurizer.downsample_rate)] * len(wavs)
        if isinstance(features, StackedLayers):
            return self.featurizer.tolist(wavs, features.sum(self.featurizer))
        return self.featurizer(wavs, features if self.upstream is None else self.upstream(wavs))

    def log(self, split: str, records: dict[str, list[Any]], step: int, **batches: Any) -> list[str]:
        """Have the expert log `records`; returns the names of the checkpoints that it wants.

        What it logs of an evaluation is added to ``scores.jsonl``, too.
        """
        if self._logger is None:
            to_tensorboard = self.checkpoint is None
            writer = importlib.import_module("tensorboardX").SummaryWriter if to_tensorboard else _Nowhere
            self._logger = scores.recording(writer, self.run_folder, self.checkpoint)(str(self.run_folder))
        more = {"logger": self._logger, "global_step": step, **batches}
        wanted = self.expert.log_records(split, records=records, **more)
        return wanted if isinstance(wanted, list) else []

    def close(self) -> None:
        """Let TensorBoard's file be written to its end."""
        if self._logger is not None:
            self._logger.close()

    def train(self, mode: bool = True) -> None:
        """Dropout on or off."""
        for module in self.modules.values():
            module.train(mode)

    def twin(self, folder: Path) -> DownstreamHead:
        """A head with the same parameters for now, whose expert writes to `folder`."""
        expert = copy.deepcopy(self.expert, {id(value): value for value in self.attributes().values()})
        for name, value in self.attributes().items():
            if isinstance(value, str | Path) and Path(value).is_relative_to(self.folder):
                setattr(expert, name, type(value)(folder / Path(value).relative_to(self.folder)))
        folder.mkdir(parents=True, exist_ok=True)
        twin = DownstreamHead(copy.deepcopy(self.featurizer), expert, folder, copy.deepcopy(self.upstream))
        twin.one_frame = self.one_frame
        return twin

    def attributes(self) -> dict[str, Any]:
        """The expert's attributes that aren't a module's own bookkeeping: data, settings, paths."""
        bookkeeping = vars(nn.Module())
        return {name: value for name, value in vars(self.expert).items() if name not in bookkeeping}

    def states(self) -> dict[str, Any]:
        """The part of s3prl's checkpoints that is needed to use a head."""
        return {name: module.state_dict() for name, module in self.modules.items()}

    def load(self, states: dict[str, Any]) -> None:
        """Take parameters from a checkpoint in s3prl's form."""
        for name, module in self.modules.items():
            module.load_state_dict(states[name])

    def of_checkpoint(self, path: Path, folder: Path) -> DownstreamHead:
        """A twin with the parameters in a checkpoint, for testing it."""
        head = self.twin(folder)
        head.load(load_checkpoint(path))
        head.run_folder, head.checkpoint = path.parent, path.name
        return head


def in_turn(heads: Iterable[DownstreamHead], action: Callable[[DownstreamHead], object]) -> None:
    """Do something with each head that hasn't failed, every time from the same place of the random streams.

    Leaves the streams where all of them end.  An error is that head's alone, unless the device's memory was too small.
    """
    begin, end = randomness.take(), None
    for head in heads:
        if head.failed is not None:
            continue
        randomness.put(begin)
        try:
            action(head)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever an expert may raise
            head.failed = f"{type(error).__name__}: {error}"
            traceback.print_exc()
            continue
        reached = randomness.take()
        end = end or reached
        if not reached.same_as(end):
            head.failed = "it drew other random numbers than its neighbours: this task's trials cannot share their batches"
    if end is not None:
        randomness.put(end)


def build(args: Namespace, config: Config) -> tuple[nn.Module, DownstreamHead]:
    """Upstream and first head, by s3prl's own runner, seeded as its launcher seeds them.

    `config` is changed as experts change it (SD notes its frame shift in it).
    """
    randomness.seed(args.seed)
    built = runner.fitted().Runner(args, config)
    upstream = built.upstream.model.eval()
    learns = upstream if args.upstream_trainable else None
    return upstream, DownstreamHead(built.featurizer.model, built.downstream.model, Path(args.expdir), learns)


def loader(heads: Iterable[DownstreamHead], split: str, epoch: int | None = None) -> DataLoader:
    """The batches of a split, from the first of `heads`; s3prl's order of asking for them.

    Raises:
        BudgetError: a split without batches, over which s3prl's runner would loop for ever.
    """
    first, *others = heads
    before = first.attributes()
    try:
        found = first.expert.get_dataloader(split, **({} if epoch is None else {"epoch": epoch}))
    except TypeError as error:
        if "unexpected keyword argument 'epoch'" not in str(error):
            raise
        found = first.expert.get_dataloader(split)
        if isinstance(getattr(found, "sampler", None), DistributedSampler):
            found.sampler.set_epoch(epoch)
    loaded = {name: value for name, value in first.attributes().items() if before.get(name) is not value}
    for other in others:  # experts look up things in the data that they have loaded
        vars(other.expert).update(loaded)
    if len(found) == 0:
        raise BudgetError(
            f"the split `{split}` has no batch: it has fewer files than a batch, or none; see the recipe's corpus"
        )
    return found


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint in s3prl's form, on the CPU; BudgetError for a file that isn't one."""
    check_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
