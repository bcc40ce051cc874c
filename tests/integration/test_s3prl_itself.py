"""s3prl's own command lines and classes, with our upstreams, in an environment into which this project is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams.tasks import get_task
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS
from tests.common import save_untrained, waves

from .conftest import check, run
from .test_superb_tasks import overrides

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SWITCH = "FAIRSEQ_BUDGET_S3PRL_HOOK"


@pytest.fixture(scope="module")
def corpora(miniatures: Callable[..., Path]) -> Path:
    return miniatures("ks", "pr", "sid", "ic")


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of size 30."""
    settings = OBJECTIVES["hubert"].settings(get_size("30"))
    return save_untrained(tmp_path_factory.mktemp("thirty") / "checkpoint_last.pt", "hubert", **settings)


def python(
    cwd: Path, *words: str | Path, command: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A process of its own, without GPU and without the checkout on its path; ``command="python"`` begins warm."""
    settings = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "HOME": str(cwd), **environment}
    return run([command, *map(str, words)], cwd, **settings)


LAUNCHED = [
    ("ks", "budget_30"),
    pytest.param("pr", "random_30", marks=pytest.mark.slow),
    pytest.param("sid", "budget_30", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("task", "upstream"), LAUNCHED)
def test_its_launcher_trains_and_evaluates(task: str, upstream: str, corpora: Path, thirty: Path, tmp_path: Path) -> None:
    """Places of corpora in recipes, code that its package lacks and lists that it would keep in its package included."""
    known, model = get_task(task), ["-u", upstream, *(["-k", str(thirty)] if upstream == "budget_30" else [])]
    words = ["-d", known.downstream, "-c", str(recipes_dir() / "superb" / known.recipe), "-p", "exp", *model]
    launcher = ["-m", "s3prl.run_downstream", "--device", "cpu"]
    check(python(tmp_path, *launcher, "-m", "train", *words, "-o", overrides(known), SUPERB=str(corpora)))
    words = ["-m", "evaluate", "-e", "exp/states-2.ckpt"]
    answer = check(python(tmp_path, *launcher, *words, command="python", SUPERB=str(corpora)))
    assert f"test {known.main.key}: " in answer.stdout
    package = Path(importlib.util.find_spec("s3prl").origin).parent
    assert not list((package / "downstream" / known.downstream).glob(".*"))


CLASSES = """
import sys
import torch
from s3prl.nn import Featurizer, S3PRLUpstream
names, ready = S3PRLUpstream.available_names(), S3PRLUpstream.available_names(only_registered_ckpt=True)
upstream = S3PRLUpstream("budget_30", path_or_url=sys.argv[1]).eval()
with torch.no_grad():
    states, lengths = upstream(torch.load(sys.argv[2]), torch.tensor([16000, 12000]))
    features, _ = Featurizer(upstream)(states, lengths)
torch.save({"names": names, "ready": ready, "states": states, "shape": features.shape, "lengths": lengths[0]}, sys.argv[3])
"""


def test_its_classes_give_our_features_and_list_our_names(thirty: Path, tmp_path: Path) -> None:
    """What ESPnet's front end for s3prl asks for, too."""
    batch = waves(2, 16000)
    torch.save(batch, tmp_path / "waves.pt")
    check(python(tmp_path, "-c", CLASSES, thirty, "waves.pt", "answer.pt"))
    answer = torch.load(tmp_path / "answer.pt")
    with torch.no_grad():
        expected = UpstreamExpert(str(thirty)).eval()([batch[0], batch[1, :12000]])["hidden_states"]
    assert len(answer["states"]) == len(expected)
    for state, own in zip(answer["states"], expected, strict=True):
        torch.testing.assert_close(state[0, :49], own[0])
        torch.testing.assert_close(state[1, :37], own[1, :37])
    assert answer["lengths"].tolist() == [50, 38] and answer["shape"] == (2, 50, 192)
    assert {*UPSTREAMS, "hubert", "wav2vec2", "fbank"} <= set(answer["names"])
    assert {"random_30", "hubert"} <= set(answer["ready"]) and "budget_30" not in answer["ready"]


ESPNET = """
import sys
import s3prl
import torch
from espnet2.asr.frontend.s3prl import S3prlFrontend
conf = {"upstream": "budget_30", "path_or_url": sys.argv[1]}
front = S3prlFrontend(fs="16k", frontend_conf=conf, multilayer_feature=True).eval()
features, lengths = front(torch.load(sys.argv[2]), torch.tensor([16000, 12000]))
print(front.output_size(), front.hop_length, *features.shape, *lengths.tolist())
"""


@pytest.mark.slow
def test_espnets_front_end(thirty: Path, tmp_path: Path) -> None:
    """ESPnet's own class, where it is installed (`pip install --no-deps espnet typeguard humanfriendly torch_complex`).

    s3prl is imported first: ESPnet imports torchaudio before it, and that fails beside a CPU-only torch.
    """
    pytest.importorskip("espnet2")
    torch.save(waves(2, 16000), tmp_path / "waves.pt")
    answer = check(python(tmp_path, "-c", ESPNET, thirty, "waves.pt"))
    assert answer.stdout.split()[-7:] == ["192", "320", "2", "50", "192", "50", "38"]


PROBLEMS = [
    ("SuperbKS", {"gsc1": "speech_commands/train", "gsc1_test": "speech_commands/test"}),
    pytest.param("SuperbSID", {"dataset_root": "voxceleb1"}, marks=pytest.mark.slow),
    pytest.param("SuperbIC", {"dataset_root": "fluent_commands"}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("problem", "data"), PROBLEMS)
def test_its_problem_classes_train_and_test(
    problem: str, data: dict[str, str], corpora: Path, thirty: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pandas")
    lists = tmp_path / ".cache" / "s3prl" / "iden_split.txt"  # which it would fetch
    lists.parent.mkdir(parents=True)
    lists.write_text((corpora / "voxceleb1" / "iden_split.txt").read_text())
    values = {f"prepare_data.{key}": corpora / place for key, place in data.items()}
    values |= {"target_dir": "exp", "cache_dir": "cache", "device": "cpu", "num_workers": 0, "eval_batch": 2}
    values |= {"build_upstream.name": "budget_30", "build_upstream.path_or_url": thirty}
    values |= {f"train.{key}": 1 for key in ("log_step", "eval_step", "save_step", "gradient_accumulate")}
    values |= {
        "train.total_steps": 2,
        **{f"build_batch_sampler.{split}.batch_size": 2 for split in ("train", "valid", "test")},
    }
    words = [word for key, value in values.items() for word in (f"--{key}", str(value))]
    check(python(tmp_path, "-m", "s3prl.main", problem, *words, command="python"))
    [result] = (tmp_path / "exp" / "evaluate").rglob("result.yaml")
    assert "accuracy: " in result.read_text()


TORCH_HUB = """
import sys
import torch
model = torch.hub.load(sys.argv[1], "budget_30", source="local", ckpt=sys.argv[2])
print(len(model([torch.zeros(16000)])["hidden_states"]), "s3prl" in sys.modules)
"""


def test_torch_hub_loads_from_the_checkout(thirty: Path, tmp_path: Path) -> None:
    answer = check(python(tmp_path, "-c", TORCH_HUB, ROOT, thirty))
    assert answer.stdout.split() == [str(get_size("30").encoder_layers + 1), "False"]


LOADED = "import sys; print(*(name in sys.modules for name in ('_fairseq_budget_s3prl', 's3prl_upstreams', 'torch')))"
OURS = """
try:
    from s3prl import hub
except (ImportError, OSError, AttributeError):  # what it needs to run on today's packages is missing
    hub = None
print(hasattr(hub, "budget_30"))
"""


@pytest.mark.parametrize("switch", ["1", "0"])
def test_until_s3prl_is_imported_nothing_happens_and_turned_off_nothing_then(switch: str, tmp_path: Path) -> None:
    is_on = str(switch == "1")
    assert check(python(tmp_path, "-c", LOADED, **{SWITCH: switch})).stdout.split() == [is_on, "False", "False"]
    looked_for = f"import importlib.util; importlib.util.find_spec('s3prl'); {LOADED}"
    assert check(python(tmp_path, "-c", looked_for, **{SWITCH: switch})).stdout.split() == [is_on, "False", "False"]
    assert check(python(tmp_path, "-c", OURS, **{SWITCH: switch})).stdout.split()[-1] == is_on


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["1", "0"])
def test_fairseqs_command_is_imported_without_a_word(switch: str, tmp_path: Path) -> None:
    answer = check(python(tmp_path, "-c", "import fairseq_cli.hydra_train", **{SWITCH: switch}))
    assert ("version_base" not in answer.stderr, answer.stdout + answer.stderr == "") == (switch == "1",) * 2


ALONE = """
import sys
sys.path[:0] = [{startup!r}, {folder!r}]
import _fairseq_budget_s3prl
_fairseq_budget_s3prl.install()
try:
    import s3prl
    print(s3prl.VALUE)
except ModuleNotFoundError as error:
    print(error)
"""


def test_without_our_packages_or_without_s3prl_it_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a Python that sees no packages at all."""
    code = ALONE.format(startup=str(ROOT / "s3prl_upstreams" / "startup"), folder=str(tmp_path))
    command = [sys.executable, "-I", "-S", "-c", code]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    answer = check(subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600))
    assert (answer.stdout, answer.stderr) == ("No module named 's3prl'\n", "")
    (tmp_path / "s3prl").mkdir()
    (tmp_path / "s3prl" / "__init__.py").write_text("VALUE = 'imported'\n")
    answer = check(subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600))
    assert answer.stdout == "imported\n"
    reason = "s3prl works without the upstreams of fairseq-budget (ModuleNotFoundError: No module named 's3prl_upstreams')"
    assert f"RuntimeWarning: {reason}" in answer.stderr
