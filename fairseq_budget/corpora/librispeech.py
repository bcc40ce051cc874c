"""LibriSpeech (Panayotov et al. 2015, OpenSLR 12) and Mini LibriSpeech (OpenSLR 31): found, or fetched, and listed.

Both have the same layout, LibriSpeech/PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac, one archive for each part.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairseq_budget import __version__
from fairseq_budget.corpora.download import PAUSES, download
from fairseq_budget.corpora.unpack import unpack
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.progress import byte_bar
from fairseq_budget.data.scan import scan
from fairseq_budget.errors import BudgetError, ConfigError, unknown_name

TOP = "LibriSpeech"
"""The folder that every archive holds."""

# FLAC doesn't get smaller in an archive; the rest is for folders and the file system's blocks.
_UNPACKED = 1.05


@dataclass(frozen=True)
class CorpusPart:
    """A part of a corpus: its name, bytes and MD5 checksum of `NAME.tar.gz`, number of utterances (None: not checked)."""

    name: str
    size: int
    md5: str
    utterances: int | None = None


@dataclass(frozen=True)
class Corpus:
    """Parts, and the manifests they make: `manifests` names the parts of each; those of train and valid must be there."""

    name: str
    url: str
    parts: tuple[CorpusPart, ...]
    manifests: dict[str, tuple[str, ...]]

    @property
    def page(self) -> str:
        """The web page that offers the archives for download by hand."""
        return self.url.replace("/resources/", "/")


_TRAIN = ("train-clean-100", "train-clean-360", "train-other-500")
_HELD_OUT = ("dev-clean", "dev-other", "test-clean", "test-other")

# MD5: www.openslr.org/resources/{12,31}/md5sum.txt, as quoted by PaddlePaddle/PaddleSpeech (dataset/librispeech and
# dataset/mini_librispeech) and, for OpenSLR 12, NVIDIA/DeepLearningExamples (wav2vec2/utils/download_librispeech.py).
# Bytes of OpenSLR 12: tensorflow/datasets (url_checksums/librispeech.txt).  Utterances: PaddleSpeech's NUM_LINES_*.
LIBRISPEECH = Corpus(
    "librispeech_960h",
    "https://www.openslr.org/resources/12",
    (
        CorpusPart("train-clean-100", 6_387_309_499, "2a93770f6d5c6c964bc36631d331a522", 28_539),
        CorpusPart("train-clean-360", 23_049_477_885, "c0e676e450a7ff2f54aeade5171606fa", 104_014),
        CorpusPart("train-other-500", 30_593_501_606, "d1a0fd59409feb2c614ce4d30c387708", 148_688),
        CorpusPart("dev-clean", 337_926_286, "42e2234ba48799c1f50f24a7926300a1", 2_703),
        CorpusPart("dev-other", 314_305_928, "c8d0bcc9cca99d4f8b62fcc847357931", 2_864),
        CorpusPart("test-clean", 346_663_984, "32fa31d27d2e1cad72775fee3f4849a9", 2_620),
        CorpusPart("test-other", 328_757_843, "fb5a50374b501bb3bac4815ee91d3135", 2_939),
    ),
    {"train": _TRAIN, "valid": ("dev-clean",)} | {name: (name,) for name in (*_HELD_OUT, "train-clean-100")},
)

MINI_LIBRISPEECH = Corpus(
    "mini_librispeech",
    "https://www.openslr.org/resources/31",
    (
        CorpusPart("train-clean-5", 332_954_390, "5df7d4e78065366204ca6845bb08f490"),
        CorpusPart("dev-clean-2", 126_046_265, "6d7ab67ac6a1d2c993d050e16d61080d", 1_089),
    ),
    {"train": ("train-clean-5",), "valid": ("dev-clean-2",)},
)


def of_parts(corpus: Corpus, names: Sequence[str]) -> Corpus:
    """Some parts of a corpus, under a name of their own: train.tsv of the training parts among them, valid.tsv of dev-clean
    or the first of the others, and a manifest of each of the others.

    Raises:
        ConfigError: an unknown part, or none to train or to validate on.
    """
    known = [part.name for part in corpus.parts]
    for name in names:
        if name not in known:
            raise unknown_name(f"part of {corpus.name}", name, known)
    train = tuple(name for name in corpus.manifests["train"] if name in names)
    others = tuple(name for name in known if name in names and name not in train)
    if not train or not others:
        raise ConfigError(f"`--parts` needs a part to train on and one to validate on, but is {', '.join(names)}")
    valid = tuple(name for name in corpus.manifests["valid"] if name in names) or others[:1]
    parts = tuple(part for part in corpus.parts if part.name in names)
    manifests = {"train": train, "valid": valid} | {name: (name,) for name in others}
    return Corpus("_".join([corpus.name.rpartition("_")[0] or corpus.name, *train]), corpus.url, parts, manifests)


def prepare(corpus: Corpus, root: Path, out: Path) -> Iterator[tuple[Path, Manifest | None]]:
    """Write a corpus's manifests below `out`/NAME: each path with what it lists, or None where its parts aren't there.

    Raises:
        BudgetError: parts of train or valid are missing, a part isn't complete, or a file can't be read.
    """
    folders = find(corpus, root)
    needed = {*corpus.manifests["train"], *corpus.manifests["valid"]}
    if missing := [part for part in corpus.parts if part.name in needed - set(folders)]:
        raise BudgetError(
            f"`{root}` has no {', '.join(part.name for part in missing)}: unpack the archives of {corpus.page} there, so "
            f"that there is `{home(corpus, root) / missing[0].name}`, or add `--download` ({_gigabytes(missing)})"
        )
    scanned: dict[str, Manifest] = {}
    for name, parts in corpus.manifests.items():
        path = out / corpus.name / f"{name}.tsv"
        if not folders.keys() >= set(parts):
            yield path, None
            continue
        for part in corpus.parts:
            if part.name in parts and part.name not in scanned:
                scanned[part.name] = _scan(part, folders[part.name])
        manifest = _joined(root, [scanned[part] for part in parts])
        header = {"made by": f"fairseq-budget {__version__}, corpus", "source": corpus.page, "parts": ", ".join(parts)}
        manifest.write(path, header | {"source_sha256": manifest.digest})
        yield path, manifest


def fetch(corpus: Corpus, root: Path, url: str, say: Callable[[str], None], pauses: Sequence[float] = PAUSES) -> None:
    """Download and unpack the parts that aren't below `root` yet, one after the other; `url` is the archives' folder.

    An archive lies in `root`/archives until it is unpacked, and a part takes its place only when it's unpacked in full, so
    that the same call goes on after any interruption.  `say` gets a line before each longer step.

    Raises:
        BudgetError: not enough room, or what ``download`` and ``unpack`` raise.
    """
    folders = find(corpus, root)
    missing = [part for part in corpus.parts if part.name not in folders]
    target, archives = home(corpus, root), root / "archives"
    _check_room(missing, root, archives)
    for part in missing:
        name = f"{part.name}.tar.gz"
        say(f"{part.name}: downloading {_gigabytes([part])} from {url}")
        with byte_bar(part.name, part.size) as progress:
            download(f"{url.rstrip('/')}/{name}", archives / name, part.size, part.md5, progress, pauses)
        say(f"{part.name}: checksum is right; unpacking")
        with byte_bar(part.name, part.size) as progress:
            _unpack_part(archives / name, part.name, target, progress)
        (archives / name).unlink()
    if archives.is_dir() and not any(archives.iterdir()):
        archives.rmdir()


def find(corpus: Corpus, root: Path) -> dict[str, Path]:
    """The folders of the parts that are there, whether `root` is the folder LibriSpeech or the one it lies in."""
    places = [(part.name, folder / part.name) for part in corpus.parts for folder in (root / TOP, root)]
    return {name: place for name, place in places if place.is_dir()}


def home(corpus: Corpus, root: Path) -> Path:
    """The folder that parts belong in."""
    beside = any((root / part.name).is_dir() for part in corpus.parts)
    return root if beside or root.absolute().name == TOP else root / TOP


def _scan(part: CorpusPart, folder: Path) -> Manifest:
    manifest = scan(folder, remedy="unpack this part's archive again (delete the folder first)")
    if part.utterances not in (None, len(manifest)):
        raise BudgetError(
            f"`{folder}` has {len(manifest):,} audio files, {part.name} has {part.utterances:,}: unpack its archive again "
            "(delete the folder first), or use `fairseq-budget manifest` for a choice of your own"
        )
    return manifest


def _joined(root: Path, manifests: Sequence[Manifest]) -> Manifest:
    """One manifest of several folders below `root`."""
    root = root.absolute()
    names = [(part.root / name).relative_to(root).as_posix() for part in manifests for name in part.paths]
    return Manifest(root, names, np.concatenate([part.frames for part in manifests]))


def _unpack_part(archive: Path, name: str, target: Path, progress: Callable[[int], None]) -> None:
    """Unpack beside the target, then move: the part, and files such as SPEAKERS.TXT that every archive has."""
    unfinished = target / f".{name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    unpack(archive, unfinished, progress)
    if not (unfinished / TOP / name).is_dir():
        raise BudgetError(f"`{archive}` has no folder {TOP}/{name}: name the right folder with `--url`")
    for item in (unfinished / TOP).iterdir():
        if not item.is_dir() and not (target / item.name).exists():
            item.rename(target / item.name)
    (unfinished / TOP / name).rename(target / name)
    shutil.rmtree(unfinished)


def _check_room(missing: Sequence[CorpusPart], root: Path, archives: Path) -> None:
    """An archive is deleted when it's unpacked, so there is never more than one of them."""
    if not missing:
        return
    root.mkdir(parents=True, exist_ok=True)
    there = sum(file.stat().st_size for file in archives.glob("*")) if archives.is_dir() else 0
    need = sum(part.size for part in missing) * _UNPACKED + max(part.size for part in missing) - there
    free = shutil.disk_usage(root).free
    if need > free:
        raise BudgetError(
            f"`{root}` has room for {free / 1e9:.1f} GB, but downloading and unpacking {len(missing)} archives takes "
            f"{need / 1e9:.1f} GB: make room, or name another folder"
        )


def _gigabytes(parts: Sequence[CorpusPart]) -> str:
    return f"{sum(part.size for part in parts) / 1e9:.3g} GB"
