"""The configuration of a model with any front end: the encoder's settings beside those of every front end."""

# no `from __future__ import annotations` here: fairseq reads the field types themselves

from dataclasses import dataclass, fields, make_dataclass
from typing import TypeVar

from fairseq_budget.arithmetic.frontend import FrontendCost
from fairseq_budget.arithmetic.model_config import ModelConfig, setting
from fairseq_budget.frontends import DEFAULT, FRONTENDS, get_frontend
from fairseq_budget.frontends.frontend import FrontendSettings

Config = TypeVar("Config", bound=ModelConfig)

ANY_NUMBER = (-(2**63), 2**63)
"""A front end names its own problems, and another's settings don't matter."""


def with_settings_of_all(kind: type[Config]) -> type[Config]:
    """The dataclass with the settings of every front end besides, so that adding one changes nothing here."""
    kinds = [frontend.settings for frontend in FRONTENDS.values()]
    own = [
        (f.name, f.type, setting(f.default, f.metadata["help"], ANY_NUMBER)) for settings in kinds for f in fields(settings)
    ]
    described = {"__doc__": kind.__doc__, "__module__": kind.__module__}
    return make_dataclass(kind.__name__, own, bases=(kind,), namespace=described)


@with_settings_of_all
@dataclass
class SpeechConfig(ModelConfig):
    """An encoder and the front end that it reads; an objective subclasses it and adds its own settings."""

    frontend: str = setting(DEFAULT, f"what turns audio into frames: {', '.join(FRONTENDS)}")

    def frontend_settings(self) -> FrontendSettings:
        """Those of the chosen front end.

        Raises:
            ConfigError: an unknown front end.
        """
        kind = get_frontend(self.frontend).settings
        return kind(**{f.name: getattr(self, f.name) for f in fields(kind)})

    def frontend_cost(self) -> FrontendCost:
        return self.frontend_settings().cost()

    def problems(self) -> list[str]:
        return self.frontend_settings().problems()
