"""Values with commas between them."""

import pytest

from fairseq_budget.cli.lists import names_in, numbers_in
from fairseq_budget.errors import ConfigError


def test_names() -> None:
    assert names_in("train, valid,,train ") == ["train", "valid"]
    assert names_in(" ") == []


def test_numbers() -> None:
    assert numbers_in("--lr", "1e-3, 0,1e-3", float) == [1e-3, 0.0, 1e-3]
    assert numbers_in("--batches", "1,4", int) == [1, 4]


@pytest.mark.parametrize(("text", "kind"), [("", float), ("1,", float), ("1;2", float), ("1.5", int), ("x", int)])
def test_no_numbers(text: str, kind: type) -> None:
    with pytest.raises(ConfigError, match=f"`--lr` must be numbers, comma-separated, but is `{text}`"):
        numbers_in("--lr", text, kind)


@pytest.mark.parametrize("text", ["-1", "nan", "1,-2"])
def test_numbers_below_zero(text: str) -> None:
    with pytest.raises(ConfigError, match="`--lr` must be numbers from 0"):
        numbers_in("--lr", text, float)
