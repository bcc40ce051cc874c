"""What s3prl would run as code is looked up: its own classes and objects are found, everything else is refused."""

from __future__ import annotations

import importlib
import os
import types
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import checks
from s3prl_upstreams.host import compat, evaluation
from tests import hostile


@pytest.fixture(autouse=True, scope="module")
def s3prl() -> None:
    compat.apply()


def heads(select: Any) -> Any:
    model = importlib.import_module("s3prl.downstream.model")
    return model.get_downstream_model(4, 2, {"select": select, "FrameLevel": {"hiddens": [3]}})


def test_every_module_of_s3prls_has_it_in_place_of_eval() -> None:
    for name in ("s3prl.downstream.ctc.expert", "s3prl.utility.helper", "s3prl.upstream.hubert.hubert_model"):
        assert vars(importlib.import_module(name))["eval"] is evaluation.evaluate


def test_a_head_is_chosen_by_name() -> None:
    assert type(heads("FrameLevel")).__name__ == "FrameLevel"
    assert type(heads("UtteranceLevel").post_net).__name__ == "FrameLevel"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "__import__('os').system('touch marker')",
            "torch.load",
            "nn.Module.__init__",
            "eval",
            "exec",
            "print",
            "os.system",
        ),
        *("F.os.system", "nn.init.warnings.sys", "FrameLevel.__init__", "(lambda: 1)()", "config", "nothing", "", 7, None),
    ],
)
def test_a_head_is_nothing_else(text: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BudgetError, match="s3prl"):
        heads(text)
    assert os.listdir(tmp_path) == []


def test_overrides_are_values_or_texts(tmp_path: Path) -> None:
    helper = importlib.import_module("s3prl.utility.helper")
    config: dict[str, Any] = {}
    texts = {
        "a": "1.0e-3",
        "b": "'AdamW'",
        "c": "['dev', 'test']",
        "d": "/some/path",
        "e": "2 * 3",
        "f": "None",
        "g": "True",
    }
    texts["h"] = f"__import__('os').system('touch {tmp_path}/marker')"
    helper.override(",,".join(f"config.x.{key}={value}" for key, value in texts.items()), Namespace(), config)
    assert config["x"] == {
        "a": 1e-3,
        "b": "AdamW",
        "c": ["dev", "test"],
        "d": "/some/path",
        "e": 6,
        "f": None,
        "g": True,
    } | {"h": texts["h"]}
    assert os.listdir(tmp_path) == []


def test_own_objects_give_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("s3prl.made_up")
    module.eval = evaluation.evaluate
    exec(
        "class Thing:\n"
        "    layers = [1, 2]\n"
        "    _own = 3\n"
        "    def get_dev(self): return 'dev'\n"
        "    def ask(self, text): return eval(text)\n",
        vars(module),
    )
    thing = module.Thing()
    assert thing.ask("self.get_dev")() == "dev" and thing.ask("self.layers[1]") == 2 and thing.ask("-math.inf") < 0
    for text in ("self._own", "self.__class__", "self.get_dev()", "self", "text"):
        with pytest.raises(BudgetError):
            thing.ask(text)


@pytest.mark.parametrize("name", [*hostile.commands(Path("marker"))][:17])
def test_s3prl_unpickles_nothing(tmp_path: Path, name: str) -> None:
    """Its own upstreams and experts ask for ``weights_only=False``, or leave it open."""
    files = hostile.commands(tmp_path / "marker")
    files[name](tmp_path / "c.pt")
    reader = types.ModuleType("s3prl.made_up")
    reader.torch = torch
    exec("def read(path): return torch.load(path, weights_only=False)", vars(reader))
    with pytest.raises(BudgetError, match=r"c\.pt"):
        reader.read(str(tmp_path / "c.pt"))
    assert not (tmp_path / "marker").exists()


def saved(**changes: Any) -> Namespace:
    return Namespace(
        **{"past_exp": "x.ckpt", "init_ckpt": None, "config": None, "hub": None, "upstream_ckpt": None, **changes}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"from_hf_hub": True},
        {"push_to_hf_hub": True},
        {"hub": "huggingface"},
        {"upstream_ckpt": "https://example.org/x.pt"},
        {"upstream_model_config": "file:///x.yaml"},
    ],
)
def test_a_checkpoint_cannot_ask_for_code_from_elsewhere(changes: dict[str, Any]) -> None:
    checks.refuse_all_but_data(saved(), {})
    with pytest.raises(BudgetError, match=r"`x\.ckpt` asks s3prl to fetch an upstream"):
        checks.refuse_all_but_data(saved(**changes), {})


def laughing() -> Any:
    levels = ["a0: &a0 [x]"] + [f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 60)]
    return yaml.safe_load("\n".join(levels))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": [os.system]}, "holds a builtin_function_or_method"),
        ({"a": {"b": torch.ones(1)}}, "holds a Tensor"),
        (laughing(), "more than 2,000,000 values"),
        (yaml.safe_load("&a {b: *a}"), "or hold themselves"),
        ([1], "must be a dictionary"),
    ],
)
def test_settings_are_data_and_end(config: Any, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        checks.refuse_all_but_data(saved(), config)
