"""Each fix acts where it is needed, and leaves an environment alone in which it is not."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat, sox
from tests.warm_start import HOOK, warm

ROOT = Path(__file__).parents[3]


@pytest.fixture
def torchaudio() -> types.ModuleType:
    return compat.import_torchaudio()


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    """Without what an installation does when s3prl is imported."""
    return warm(hook=False).run([sys.executable, "-c", code], ROOT, {**os.environ, HOOK: "0"})


def pretend_installed(monkeypatch: pytest.MonkeyPatch, installed: dict[str, bool]) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        if name not in installed:
            return real(name, package)
        return ModuleSpec(name, None) if installed[name] else None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


@pytest.mark.integration
def test_everything_together_lets_s3prl_be_imported() -> None:
    code = "from s3prl_upstreams.host import compat, hub; compat.apply(); compat.apply(); hub.install(); hub.install()\n"
    code += "import s3prl.run_downstream, s3prl.downstream.speech_commands.expert; print('imported')"
    answer = in_a_new_process(code)
    assert answer.stdout.endswith("imported\n"), answer.stderr


def test_torchaudio_without_its_compiled_part_resamples_and_makes_filter_banks(torchaudio: types.ModuleType) -> None:
    wave = torch.randn(1, 8000)
    assert torchaudio.functional.resample(wave, 8000, 16000).shape == (1, 16000)
    import torchaudio.compliance.kaldi as kaldi

    assert kaldi.fbank(wave).shape[1] == 23


def test_an_importable_torchaudio_is_left_alone(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = types.ModuleType("torchaudio")
    monkeypatch.setitem(sys.modules, "torchaudio", fine)
    assert compat.import_torchaudio() is fine and not vars(fine).get("_load_lib")


def test_no_torchaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(BudgetError, match="s3prl needs the package torchaudio"):
        compat.import_torchaudio()


def test_no_s3prl(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, {"s3prl": False})
    with pytest.raises(BudgetError, match=r"the package s3prl is not installed: pip install 'fairseq-budget\[superb\]'"):
        compat.apply()


def test_audio_backend_call(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio, "set_audio_backend", len, raising=False)
    compat.keep_audio_backend_call()
    assert torchaudio.set_audio_backend is len
    monkeypatch.delattr(torchaudio, "set_audio_backend")
    compat.keep_audio_backend_call()
    assert torchaudio.set_audio_backend("sox_io") is None


def test_sox_effects(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchaudio.sox_effects", raising=False)
    pretend_installed(monkeypatch, {"torchaudio.sox_effects": True})
    compat.provide_sox_effects()
    assert "torchaudio.sox_effects" not in sys.modules
    pretend_installed(monkeypatch, {"torchaudio.sox_effects": False})
    compat.provide_sox_effects()
    from torchaudio.sox_effects import apply_effects_file

    assert apply_effects_file is sox.apply_effects_file


def test_loading_audio(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio, "load", len)
    monkeypatch.setattr(torchaudio, "load_with_torchcodec", len, raising=False)
    pretend_installed(monkeypatch, {"torchcodec": True})
    compat.load_audio_with_soundfile()
    assert torchaudio.load is len
    pretend_installed(monkeypatch, {"torchcodec": False})
    compat.load_audio_with_soundfile()
    assert torchaudio.load is sox.load


def test_older_torchaudio_loads_audio_itself(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio, "load", len)
    monkeypatch.delattr(torchaudio, "load_with_torchcodec", raising=False)
    compat.load_audio_with_soundfile()
    assert torchaudio.load is len


def test_what_an_audio_file_holds(torchaudio: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio, "info", len, raising=False)
    compat.provide_audio_info()
    assert torchaudio.info is len
    monkeypatch.delattr(torchaudio, "info")
    compat.provide_audio_info()
    assert torchaudio.info is sox.info


def test_writing_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "torch.utils.tensorboard"
    for module in (name, f"{name}.writer"):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(sys.modules, module)
    for installed in ({"tensorboard": True}, {"tensorboard": False, "tensorboardX": False}):
        pretend_installed(monkeypatch, installed)
        compat.provide_tensorboard_writer()
        assert name not in sys.modules
    pretend_installed(monkeypatch, {"tensorboard": False, "tensorboardX": True})
    compat.provide_tensorboard_writer()
    from torch.utils.tensorboard.writer import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 1.0, 1)
    assert list(tmp_path.glob("events.*"))


def test_saved_arguments(tmp_path: Path) -> None:
    before = torch.serialization.get_safe_globals()
    torch.save({"Args": argparse.Namespace(seed=1337)}, tmp_path / "states-2.ckpt")
    compat.allow_saved_arguments()
    assert torch.load(tmp_path / "states-2.ckpt")["Args"].seed == 1337
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def test_hub_names(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = types.ModuleType("huggingface_hub"), types.ModuleType("huggingface_hub")
    old.HfFolder = old.Repository = len
    for module in (new, old):
        monkeypatch.setitem(sys.modules, "huggingface_hub", module)
        compat.provide_hub_names()
    assert old.HfFolder is old.Repository is len
    with pytest.raises(BudgetError, match=r"`huggingface_hub.HfFolder` is not there.*pip install 'huggingface_hub<1'"):
        new.HfFolder.get_token()
    with pytest.raises(BudgetError, match=r"`huggingface_hub.Repository` is not there"):
        new.Repository(local_dir="x")


def test_packages_that_are_imported_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {module.partition(".")[0] for module, _ in compat.UNUSED}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for installed in (True, False):
        pretend_installed(monkeypatch, dict.fromkeys(packages, installed))
        compat.provide_unused_imports()
        assert all((module in sys.modules) == (not installed) for module, _ in compat.UNUSED)
    assert sys.modules["sed_eval"].sound_event.EventBasedMetrics.__name__ == "EventBasedMetrics"
    from catalyst.data.sampler import DistributedSamplerWrapper

    with pytest.raises(BudgetError, match="`catalyst.data.sampler.DistributedSamplerWrapper` is not there"):
        DistributedSamplerWrapper([1, 2])
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)
    pretend_installed(monkeypatch, dict.fromkeys(packages, True))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    compat.provide_unused_imports()
    assert ("catalyst" in sys.modules, "sox" in sys.modules) == (False, True), "the package alone would ask a shell for it"
    monkeypatch.delitem(sys.modules, "sox")


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        (["a", "b", "c"], ["a", "c"], 1),
        (["the", "cat"], ["a", "cat", "sat"], 2),
        ([], ["x"], 1),
        ("kitten", "sitting", 3),
        ([1, 2], [2, 1], 2),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_edits_are_counted_with_and_without_editdistance(
    monkeypatch: pytest.MonkeyPatch, installed: bool, one: Sequence[object], other: Sequence[object], edits: int
) -> None:
    monkeypatch.setitem(sys.modules, "editdistance", None)
    monkeypatch.delitem(sys.modules, "editdistance")
    if installed:
        pytest.importorskip("editdistance")
    else:
        pretend_installed(monkeypatch, {"editdistance": False})
    compat.provide_edit_distance()
    assert importlib.import_module("editdistance").eval(one, other) == edits


def test_items_of_series(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.delattr(pandas.Series, "iteritems", raising=False)
    assert compat.name_items_of_series() and compat.name_items_of_series()
    assert list(pandas.Series({"a": 1}).iteritems()) == [("a", 1)]
    own = lambda self: iter(())  # noqa: E731
    monkeypatch.setattr(pandas.Series, "iteritems", own)
    assert not compat.name_items_of_series() and pandas.Series.iteritems is own


def called_from(module: str, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor.cuda()`` as if it stood in `module`."""
    call = types.FunctionType((lambda: tensor.cuda()).__code__, {"__name__": module}, closure=_closure(tensor))
    return call()


def _closure(tensor: torch.Tensor) -> tuple:
    return (lambda: tensor).__closure__


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_only_s3prl_stays_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "cuda", torch.Tensor.cuda)
    compat.stay_on_the_processor()
    first = torch.Tensor.cuda
    compat.stay_on_the_processor()
    assert torch.Tensor.cuda is first
    mask = torch.ones(2)
    assert called_from("s3prl.downstream.sv_voxceleb1.expert", mask) is mask
    for other in ("s3prl_upstreams.upstreams.expert", "__main__"):
        with pytest.raises((AssertionError, RuntimeError)):
            called_from(other, mask)


def test_with_cuda_tensors_go_where_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.Tensor.cuda
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    compat.stay_on_the_processor()
    assert torch.Tensor.cuda is original
