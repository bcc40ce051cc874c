"""Texts that fairseq and s3prl would run as code are read as values, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[(512,10,5)] + [(512,3,2)] * 2", [(512, 10, 5), (512, 3, 2), (512, 3, 2)]),
        ("2 * [1]", [1, 1]),
        ("(1,) + (2,) * 2", (1, 2, 2)),
        ("(0.9, 0.98)", (0.9, 0.98)),
        ("1 / 4 - 2 * -0.5", 1.25),
        (" 'AdamW' ", "AdamW"),
        ("{'a': [1, None, True]}", {"a": [1, None, True]}),
        ("[1 + 1, (2 * 3,)]", [2, (6,)]),
    ],
)
def test_literals_and_their_sums_and_products(text: str, value: Any) -> None:
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "__import__('os').system('true')",
            "open('x')",
            "a",
            "[x for x in [1]]",
            "(lambda: 1)()",
            "().__class__",
            "f'{1}'",
        ),
        *("[1] * 100000000", "[[1] * 1000] * 1000 * 1000", "'a' * 1000000000", "[1] * 2.5", "9 ** 9 ** 9", "1 << 10 ** 9"),
        *("1 / 0", "'a' + 'b'", "[1] + (1,)", "[" * 900, "-" * 1900 + "1", "9" * 3000, "", "1 +", "1e308 * 1e308"),
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be a number, a text, or a list of them"):
        read_literal(text)
