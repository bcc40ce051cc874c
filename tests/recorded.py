"""What was recorded of earlier versions, and how it is made again.

``python -m tests.recorded`` writes the losses of 10 updates of every objective and front end to tests/assets/losses; do it
where numbers are meant to change, and say so in CHANGELOG.md.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch

from fairseq_budget.frontends import DEFAULT, FRONTENDS
from fairseq_budget.objectives import OBJECTIVES, get_objective

ASSETS = Path(__file__).parent / "assets"
UPDATES = 10
CLUSTERS = 5
UTTERANCES, SAMPLES = 8, 24_000
NARROW = {"conv": ("model.conv_feature_layers='[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2'",)}
"""Of a front end that would outweigh the rest."""
SHAPE = (
    "model.encoder_layers=1",
    "model.encoder_embed_dim=16",
    "model.encoder_ffn_embed_dim=16",
    "model.encoder_attention_heads=2",
    "model.conv_pos=16",
    "model.conv_pos_groups=4",
    "model.final_dim=8",
)
"""Some 8,000 parameters."""
BATCHES = (
    "task.max_sample_size=20000",
    "task.min_sample_size=16000",
    "dataset.max_tokens=40000",
    "dataset.num_workers=0",
    "optimization.update_freq=[1]",
)


def make_corpus(folder: Path) -> Path:
    """Seeded noise with a slow envelope, and labels that follow it: the same bytes everywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(UTTERANCES)]
    rows, labels = [], []
    for name in names:
        steps = rng.integers(1, CLUSTERS + 1, size=15)
        wave = rng.integers(-3000, 3000, size=SAMPLES) * np.repeat(steps, SAMPLES // 15) // CLUSTERS
        soundfile.write(folder / name, wave.astype(np.int16), 16_000, subtype="PCM_16")
        rows.append(f"{name}\t{SAMPLES}")
        labels.append(" ".join(map(str, np.repeat(steps - 1, 5))))
    for split in ("train", "valid"):
        (folder / f"{split}.tsv").write_text("\n".join([str(folder), *rows]) + "\n")
        (folder / f"{split}.km").write_text("\n".join(labels) + "\n")
    (folder / "dict.km.txt").write_text("".join(f"{cluster} 1\n" for cluster in range(CLUSTERS)))
    return folder


def recorded_losses(objective: str, frontend: str) -> Path:
    """Where they lie; without a name of the front end, those of the papers' convolutions."""
    return ASSETS / "losses" / f"{objective if frontend == DEFAULT else f'{objective}-{frontend}'}.json"


def losses_of(objective: str, data: Path, frontend: str = DEFAULT) -> list[float]:
    """Training losses, as logged, of the first updates through fairseq's own trainer on one CPU rank."""
    from fairseq_budget.bench.training import build_run

    labels = ("task.label_rate=50",) if get_objective(objective).needs_labels else ()
    torch.manual_seed(1)
    choices = (f"frontend={frontend}", *labels, f"task.data={data}", "optimization.lr=[1e-3]")
    run = build_run(objective, "30", (*NARROW.get(frontend, ()), *SHAPE, *BATCHES, *choices), "cpu")
    run.task.load_dataset("train")
    found: list[float] = []
    for epoch in range(1, UPDATES):
        batches = run.trainer.get_train_iterator(epoch=epoch, load_dataset=False).next_epoch_itr(shuffle=False)
        for batch in batches:
            run.trainer.model.train()
            run.criterion.train()
            logged = run.trainer.train_step([batch])
            found.append(float(logged["loss"]))
            if len(found) == UPDATES:
                return found
    raise AssertionError("the corpus is too small")


def main(objectives: list[str]) -> None:
    """Write the losses of the objectives."""
    with TemporaryDirectory() as folder:
        data = make_corpus(Path(folder) / "data")
        for objective, frontend in product(objectives, FRONTENDS):
            path = recorded_losses(objective, frontend)
            path.write_text(json.dumps(losses_of(objective, data, frontend)) + "\n")
            print(path.name, path.read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:] or list(OBJECTIVES))
