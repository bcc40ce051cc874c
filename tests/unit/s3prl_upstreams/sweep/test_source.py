"""Which upstream reads a checkpoint, and what tells one checkpoint from another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import sha256
from s3prl_upstreams.sweep.source import fetched, identify, upstream_for
from tests.model_hub import model_hub


def folder_of(path: Path, model_type: object) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def test_the_upstream_follows_from_the_checkpoint(tmp_path: Path) -> None:
    assert upstream_for(None) == "budget_local" == upstream_for(str(tmp_path / "checkpoint_last.pt"))
    assert upstream_for(str(folder_of(tmp_path / "one", "hubert"))) == "hf_hubert_custom"
    assert upstream_for(str(folder_of(tmp_path / "two", "wav2vec2"))) == "hf_wav2vec2_custom"
    with pytest.raises(BudgetError, match=r"config.json` is of a model `whisper`, and s3prl reads hubert and wav2vec2"):
        upstream_for(str(folder_of(tmp_path / "three", "whisper")))
    (tmp_path / "one" / "config.json").write_text("{")
    with pytest.raises(BudgetError, match=r"config.json` is no JSON"):
        upstream_for(str(tmp_path / "one"))


def test_files_and_folders_are_known_by_their_content(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    file.write_bytes(b"weights")
    assert identify("budget_local", str(file)) == (str(file), sha256(file))
    folder = folder_of(tmp_path / "hf", "hubert")
    place, digest = identify("hf_hubert_custom", str(folder))
    assert place == str(folder) and len(digest) == 64
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert identify("hf_hubert_custom", str(folder))[1] != digest


def test_what_an_upstream_fetches_itself_is_a_name(tmp_path: Path) -> None:
    for name in ("openai/whisper-base", "https://example.org/model.pt"):
        assert fetched("another", name) == name
        assert identify("another", name) == (name, None)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    new, old = (folder_of(tmp_path / name, "hubert") for name in ("new", "old"))
    (old / "model.safetensors").rename(old / "pytorch_model.bin")
    (new / "tf_model.h5").write_bytes(b"of another library")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with model_hub(new=new, old=old) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = file_download.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants._HF_DEFAULT_ENDPOINT, address)
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield


@pytest.mark.parametrize(("name", "weights"), [("new", "model.safetensors"), ("old", "pytorch_model.bin")])
def test_a_model_of_the_hub_is_a_folder(hub: None, name: str, weights: str) -> None:
    folder = fetched(None, f"owner/{name}")
    assert {path.name for path in Path(folder).iterdir()} == {"config.json", weights}
    assert upstream_for(folder) == "hf_hubert_custom"
    assert identify("hf_hubert_custom", folder)[1] is not None
    assert fetched("hf_hubert_custom", folder) == folder


def test_a_name_that_is_none(hub: None) -> None:
    with pytest.raises(
        BudgetError, match=r"no checkpoint `owner/nobody`, and no model .* \(RepositoryNotFoundError: .*give the folder"
    ):
        fetched(None, "owner/nobody")


@pytest.mark.parametrize(
    ("upstream", "checkpoint", "message"),
    [
        ("budget_local", "runs/checkpoint_last.pt", "no checkpoint `runs/checkpoint_last.pt`: give the path of a file such"),
        ("budget_local", "owner/model", "for a model of that name, `--upstream hf_hubert_custom or hf_wav2vec2_custom`"),
        ("hubert_local", "runs/model.pt", "no checkpoint `runs/model.pt`: give the path of a file .* OWNER/MODEL"),
        ("hf_hubert_custom", "no/such/folder", "no checkpoint `no/such/folder`: "),
    ],
)
def test_what_is_nowhere(upstream: str, checkpoint: str, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        identify(upstream, checkpoint)


def test_a_folder_is_no_checkpoint_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no checkpoint"):
        identify("budget_local", str(tmp_path))
