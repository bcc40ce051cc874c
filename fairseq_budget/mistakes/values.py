"""Values of a wrong kind, out of what OmegaConf says of them."""

from __future__ import annotations

import re
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

KINDS = {
    "could not be converted to Integer": "a whole number",
    "could not be converted to Float": "a number",
    "is not a valid bool": "true or false",
    "is not a ListConfig, list or tuple": "a list, such as `[0.001]`",
    "is not supported for List": "a list, such as `[0.001]`",
}
"""By what OmegaConf 2.3 calls them."""
_CHOICES = re.compile(r"expected one of \[(.*)\]")


def wrong_value(name: str, value: Any, error: OmegaConfBaseException) -> str:
    """What to say of a value that a setting can't have."""
    said = str(error)
    if choices := _CHOICES.search(said):
        return f"`{name}` must be one of {choices[1]}, but is `{value}`"
    if "is not a subclass of" in said:
        return f"`{name}` has settings of its own, such as `{name}.NAME=...`, and can't be `{value}`; `--cfg job` shows them"
    for kind, text in KINDS.items():
        if kind in said:
            return f"`{name}` must be {text}, but is `{value}`"
    return f"`{name}`: {said.splitlines()[0]}"


def value_at(settings: Any, key: str) -> Any:
    """What stands in `settings` under a dotted key, as it is written there."""
    found = OmegaConf.select(settings, key, throw_on_resolution_failure=False)
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
