"""The dataclasses that Hydra validates a recipe against."""

# no `from __future__ import annotations` here: fairseq reads the field types themselves

import logging
from dataclasses import dataclass, field, make_dataclass
from typing import Any, List, Optional

from fairseq.dataclass import FairseqDataclass
from omegaconf import II, MISSING

from fairseq_budget.arithmetic.currencies import CURRENCIES, FORMER_NAMES, with_current_names
from fairseq_budget.arithmetic.model_config import setting

logger = logging.getLogger(__name__)


def make_budget_config() -> type:
    """Amounts by currency, as settings of fairseq: a field for each currency, and one for each former name."""
    helps = {currency.name: currency.help for currency in CURRENCIES.values()}
    helps |= {old: f"former name of {CURRENCIES[new].name}" for old, new in FORMER_NAMES.items() if new in CURRENCIES}
    settings = [(name, Optional[float], setting(None, text)) for name, text in helps.items()]
    described = {"__doc__": "Amounts by currency; the one reached first ends the run."}
    return make_dataclass("BudgetConfig", settings, bases=(FairseqDataclass,), namespace=described)


BudgetConfig: Any = make_budget_config()


def budget_amounts(settings: Any) -> dict[str, float]:
    """The amounts in a :data:`BudgetConfig`; former names are taken with a note."""
    given = {name: settings[name] for name in settings if name != "_name" and settings[name] is not None}
    for old in given.keys() & FORMER_NAMES.keys():
        logger.warning("`task.budget.%s` is called `task.budget.%s` now", old, FORMER_NAMES[old])
    return with_current_names(given)


@dataclass
class PretrainingConfig(FairseqDataclass):
    """A corpus, how it is cropped and batched, and the budget."""

    data: str = setting(MISSING, "folder with train.tsv and valid.tsv (see `fairseq-budget manifest`)")
    budget: BudgetConfig = field(default_factory=BudgetConfig, metadata={"help": "when training ends"})
    normalize: bool = setting(False, "layer-norm each utterance's waveform (HuBERT Large)")
    max_sample_size: int = setting(250_000, "longest crop, in samples (paper A)")
    valid_sample_size: Optional[int] = setting(None, "longest crop in validation; null: as in training")
    min_sample_size: int = setting(32_000, "shorter utterances are left out, in samples (paper A)")
    checkpoints: int = setting(0, "validate, and save and keep a checkpoint, at each of so many equal shares of the budget")
    batching: str = setting(
        "buckets",
        "which utterances share a batch: buckets (full batches of few shapes), sorted (neighbours by length, paper A) "
        "or bins (random ones of similar length, paper C)",
    )
    # every row has as many masked frames as the poorest: long rows have a smaller share of theirs masked
    padding: bool = setting(False, "pad and mask the short utterances of a batch, rather than crop the long ones only")
    segment_seconds: Optional[float] = setting(
        None, "re-cut the training audio into segments of about this length (Gao et al. 2022: 1, 5, 10, 15); null: as it is"
    )
    cross_speakers: bool = setting(False, "a segment may join speakers, otherwise it has one")
    speaker_rule: Optional[str] = setting(
        None, "regular expression whose first group, in a file's name, is the speaker; null: LibriSpeech's"
    )
    on_bad_audio: str = setting("error", "audio that cannot be read: error, or skip (more than 1% still ends the run)")
    on_damaged_checkpoint: str = setting(
        "previous", "the newest checkpoint is damaged: go on from the one before it (previous), or error"
    )
    max_bad_updates: int = setting(10, "so many updates in a row whose gradients are no numbers end the run")
    on_collapse: str = setting("stop", "training has a loss but no use any more (`plugin/run/collapse.py`): stop, or ignore")
    price_per_device_hour: Optional[float] = setting(None, "tells what the run has cost and will; null: nothing of it")
    peak_flops_per_second: Optional[float] = setting(
        None, "of one device (`plan --probe` measures it): tells the share of it that training reaches; null: nothing of it"
    )
    stall_minutes: Optional[float] = setting(None, "a rank without progress for so long ends the job; null: never")
    # fairseq makes batches once and shuffles them; made anew, they mix, and a resumed run has those of its epoch
    rebuild_batches: bool = setting(True, "make new batches for each epoch")
    # fairseq keeps loader processes alive over epochs; they would go on with the first epoch's crops
    persistent_workers: bool = setting(False, "keep data loading processes over epochs")
    seed: int = II("common.seed")


@dataclass
class LabelledConfig(PretrainingConfig):
    """What an objective with labels needs besides."""

    labels: str = setting("km", "label files are <split>.<labels>, the dictionary is dict.<labels>.txt")
    label_dir: Optional[str] = setting(None, "folder of the label files; default: `data`")
    label_rate: Optional[float] = setting(None, "labels per second; default: what labels.json beside them says")


@dataclass
class PolynomialConfig(FairseqDataclass):
    """Warm-up, then polynomial decay to 0 at the end of the budget."""

    warmup_share: float = setting(0.08, "share of the budget for the warm-up, where `warmup_updates` isn't given")
    warmup_updates: Optional[int] = setting(None, "updates of the warm-up (paper A: 32,000 for every size)")
    power: float = setting(1.0, "power of the decay (paper A: 1)")
    lr: List[float] = II("optimization.lr")


@dataclass
class TriangularConfig(FairseqDataclass):
    """Triangular cycles over the budget."""

    cycles: int = setting(8, "number of cycles over the budget (paper C)")
    cycle_updates: Optional[int] = setting(None, "updates of a cycle instead, whatever the budget (paper C: 50,000)")
    minimum: float = setting(0.01, "lowest over highest learning rate (paper C)")
    lr: List[float] = II("optimization.lr")


@dataclass
class TriStageConfig(FairseqDataclass):
    """Warm-up, constant, exponential decay; the shares of the budget make up 1."""

    warmup_share: float = setting(0.1, "share of the linear warm-up (paper C, fine-tuning)")
    hold_share: float = setting(0.4, "share at the highest learning rate (paper C)")
    decay_share: float = setting(0.5, "share of the exponential decay (paper C)")
    initial: float = setting(0.01, "first over highest learning rate (paper C: 5e-7 over 5e-5)")
    final: float = setting(0.05, "last over highest learning rate (paper C: 2.5e-6 over 5e-5)")
    lr: List[float] = II("optimization.lr")


@dataclass
class CooldownConfig(FairseqDataclass):
    """Warm-up, constant, linear cooldown."""

    warmup_share: float = setting(0.08, "share of the budget for the warm-up (as paper A's)")
    cooldown_share: float = setting(0.2, "share of the budget for the cooldown; 0 for a trunk (Haegele et al. 2024)")
    lr: List[float] = II("optimization.lr")
