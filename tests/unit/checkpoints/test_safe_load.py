"""A checkpoint is read as data: what fairseq writes opens, what a hostile file asks for is never run."""

from __future__ import annotations

import argparse
import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fairseq_budget.checkpoints.safe_load import Placeholder, plain, safe_load
from fairseq_budget.errors import BudgetError


class Dictionary:
    """Like fairseq's: a type that the reading side need not have."""

    def __init__(self) -> None:
        self.symbols = ["<s>", "a"]


class Calls:
    """Pickles as a call of `function` with `args`, then `state` for its result."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> tuple:
        return self.reduced

    def __call__(self) -> None:
        """The pickler wants a function to be callable before it writes a call of it."""


def save(path: Path, content: Any, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def save_instructions(path: Path, instructions: bytes) -> Path:
    """A torch.save file whose pickle is written by hand."""
    save(path, {})
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, instructions if name.endswith("data.pkl") else data)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_and_values_come_back(tmp_path: Path, legacy: bool) -> None:
    shared = torch.randn(2, 3)
    content = {
        "model": collections.OrderedDict(weight=shared, tied=shared, half=torch.ones(2, dtype=torch.bfloat16)),
        "parameter": torch.nn.Parameter(torch.zeros(3)),
        "cfg": {"model": {"layers": 12, "_name": "hubert"}, "ratio": (0.5, None, True)},
        "meters": collections.defaultdict(list, {"loss": [1.0]}),
        "numbers": [np.float64(1.5), np.int32(-7)],
        "queue": collections.deque([1, 2], maxlen=4),
        "names": {"a", "b"},
        "shape": torch.Size([2, 3]),
    }
    read = safe_load(save(tmp_path / "c.pt", content, legacy))
    assert torch.equal(read["model"]["weight"], shared)
    assert read["model"]["tied"].data_ptr() == read["model"]["weight"].data_ptr()
    assert read["model"]["half"].dtype is torch.bfloat16
    assert isinstance(read["parameter"], torch.nn.Parameter)
    assert read["cfg"] == content["cfg"]
    assert read["meters"] == {"loss": [1.0]} and read["names"] == {"a", "b"} and read["queue"] == [1, 2]
    assert read["numbers"] == [1.5, -7] and read["numbers"][1].dtype == np.int32
    assert read["shape"] == (2, 3)


@pytest.mark.parametrize("legacy", [False, True])
def test_unknown_types_become_placeholders(tmp_path: Path, legacy: bool) -> None:
    content = {"task_state": {"dictionaries": [Dictionary()]}, "args": argparse.Namespace(arch="hubert", dim=768)}
    read = safe_load(save(tmp_path / "c.pt", content, legacy))
    stand_in = read["task_state"]["dictionaries"][0]
    assert isinstance(stand_in, Placeholder) and not isinstance(stand_in, Dictionary)
    assert type(stand_in).__name__ == f"{__name__}.Dictionary" and stand_in.state == {"symbols": ["<s>", "a"]}
    assert plain(read["args"]) == {"arch": "hubert", "dim": 768}


def test_settings_of_omegaconf_are_opened(tmp_path: Path) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"model": {"layers": 12, "prob": [0.5, 0.1]}, "name": "x"})
    read = safe_load(save(tmp_path / "c.pt", {"cfg": config}))
    assert plain(read["cfg"]) == {"model": {"layers": 12, "prob": [0.5, 0.1]}, "name": "x"}


def test_what_the_process_allowed_before_is_set_aside_and_restored(tmp_path: Path) -> None:
    path = save(tmp_path / "c.pt", {"task_state": Dictionary()})
    with torch.serialization.safe_globals([Dictionary]):
        before = set(torch.serialization.get_safe_globals())
        assert not isinstance(safe_load(path)["task_state"], Dictionary)
        assert set(torch.serialization.get_safe_globals()) == before
        assert isinstance(torch.load(path)["task_state"], Dictionary)


def run_me(path: str) -> None:
    Path(path).write_text("ran")


class Setter:
    def __setstate__(self, state: str) -> None:
        Path(state).write_text("ran")

    def __reduce__(self) -> tuple:
        return Setter, (), self.target


def hostile(trace: str) -> dict[str, Any]:
    """Objects that write the file `trace` when an ordinary unpickler reads them."""
    setter = Setter()
    setter.target = trace
    return {
        "a function of an importable module": Calls(run_me, trace),
        "builtins.eval": Calls(eval, f"__import__('pathlib').Path({trace!r}).write_text('ran')"),
        "builtins.exec": Calls(exec, f"with open({trace!r}, 'w') as file: file.write('ran')"),
        "getattr, then a call": Calls(Calls(getattr, Path(trace), "touch")),
        "functools.partial": Calls(Calls(__import__("functools").partial, run_me, trace)),
        "a state for __setstate__": setter,
        "operator.methodcaller": Calls(Calls(__import__("operator").methodcaller, "touch"), Path(trace)),
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", list(hostile("")))
def test_hostile_files_run_nothing(tmp_path: Path, kind: str, legacy: bool) -> None:
    trace = tmp_path / "trace"
    path = save(tmp_path / "c.pt", {"model": {}, "payload": hostile(str(trace))[kind]}, legacy)
    try:
        safe_load(path)
    except BudgetError as error:
        assert str(path) in str(error)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the file is harmless, so the test shows nothing"


@pytest.mark.parametrize("module", ["os", "posix", "sys"])
def test_modules_with_no_place_in_a_checkpoint_are_refused(tmp_path: Path, module: str) -> None:
    trace = tmp_path / "trace"
    command = f"touch {trace}".encode()
    path = save_instructions(tmp_path / "c.pt", b"\x80\x02c" + module.encode() + b"\nsystem\n" + text(command) + b"\x85R.")
    with pytest.raises(BudgetError, match=f"{module}.* is blocked"):
        safe_load(path)
    assert not trace.exists()


def text(value: bytes) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value


def test_nothing_of_the_process_can_be_changed(tmp_path: Path) -> None:
    """BUILD on a class sets attributes on it: here of torch.nn.Parameter, and of a placeholder's class."""
    for name in (b"torch.nn.parameter\nParameter\n", b"made_up\nThing\n"):
        state = b"N}" + text(b"poisoned") + b"\x88s\x86"
        path = save_instructions(tmp_path / "c.pt", b"\x80\x02c" + name + state + b"b.")
        with pytest.raises(BudgetError, match="Can only build"):
            safe_load(path)
    assert not hasattr(torch.nn.Parameter, "poisoned") and not hasattr(Placeholder, "poisoned")


