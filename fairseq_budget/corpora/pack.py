"""Packing the audio of a folder into shards, tar or zip files of whole members, for file systems that dislike small files.

Which files go into which shard depends on their names and sizes alone.  A shard has its name when it is complete, so a
packing that was cut off goes on with the first that isn't.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fairseq_budget.data.archives.index import index
from fairseq_budget.data.manifest import Manifest, checked_name
from fairseq_budget.data.scan import EXTENSIONS, audio_below, scan
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import atomic
from fairseq_budget.locks import RUN, alone

MANIFEST = "all.tsv"
"""Lists every member of every shard."""
KINDS = ("tar", "zip")
_BEGINNING = "shard-"


def pack(source: Path, out: Path, shard_bytes: int, kind: str, told: Callable[[str], None]) -> Manifest:
    """Pack all audio below `source` into `out`/shard-NNNNNN.tar (or .zip), and list it in `out`/all.tsv.

    A shard has at most `shard_bytes` of audio, or one file.
    Shards that are there already must hold what they would hold now, and aren't written again.  `told` hears of each.

    Raises:
        BudgetError: there is no audio; a shard that is there holds something else; a file changes while it is read; no room.
        ConfigError: settings that make no sense.
    """
    if kind not in KINDS:
        raise ConfigError(f"`--kind` must be one of {', '.join(KINDS)}, but is `{kind}`")
    if shard_bytes < 1:
        raise ConfigError("`--shard-mb` must be above 0")
    source, out = source.absolute(), out.absolute()
    if not source.is_dir():
        raise BudgetError(f"folder `{source}` does not exist: name the folder that holds the audio")
    if out.resolve().is_relative_to(source.resolve()):
        raise BudgetError(f"`{out}` lies in `{source}`, whose audio is packed: name a folder elsewhere")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out / RUN):
        for left in out.glob(f".{_BEGINNING}*.tmp"):  # of a process that was killed
            left.unlink()
        names = sorted(map(checked_name, audio_below(source, EXTENSIONS, Counter())))
        if not names:
            raise BudgetError(f"no audio below `{source}`: name another folder")
        shards = list(plan([(name, (source / name).stat().st_size) for name in names], shard_bytes))
        _refuse_others(out, len(shards), kind)
        for number, members in enumerate(shards):
            _make(source, out / _shard_name(number, kind), members, told)
        manifest = scan(out)
        manifest.write(out / MANIFEST)
    return manifest


def plan(files: Sequence[tuple[str, int]], shard_bytes: int) -> Iterator[list[tuple[str, int]]]:
    """Files in their order, by name and size, divided into shards that have at most so many bytes, or one file."""
    shard: list[tuple[str, int]] = []
    total = 0
    for name, size in files:
        if shard and total + size > shard_bytes:
            yield shard
            shard, total = [], 0
        shard.append((name, size))
        total += size
    if shard:
        yield shard


def _shard_name(number: int, kind: str) -> str:
    return f"{_BEGINNING}{number:06d}.{kind}"


def _refuse_others(out: Path, count: int, kind: str) -> None:
    """What another packing left would be listed, too."""
    ours = {_shard_name(number, kind) for number in range(count)}
    for path in sorted(out.iterdir()):
        if path.suffix[1:] in KINDS and path.name not in ours:
            raise BudgetError(f"`{path}` is no shard of this packing: delete it, or name another folder")


def _make(source: Path, shard: Path, members: list[tuple[str, int]], told: Callable[[str], None]) -> None:
    """A shard, unless it is there."""
    if shard.exists():
        if [(member.name, member.size) for member in index(shard).members] != members:
            raise BudgetError(f"`{shard}` holds other files than it would now: delete it, or name another folder")
        told(f"{shard.name}: there already")
        return
    try:
        with atomic(shard) as partial:
            (_write_zip if shard.suffix == ".zip" else _write_tar)(partial, source, members)
    except OSError as error:
        raise BudgetError(f"`{shard}` can't be written ({error.strerror or error}): make room, and start again") from error
    told(f"{shard.name}: {len(members):,} files")


def _write_tar(path: Path, source: Path, members: list[tuple[str, int]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, size in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = size, int((source / name).stat().st_mtime)
            with (source / name).open("rb") as file:
                tar.addfile(info, file)


def _write_zip(path: Path, source: Path, members: list[tuple[str, int]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as content:
        for name, size in members:
            info = zipfile.ZipInfo.from_file(source / name, name, strict_timestamps=False)
            with (source / name).open("rb") as file, content.open(info, "w") as member:
                shutil.copyfileobj(file, member)
            if info.file_size != size:
                raise OSError(f"{source / name} changed")
