"""The configuration of a cell as fairseq-hydra-train would train it, without training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fairseq_budget.errors import ConfigError
from fairseq_budget.recipes import recipes_dir
from fairseq_budget.studies.study import Cell


def compose(cells: Iterable[Cell], common: Sequence[str] = ()) -> Iterator[Any]:
    """Each cell's configuration, resolved; `common` are overrides of all.

    Raises:
        ConfigError: a cell that Hydra can't compose; names the cell and what Hydra says.
    """
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for cell in cells:
        try:
            with _recipes(cell.recipe):
                begun = [] if cell.begins_from is None else [f"model.checkpoint={cell.begins_from.cell}"]
                config = hydra_compose(cell.recipe, overrides=[*cell.overrides, *begun, *common])
                yield OmegaConf.create(OmegaConf.to_container(config, resolve=True))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(f"cell {cell.name} can't be composed: {error}") from error


@contextmanager
def _recipes(recipe: str) -> Iterator[None]:
    """Hydra as fairseq-hydra-train sets it up for a recipe."""
    with _quiet():
        from fairseq.dataclass.initialize import hydra_init
        from hydra import initialize_config_dir
        from hydra.core.global_hydra import GlobalHydra

        GlobalHydra.instance().clear()
        hydra_init(recipe)
        with initialize_config_dir(str(recipes_dir()), version_base="1.1"):
            yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what fairseq, DeepSpeed and Hydra say of themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