def test_a_result_of_a_placeholder_cannot_be_called(tmp_path: Path) -> None:
    twice = b"\x80\x02cmade_up\nthing\n)R)R."
    with pytest.raises(BudgetError, match="unrecognized function"):
        safe_load(save_instructions(tmp_path / "c.pt", twice))


@pytest.mark.parametrize("protocol", [4, 5])
def test_instructions_of_newer_pickles_are_refused(tmp_path: Path, protocol: int) -> None:
    path = save_instructions(tmp_path / "c.pt", pickle.dumps({"x": Calls(run_me, str(tmp_path / "t"))}, protocol))
    with pytest.raises(BudgetError, match="Unsupported operand"):
        safe_load(path)
    assert not (tmp_path / "t").exists()


def test_a_forged_numpy_type_stays_inert(tmp_path: Path) -> None:
    """numpy believes the flags in a dtype's state; ours keeps arguments and reads plain numbers only."""
    array = np.array([object()], dtype=object)
    read = safe_load(save(tmp_path / "c.pt", {"array": array, "scalar": np.str_("x")}))
    assert isinstance(read["array"], Placeholder) and isinstance(read["scalar"], Placeholder)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"no checkpoint at `.*none\.pt`"):
        safe_load(tmp_path / "none.pt")


def test_text_file_and_empty_file(tmp_path: Path) -> None:
    for content in ("I am a log file\nwith lines\n", "", "cos\nsystem\n"):
        path = tmp_path / "log.txt"
        path.write_text(content)
        with pytest.raises(BudgetError, match=r"`.*log\.txt` cannot be read as a checkpoint"):
            safe_load(path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, kept: float, legacy: bool) -> None:
    path = save(tmp_path / "c.pt", {"model": {"w": torch.randn(100, 100)}}, legacy)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(BudgetError, match=r"`.*c\.pt` cannot be read as a checkpoint"):
        safe_load(path)


def test_not_a_dictionary(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="holds a Tensor, a checkpoint is a dictionary"):
        safe_load(save(tmp_path / "c.pt", torch.zeros(2)))
