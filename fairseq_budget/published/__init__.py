"""Tables and curves of the papers (see README.md in this folder for each file's source), read with the standard library."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib.resources import files

Row = dict[str, str | float]
"""A row by column: numbers where a cell holds one, NaN where it is empty, text otherwise."""

PAPER = "Liu et al. 2024, arXiv 2409.16295"
WARMUP_UPDATES = 32_000
"""Warm-up of the paper's runs: one that is shorter than this tells little about the size to choose."""
FEWEST_UPDATES, MOST_UPDATES = 72_234, 550_070
"""Updates that the paper's budget paid for: its largest and its smallest model (released configurations)."""
DOWNSTREAM_STEPS = 200_000
"""Training steps of SUPERB's KS, IC and SID (s3prl's configurations)."""
ACCURACY_COLUMNS = {"ks": "KS_ACC", "ic": "IC_ACC", "sid": "SID_ACC"}
"""Column of table 2 for each task that is scored by accuracy after those steps."""


def u_curve() -> list[Row]:
    """Figure 2: rows of objective, percent_of_slim, asr_wer, asv_eer, train_loss, valid_loss."""
    return _table("fig2_ucurve.csv")


def superb() -> list[Row]:
    """Table 2: rows of objective and arch, one column a metric, percent."""
    return _table("table2_superb.csv")


def superb_by_hours() -> list[Row]:
    """Table 3: wav2vec 2.0 Slim by hours of training audio, a column a metric, percent."""
    return _table("table3_data_size.csv")


def improved_small() -> list[Row]:
    """Table 5: Small beside 200% of Slim: rows of objective, arch (small or slim), params_M, ASR_WER and ASV_EER."""
    return _table("table5_improved_small.csv")


def batches() -> list[Row]:
    """The runs of Vaessen and van Leeuwen: rows of batch_seconds, gpus, accumulation, the learning rates that were tried
    (h_const, h_sub, h_lin), the chosen one's name, and hours_measured of audio heard in 400k updates."""
    return _table("batchsize_pretraining.csv")


def superb_by_batch_size() -> list[Row]:
    """wav2vec 2.0 Base by batch size and updates (Vaessen and van Leeuwen): ssl_batch, steps, hours_seen and metrics,
    percent."""
    return _table("batchsize_superb.csv")


def word_errors_by_hours_heard() -> list[Row]:
    """The same models fine-tuned, by hours heard: rows of hours_seen, ssl_batch, iteration, and word error rates in percent
    after 10 min and 100 h of labels (ft10min_test_clean_wer, ...)."""
    return _table("batchsize_hours_seen_wer.csv")


def word_errors_by_labels() -> list[Row]:
    """The same models fine-tuned: rows of labels, ssl_batch (or scratch), and word error rates in percent by letters and
    with a 4-gram model (letter_test_clean_wer, lm4gram_test_other_wer, ...)."""
    return _table("batchsize_asr_finetuning.csv")


def superb_by_sequence_length() -> list[Row]:
    """wav2vec 2.0 Base by length of its training utterances, frozen and not (Gao et al. 2022): ssl_seconds, mode and
    metrics, percent."""
    return _table("seqlen_superb.csv")


def step_times() -> list[Row]:
    """Seconds of a step of wav2vec 2.0 Base on four devices (Gao et al. 2022): rows of device, seconds, batch, precision
    (fp32 or mixed) and seconds_per_batch, as text: a number or OOM where memory ran out."""
    return _table("seqlen_step_time.csv", text=("seconds_per_batch",))


def downstream_times() -> list[Row]:
    """Seconds of a downstream task's training batch on wav2vec 2.0 Base (Gao et al. 2022, table 3): rows of task, batch, and
    of three devices (rpi, jetson_nx, jetson_agx) with the upstream frozen and not, such as rpi_frozen, as text: a number or
    OOM where memory ran out."""
    devices = ("rpi", "jetson_nx", "jetson_agx")
    columns = tuple(f"{device}_{mode}" for device in devices for mode in ("frozen", "unfrozen"))
    return _table("seqlen_downstream_time.csv", text=columns)


@cache
def _table(name: str, text: tuple[str, ...] = ()) -> list[Row]:
    with files(__name__).joinpath(name).open(encoding="utf-8") as file:
        return [{key: cell if key in text else _cell(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def _cell(text: str) -> str | float:
    """An integer, a decimal number, or the text itself."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text or math.nan
