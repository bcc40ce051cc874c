"""The manifests of SpidR and minimal-hubert: CSV or JSON lines of files, or of members of tars by byte.

Columns (spidr 0.2.0, `write_manifest.py`): `fileid`, `path`, `num_samples` at 16 kHz; for tars also `archive`, `byte_offset`
and `byte_size`, where `path` is the member's name.  Others, such as minimal-hubert's `units`, are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from fairseq_budget.data.archives.seals import Seal, seal
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

_FILES, _MEMBERS = ["path", "num_samples"], ["archive", "byte_offset", "byte_size"]


def read_spidr(path: Path) -> Manifest:
    """Its utterances, below the folder that all files have in common; relative names are taken from the current folder.

    Raises:
        BudgetError: not such a manifest, or an archive that can't be read.
    """
    table = _read(path)
    in_archives = set(_MEMBERS) <= set(table.columns)
    files = (table.archive if in_archives else table.path).map(os.path.abspath)
    root = Path(os.path.commonpath(list(files.map(os.path.dirname).unique())))
    names = files.map(lambda file: os.path.relpath(file, root))
    archives: dict[str, Seal] = {}
    if in_archives:
        archives = {name: _seal(root / name) for name in names.unique()}
        names = names + ":" + table.byte_offset.astype(str) + ":" + table.byte_size.astype(str)
    manifest = Manifest(root, list(names), table.num_samples.to_numpy(), archives)
    manifest.path = path
    return manifest


def _read(path: Path) -> pd.DataFrame:
    columns = {"path": str, "archive": str, "num_samples": "int64", "byte_offset": "int64", "byte_size": "int64"}
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)
        table = table[[*_FILES, *(_MEMBERS if "archive" in table.columns else ())]]
        table = table.astype({name: columns[name] for name in table.columns})
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise BudgetError(
            f"`{path}` is no manifest of SpidR or minimal-hubert ({error}): it needs the columns path and num_samples, and "
            "for tars archive, byte_offset and byte_size"
        ) from error
    if table.empty or (table.select_dtypes("int64") < 0).any(axis=None) or (table.num_samples < 1).any():
        raise BudgetError(f"`{path}` lists no audio, or a number below 0, or an utterance without samples: make it again")
    return table


def _seal(archive: Path) -> Seal:
    try:
        return seal(archive)
    except OSError as error:
        raise BudgetError(f"`{archive}` cannot be read ({error.strerror}): correct the column archive") from error
