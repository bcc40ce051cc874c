"""``fairseq-budget superb --plan``: the table, with what isn't known left open."""

from __future__ import annotations

import pytest

from fairseq_budget.cli import superb_plan
from s3prl_upstreams.sweep.price import TaskPrice

KS = TaskPrice("ks", 51094, 125.2, 3e16, 2.7e15, 1.4e15, 64.4e9, 314_000, 45_000, "fp32", "hidden states are stored: why")
OTHER = TaskPrice("er", 5000, 20, None, None, 1e12, None, None, None, "off", "hidden states aren't stored: why")


def test_the_table_has_both_prices(capsys: pytest.CaptureFixture[str]) -> None:
    superb_plan._print([KS, OTHER])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "task utterances passes upstream with store heads store device with store" in lines
    assert "ks 51,094 125 30.00 PFLOP 2.70 PFLOP 1.40 PFLOP 60.0 GiB 87.2 h 12.5 h" in lines
    assert "er 5,000 20.0 – – 1.00 TFLOP – – –" in lines
    assert "ks: hidden states are stored: why" in lines
