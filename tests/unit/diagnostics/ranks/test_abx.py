"""Phones told apart: which tokens are compared, and what comes of features that are known to be good or bad."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.diagnostics.ranks import abx
from fairseq_budget.diagnostics.ranks.abx import ACROSS, WITHIN, Token, best_layer, tokens
from fairseq_budget.diagnostics.ranks.look import LookSettings, look
from fairseq_budget.errors import BudgetError, MissingPackage

HERE = importlib.util.find_spec("fastabx") is not None
NEEDS_IT = pytest.mark.skipif(not HERE, reason="fastabx isn't installed")
PHONES = ["a", "b", "sil"]
TWO_SPEAKERS = r"^(1)|(\.flac)$"


def test_tokens_are_whole_phones_with_their_neighbours() -> None:
    codes = [np.array([0, 0, 1, 1, 1, 0, 2, 0, 1]), np.array([-1, 0, 0, -1, 1, 1]), np.array([0, 0])]
    assert tokens(codes, PHONES) == [
        Token(0, 2, 5, "b", "a", "a"),
        Token(0, 5, 6, "a", "b", "sil"),
        Token(0, 7, 8, "a", "sil", "b"),
        Token(1, 1, 3, "a", "sil", "sil"),
    ]
    with pytest.raises(BudgetError, match="none is known of these utterances: name a CTM file with `--phones`"):
        abx.check(tokens([np.array([-1, -1, -1])], PHONES))


def test_the_layer_that_confuses_least_across_speakers() -> None:
    assert best_layer([{WITHIN: 0.1, ACROSS: 0.3}, {WITHIN: 0.2, ACROSS: 0.2}, {WITHIN: 0.3, ACROSS: 0.2}]) == (1, ACROSS)
    assert best_layer([{WITHIN: 0.3, ACROSS: None}, {WITHIN: 0.2, ACROSS: None}]) == (1, WITHIN)
    assert best_layer([{WITHIN: None, ACROSS: None}, {}]) is None


@pytest.mark.skipif(HERE, reason="fastabx is installed")
def test_without_the_package_one_line_says_what_is_needed(speech: Path, checkpoints: list[Path]) -> None:
    answer = CliRunner().invoke(app, ["ranks", str(checkpoints[0]), "--data", str(speech), "--abx"])
    assert isinstance(answer.exception, MissingPackage)
    message = str(answer.exception)
    assert message.startswith("ABX needs the package fastabx: ") and message.endswith("pip install 'fairseq-budget[abx]'")
    assert ("this is Python 3.11" in message) == (sys.version_info < (3, 12))


def test_in_context_is_said_of_abx(speech: Path, checkpoints: list[Path]) -> None:
    answer = CliRunner().invoke(app, ["ranks", str(checkpoints[0]), "--data", str(speech), "--in-context"])
    assert "`--in-context` says which phones ABX compares: add `--abx`" in str(answer.exception)


def features(codes: list[np.ndarray], speakers: float, noise: float) -> list[np.ndarray]:
    """Frames that are a phone's point, a speaker's (of three) and noise.  Shape: -> N x (K, 16)"""
    generator = np.random.default_rng(1)
    of_phone, of_speaker = generator.normal(size=(2, 8, 16))
    return [
        (of_phone[code] + speakers * of_speaker[place % 3] + noise * generator.normal(size=(len(code), 16))).astype(
            "float32"
        )
        for place, code in enumerate(codes)
    ]


@NEEDS_IT
@pytest.mark.parametrize("in_context", [False, True])
def test_good_features_confuse_nothing_and_noise_half(in_context: bool) -> None:
    generator = np.random.default_rng(0)
    codes = [np.repeat(generator.integers(0, 4, 30), 3) for _ in range(12)]
    found, names = tokens(codes, list("abcd")), [f"speaker{place % 3}" for place in range(12)]
    how = abx.AbxSettings(in_context)
    clear = abx.errors(found, features(codes, speakers=0.0, noise=0.1), names, how)
    assert clear[WITHIN] == clear[ACROSS] == 0.0
    noise = abx.errors(found, features(codes, speakers=0.0, noise=100.0), names, how)
    assert noise[WITHIN] == pytest.approx(0.5, abs=0.1) and noise[ACROSS] == pytest.approx(0.5, abs=0.1)
    speaking = abx.errors(found, features(codes, speakers=30.0, noise=1.0), names, how)
    assert speaking[ACROSS] > speaking[WITHIN]
    alone = abx.errors(found, features(codes, speakers=0.0, noise=0.1), ["one"] * 12, how)
    assert alone == {WITHIN: 0.0, ACROSS: None}
    assert abx.errors([], [], [], how) == {WITHIN: None, ACROSS: None}


@NEEDS_IT
def test_a_look_has_errors_of_every_layer_and_the_same_ranks(speech: Path, checkpoints: list[Path]) -> None:
    """Of three tones the one in the middle is whole; two files are one speaker's, nine another's."""
    plain = LookSettings(speech, "valid", utterances=11, seconds=1.2, clusters=6, seed=0, device=torch.device("cpu"))
    asked = replace(plain, abx=abx.AbxSettings(), speaker_rule=TWO_SPEAKERS)
    [without], [found] = look(checkpoints[:1], plain), look(checkpoints[:1], asked)
    for layer, before in zip(found.layers, without.layers, strict=True):
        assert 0 <= layer[ACROSS] < 0.2, "tones are easy, even for untrained convolutions"
        assert layer["rank_frames"] == pytest.approx(before["rank_frames"]) and before[ACROSS] is None
    words = ["ranks", str(checkpoints[0]), "--data", str(speech), "--seconds", "1.2", "--clusters", "6", "--abx"]
    words += ["--speaker-rule", TWO_SPEAKERS]
    answer = CliRunner().invoke(app, words)
    assert "across" in answer.stdout and "confuses the fewest phones (ABX error" in answer.stdout
    assert f"--checkpoint {checkpoints[0]} --layer" in answer.stdout
    layers = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["checkpoints"][0]["layers"]
    assert [layer[ACROSS] for layer in layers] == [layer[ACROSS] for layer in found.layers]
