"""Options for a budget: one for each currency, whichever there are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import CURRENCIES, Currency
from fairseq_budget.errors import ConfigError

PARAMETER = "budget"


def with_budget_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `budget`, amounts by currency, by an option for each currency."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values() if p.name != PARAMETER]
    options = [_option(currency) for currency in CURRENCIES.values()]
    keyword = inspect.Parameter.KEYWORD_ONLY

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        amounts = {name: given.pop(name) for name in CURRENCIES}
        command(**given, **{PARAMETER: {name: value for name, value in amounts.items() if value is not None}})

    parameters = [p.replace(kind=keyword) for p in (*own[:1], *options, *own[1:])]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    del with_options.__wrapped__
    return with_options


def _option(currency: Currency) -> inspect.Parameter:
    names = [f"--{name.replace('_', '-')}" for name in (currency.name, currency.former_name) if name]
    needs = "; needs --step-seconds or --probe" if currency.timed else ""
    option = typer.Option(*names, help=f"Budget in {currency.help}{needs}.")
    return inspect.Parameter(
        currency.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[float | None, option]
    )


def one_currency(amounts: Mapping[str, float], default: Mapping[str, float]) -> Budget:
    """The budget that options give, or the default.

    Raises:
        ConfigError: more than one currency.
    """
    if len(amounts) > 1:
        options = " and ".join(f"`--{name.replace('_', '-')}`" for name in amounts)
        raise ConfigError(f"a plan is made for one currency, but {options} are given: choose one")
    return Budget(amounts or default)
