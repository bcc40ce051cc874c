"""What every kind of record has in common: its file, its version, and one line for whatever is wrong with it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from fairseq_budget.arithmetic.currencies import with_current_names
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.records.provenance import git_revision
from fairseq_budget.sealed import sealed, unsealed

FILE = "record.json"
"""The name of a record's file, in the folder of its run."""
SCHEMA_VERSION = 2
"""1 is that of 0.3.1 and earlier, which doesn't stand in the file."""


def _measured(value: Any) -> float | None:
    """The number as it is: an integer stays one."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise PydanticCustomError("float_type", "a number")
    return value


def _number(value: Any) -> float | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise PydanticCustomError("finite_number", "a finite number")
    return _measured(value)


Name = Annotated[str, Field(min_length=1)]
Number = Annotated[float, PlainValidator(_number)]
"""A finite number that has to be there."""
Measured = Annotated[float | None, PlainValidator(_measured)]
"""A number that may not be there, or be no number where training diverged."""

_RULES = {
    "string_type": "a name",
    "string_too_short": "a name",
    "float_type": "a number",
    "int_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "model_type": "an object",
    "dict_type": "an object",
    "too_short": "an object of numbers",
    "list_type": "a list",
}
"""pydantic's kinds of errors, as the rule that was broken."""


class Entries(BaseModel):
    """A record or a part of one; entries that this version doesn't know are kept."""

    model_config = ConfigDict(extra="allow", strict=True)


def renamed(values: Any) -> Any:
    """Amounts under today's names; what isn't an object is left for the type to refuse."""
    return with_current_names(values) if isinstance(values, dict) else values


class Record(Entries):
    """What every kind of record has."""

    KIND: ClassVar[str]

    kind: str
    schema_version: int = 1
    versions: dict[str, str] = {}
    """Of the software that numbers depend on, by package."""
    git: str | None = None
    """The commit of this project; None outside a checkout."""
    command: str | None = None
    """What makes this record again."""

    @classmethod
    def of(cls, **entries: Any) -> Self:
        """A new record of this version.

        Raises:
            ValidationError: an entry of the wrong type, which is a fault of the program.
        """
        return cls(kind=cls.KIND, schema_version=SCHEMA_VERSION, git=git_revision(), **entries)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file.

        Raises:
            BudgetError: not a record of this kind, written by a newer version, or damaged; names the file and the key.
        """
        values = _values(path)
        found = values.get("kind") if isinstance(values, dict) else type(values).__name__
        if found != cls.KIND or not isinstance(values, dict):
            raise BudgetError(
                f'{path}: must be a JSON object with "kind": "{cls.KIND}", but is {found!r}; is it in its folder?'
            )
        version = values.get("schema_version", 1)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise BudgetError(
                f"{path}: its schema_version is {version}, this version of fairseq-budget reads up to {SCHEMA_VERSION}: "
                "install a newer one"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _wrong(cls, path, error) from None

    def write(self, path: Path) -> Path:
        """Write the record, all or nothing; what wasn't set isn't written."""
        content = self.model_dump(exclude_unset=True, warnings=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial:
            partial.write_text(json.dumps(sealed(content), indent=1) + "\n", encoding="utf-8")
        return path


def kind_of(path: Path) -> str | None:
    """The kind of record in a file; None where that can't be told."""
    try:
        values = _values(path)
    except BudgetError:
        return None
    return values.get("kind") if isinstance(values, dict) else None


def find_records(folder: Path) -> dict[Path, str | None]:
    """Every record below a folder, at any depth, by path; with its kind, or None where that can't be told."""
    return {path: kind_of(path) for path in sorted(folder.rglob(FILE))}


def _values(path: Path) -> Any:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return unsealed(values) if isinstance(values, dict) else values
    except (OSError, ValueError, RecursionError) as error:
        raise BudgetError(
            f"{path}: not a readable record ({error}); resume the run to write it again, or move its folder away"
        ) from error


def _wrong(kind: type[Record], path: Path, error: ValidationError) -> BudgetError:
    """The first thing that is wrong, in a line."""
    first = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    rule, value = _RULES.get(first["type"], first["msg"]), first["input"]
    if first["type"] == "missing":
        rule, value = _expected(kind, first["loc"]), None
    return BudgetError(
        f"{path}: `{key}` must be {rule}, but is {value!r}; "
        "write the record again (resume the run) or move its folder out of the study"
    )


def _expected(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """What an entry that is missing has to be."""
    field = kind.model_fields[str(place[0])]
    inner = field.annotation
    if len(place) > 1 and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _expected(inner, place[1:])
    return {str: "a name", float: "a finite number", int: "a finite number"}.get(inner, "an object of numbers")  # type: ignore[arg-type]
