"""Every combination of recipe groups composes under Hydra, with the papers' values."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fairseq.dataclass.initialize import hydra_init
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.bench.workload import compose_recipe
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.recipes import recipes_dir, steps_per_update
from tests.recorded import ASSETS
from tests.warm_start import FAIRSEQ, warm

RECIPES = recipes_dir()


def published_learning_rates() -> dict[str, dict[str, float]]:
    """By size and objective; Liu et al. 2024, the configurations that its authors released."""
    with (ASSETS / "learning_rates.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {row["name"]: {key[3:]: float(row[key]) for key in row if key.startswith("lr_")} for row in rows}


LEARNING_RATES = published_learning_rates()


def group(name: str) -> list[str]:
    return sorted(path.stem for path in (RECIPES / name).glob("*.yaml"))


@pytest.fixture(params=OBJECTIVES)
def objective(request: pytest.FixtureRequest) -> Iterator[str]:
    """Hydra set up as fairseq-hydra-train sets it up for a recipe."""
    GlobalHydra.instance().clear()
    hydra_init(request.param)
    with initialize_config_dir(str(RECIPES), version_base="1.1"):
        yield request.param


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("task.budgte.flops=3", "`task.budget.flops`"),
        ("model.label_rate=50", "`task.label_rate`"),
        ("optimisation.lr=[1]", "`optimization.lr`"),
        ("xyzzy=1", "none; `--cfg job` shows all"),
    ],
)
def test_a_setting_that_isnt_there_is_told_with_those_near_it(override: str, near: str) -> None:
    GlobalHydra.instance().clear()
    hydra_init("hubert")
    with initialize_config_dir(str(RECIPES), version_base="1.1"):
        with pytest.raises(ConfigCompositionException, match="this recipe has no setting `.*`; near it: ") as told:
            compose("hubert", overrides=["task.data=somewhere", override])
    assert near in str(told.value)


def composed(objective: str, *overrides: str) -> Any:
    cfg = compose(objective, overrides=["task.data=somewhere", *overrides], return_hydra_config=True)
    # data sets are found from where the command is started, which Hydra knows only when it runs
    HydraConfig.instance().set_config(cfg)
    OmegaConf.set_struct(cfg, False)
    del cfg["hydra"]
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))


def test_every_choice_of_every_group_composes(objective: str) -> None:
    """A size touches no key of another group: every choice is met once, not the whole product.

    The sizes are those with published rates, which every objective has of its own; one objective stands for the others.
    """
    sizes = list(SIZES) if objective == "tera" else list(LEARNING_RATES)
    groups = {"size": sizes} | {name: group(name) for name in ("frontend", "budget", "data", "schedule", "device")}
    for turn in range(max(map(len, groups.values()))):
        chosen = {name: choices[turn % len(choices)] for name, choices in groups.items()}
        cfg = composed(objective, *(f"{name}={choice}" for name, choice in chosen.items()))
        if chosen["budget"] not in ("gao2022", "vaessen"):  # which train one size, with rates of their own
            assert cfg.optimization.lr == [LEARNING_RATES.get(chosen["size"], {}).get(objective, cfg.optimization.lr[0])]
        assert cfg.model.frontend == chosen["frontend"]
        assert cfg.model.encoder_layers == SIZES[chosen["size"]].encoder_layers
        kind = re.sub(r"_(32k|50k|tenth)$", "", chosen["schedule"])
        assert cfg.lr_scheduler._name == f"budget_{kind}".replace("trunk", "cooldown")


def test_published_values(objective: str) -> None:
    """Liu et al. 2024 and its released configurations."""
    cfg = composed(objective)
    assert cfg.task.budget.flops == 1.33e18
    assert cfg.model.frontend == "conv"
    workers = cfg.distributed_training.distributed_world_size
    assert cfg.dataset.max_tokens * workers * cfg.optimization.update_freq[0] == 2 * 1_400_000
    assert (cfg.task.min_sample_size, cfg.task.max_sample_size) == (32_000, 250_000)
    assert cfg.model.mask_prob == (0.65 if objective == "wav2vec2" else 0.80)
    assert cfg.model.encoder_layerdrop == 0.05
    assert (cfg.optimizer.adam_betas, cfg.optimizer.adam_eps, cfg.optimizer.weight_decay) == ("(0.9,0.98)", 1e-6, 0.01)
    assert cfg.optimization.clip_norm == (0.0 if objective == "wav2vec2" else 10.0)
    assert cfg.lr_scheduler.warmup_updates == 32_000, "of every size and budget"
    assert cfg.common.fp16


def test_large_is_not_regularised(objective: str) -> None:
    cfg = composed(objective, "size=large")
    assert cfg.model.dropout == cfg.model.encoder_layerdrop == 0
    assert cfg.model.feature_grad_mult == (0.1 if objective == "tera" else 1.0)
    assert cfg.dataset.max_tokens == (700_000 if objective in ("hubert", "tera") else 1_400_000)
    assert cfg.task.normalize == cfg.model.layer_norm_first == (objective == "hubert")


@pytest.mark.parametrize(("size", "lowest"), [("large", 0.1), ("base", 0.5), ("slim", 0.5)])
def test_larges_targets_are_drawn_at_lower_temperatures(size: str, lowest: float) -> None:
    GlobalHydra.instance().clear()
    hydra_init("wav2vec2")
    with initialize_config_dir(str(RECIPES), version_base="1.1"):
        cfg = composed("wav2vec2", f"size={size}")
        own = composed("wav2vec2", f"size={size}", "model.latent_temp=[1,0.3,0.9]")
    assert cfg.model.latent_temp == [2.0, lowest, 0.999995]
    assert own.model.latent_temp == [1, 0.3, 0.9], "the command line wins"


def test_sizes_with_a_point_are_names_too(objective: str) -> None:
    """Hydra reads 0.5 as a number."""
    cfg = composed(objective, "size=0.5", "frontend=mel")
    assert (cfg.model.encoder_layers, cfg.model.encoder_embed_dim, cfg.model.dropout) == (2, 48, 0.0)
    assert cfg.optimization.lr == [0.0018 if objective == "wav2vec2" else 0.0023]


def test_command_line_wins_over_every_group(objective: str) -> None:
    cfg = composed(objective, "size=30", "model.encoder_layers=2", "optimization.lr=[0.1]", "dataset.max_tokens=7")
    assert (cfg.model.encoder_layers, cfg.optimization.lr, cfg.dataset.max_tokens) == (2, [0.1], 7)


@pytest.mark.parametrize("override", ["size=slimm", "budget=papers", "data=librispeech", "schedule=cosine"])
def test_unknown_choices_list_the_known_ones(objective: str, override: str) -> None:
    name, choice = override.split("=")
    known = SIZES if name == "size" else group(name)
    with pytest.raises(ConfigCompositionException, match=f"^unknown {name} `{choice}`: choose one of") as caught:
        composed(objective, override)
    assert all(option in str(caught.value) for option in known)


def test_no_recipe_holds_an_absolute_path() -> None:
    for path in RECIPES.rglob("*.yaml"):
        values = [line.partition(": ")[2] for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert not [value for value in values if value.startswith(("/", "~"))], path


@pytest.mark.integration
def test_a_study_is_a_multirun(tmp_path: Path) -> None:
    """`-m size=0.05,30,slim` makes a job of each; here each one stops at once, because its data is missing."""
    arguments = [
        "--config-dir",
        str(RECIPES),
        "--config-name",
        "tera",
        "-m",
        "size=0.05,30,slim",
        "data=folder",
        "device=cpu",
    ]
    command = [sys.executable, "-m", "fairseq_cli.hydra_train", *arguments, f"task.data={tmp_path}", "hydra.sweep.dir=out"]
    result = warm(FAIRSEQ).run(command, tmp_path)
    assert "#0 : size=0.05" in result.stdout + result.stderr
    assert f"manifest `{tmp_path}/valid.tsv` cannot be read" in result.stderr


@pytest.mark.parametrize("budget", ["paper", "demo"])
def test_the_first_round_has_250_of_400_updates(objective: str, budget: str) -> None:
    """Liu et al. 2024: 250k updates, 20k of them warm-up, before the 400k of the second round."""
    first, second = composed(objective, f"budget={budget}_round1"), composed(objective, f"budget={budget}")
    assert first.task.budget.flops == pytest.approx(250 / 400 * second.task.budget.flops)
    assert first.lr_scheduler.warmup_share * 250_000 == pytest.approx(20_000)
    first.task.budget.flops, first.lr_scheduler = second.task.budget.flops, second.lr_scheduler
    assert first == second


def test_the_other_papers_recipes() -> None:
    """Gao et al. 2022: 300k updates of 1.6 h, a tenth of warm-up, 6e-4.  Vaessen and van Leeuwen: 400k updates, triangles of
    50k, whole utterances, no LayerDrop, no dropout before the quantizer, AdamW's epsilon 1e-8."""
    GlobalHydra.instance().clear()
    hydra_init("wav2vec2")
    with initialize_config_dir(str(RECIPES), version_base="1.1"):
        gao, vaessen = (composed("wav2vec2", f"budget={name}") for name in ("gao2022", "vaessen"))
    for cfg in (gao, vaessen):
        assert (cfg.model.encoder_layers, cfg.model.encoder_embed_dim) == (12, 768), "Base"
    assert gao.task.budget.updates == 300_000
    heard = gao.dataset.max_tokens * gao.optimization.update_freq[0] / 16_000 / 3600
    assert heard == pytest.approx(1.6, abs=0.01)
    assert (gao.lr_scheduler.warmup_share, gao.optimization.lr) == (0.1, [6e-4])
    assert vaessen.task.budget.updates == 8 * vaessen.lr_scheduler.cycle_updates == 400_000
    assert vaessen.dataset.max_tokens == 150 * 16_000
    assert (vaessen.task.batching, vaessen.task.padding, vaessen.task.max_sample_size) == ("bins", True, 30 * 16_000)
    assert vaessen.model.encoder_layerdrop == vaessen.model.dropout_input == vaessen.model.dropout_features == 0
    assert vaessen.model.penalties_once and vaessen.optimizer.adam_eps == 1e-8
    assert (vaessen.model.activation_fn, vaessen.model.attention_init) == ("gelu_accurate", "xavier")
    assert vaessen.optimization.lr[0] == pytest.approx(5e-4 * (150 / 6000) ** 0.5, rel=0.001)


