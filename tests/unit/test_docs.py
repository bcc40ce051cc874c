"""What the pages tell a reader to type exists: commands, options, recipes and settings; and the manual builds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fairseq.dataclass.initialize import hydra_init
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from fairseq_budget.cli import app
from fairseq_budget.recipes import recipes_dir

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), ROOT / "recipes" / "README.md", *(ROOT / "docs").glob("*.md")]
PLACEHOLDER = re.compile(r"\.\.\.|[\[{<]")


def shell_lines(page: Path) -> Iterator[str]:
    """The lines of a page's blocks of code, continued lines in one, and what stands between backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^(?: {4}|srun )(.+)$", text, flags=re.MULTILINE)
    yield from (part.strip() for line in blocks for part in line.split("&&"))
    yield from re.findall(r"`([^`\n]+)`", text)


def commands(program: str) -> Iterator[list[str]]:
    """The arguments of each use of a program; pages leave out with dots what doesn't matter."""
    for page in PAGES:
        for line in shell_lines(page):
            words = shlex.split(line, comments=True) if line.count('"') % 2 == 0 and "'" not in line else []
            if program in words:
                yield words[words.index(program) + 1 :]


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words after it; `labels` makes labels unless told otherwise."""
    command: Any = typer.main.get_command(app)
    while words and (below := getattr(command, "commands", None)):
        if words[0] not in below and "make" in below:
            return below["make"], words
        if words[0] not in below:
            break
        command, words = below[words[0]], words[1:]
    return command, words


def leaves(command: Any) -> Iterator[Any]:
    below = getattr(command, "commands", {})
    yield from (leaf for child in below.values() for leaf in leaves(child)) if below else [command]


def test_every_help_has_an_example_that_works() -> None:
    for command in leaves(typer.main.get_command(app)):
        examples = re.findall(r"(?:Example|On Slurm|Use): (.*)", command.help)
        assert examples, command.name
        for words in map(shlex.split, examples):
            assert words[0] != "fairseq-budget" or is_known(words[1:]), examples


def is_known(words: list[str]) -> bool:
    """Whether there is such a command with such options; a group may stand alone."""
    command, rest = leaf(words)
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    here = rest[: rest.index("--")] if "--" in rest else rest
    given = {word.partition("=")[0] for word in here if word.startswith("--")}
    is_command = not hasattr(command, "commands") or not rest or rest[0].startswith("-") or not rest[0].islower()
    return is_command and given <= options | {"--help"}


def test_commands_exist_with_their_options() -> None:
    used = list(commands("fairseq-budget"))
    assert len(used) > 50
    assert [shlex.join(words) for words in used if not is_known(words)] == []


def overrides_of(words: list[str]) -> tuple[str, list[str]]:
    name = words[words.index("--config-name") + 1] if "--config-name" in words else "hubert"
    settings = [word for word in words if "=" in word and not word.startswith("-") and not PLACEHOLDER.search(word)]
    return name, [word.replace("$PWD", "/here") for word in settings if not word.startswith("hydra") and "," not in word]


def test_recipes_compose_with_the_settings_that_pages_give() -> None:
    used = [words for words in commands("fairseq-hydra-train") if not any(word.startswith("fairseq/") for word in words)]
    assert len(used) > 10
    GlobalHydra.instance().clear()
    hydra_init("hubert")
    with initialize_config_dir(str(recipes_dir()), version_base="1.1"):
        for words in used:
            name, overrides = overrides_of(words)
            if name.islower():
                compose(name, overrides=overrides, return_hydra_config=True)


def test_the_manual_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "--price-per-device-hour" in (tmp_path / "site" / "commands" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Where the page is read as a file, outside the manual."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        generated = page.parent == ROOT / "docs" and target == "commands.md"
        assert generated or (page.parent / target).exists(), target