def test_every_recipe_is_in_the_table() -> None:
    rows = re.findall(r"^\| `(\S+\.yaml)` \|", (RECIPES / "README.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(str(path.relative_to(RECIPES)) for path in RECIPES.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("ranks", "published", "steps", "told"),
    [
        (1, 2, 2, None),
        (2, 2, 1, None),
        (6, 66, 11, None),
        (8, 2, 1, "8 ranks x 1 steps make updates of 8 batches, published are 2"),
        (4, 66, 16, "4 ranks x 16 steps make updates of 64 batches, published are 66"),
    ],
)
def test_an_update_has_the_published_batch_or_the_log_says_so(
    ranks: int, published: int, steps: int, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    steps_per_update.cache_clear()
    assert [steps_per_update(ranks, published) for _ in range(3)] == [steps] * 3
    assert [message.split(", for which")[0] for message in caplog.messages] == ([told] if told else [])


@pytest.mark.parametrize(
    ("objective", "size", "overrides", "backend"),
    [
        ("hubert", "slim", (), "legacy_ddp"),
        ("hubert", "slim", ("model.encoder_layerdrop=0",), "pytorch_ddp"),
        ("hubert", "large", (), "pytorch_ddp"),
        ("wav2vec2", "base", ("budget=vaessen",), "pytorch_ddp"),
        ("tera", "1", ("distributed_training.ddp_backend=legacy_ddp",), "legacy_ddp"),
        ("ctc", "slim", (), "pytorch_ddp"),
        ("ctc", "slim", ("model.checkpoint=parent.pt",), "legacy_ddp"),
    ],
)
def test_ranks_wait_for_all_gradients_only_where_some_are_left_out(
    objective: str, size: str, overrides: tuple[str, ...], backend: str
) -> None:
    assert compose_recipe(objective, size, overrides).distributed_training.ddp_backend == backend
