"""What archives hold: every plain member with its bytes; anything else, and damage, is refused with archive and member."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.archives.index import index, member_of, shown
from fairseq_budget.data.archives.stretch import opened
from fairseq_budget.errors import BudgetError

names = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\"), min_size=1, max_size=60),
    min_size=1,
    max_size=4,
).filter(lambda parts: not {".", ".."} & set(parts))
contents = st.dictionaries(names.map("/".join), st.binary(max_size=2000), max_size=8)


def tar_of(path: Path, members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def zip_of(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as content:
        for name, data in members.items():
            content.writestr(name, data)
    return path


def tar_with(path: Path, **fields: object) -> Path:
    """A tar of one good member, and of one whose header says what it shall."""
    with tarfile.open(path, "w") as tar:
        good = tarfile.TarInfo("good.wav")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"good"))
        strange = tarfile.TarInfo("strange.wav")
        for name, value in fields.items():
            setattr(strange, name, value)
        header = strange.tobuf(tar.format, tar.encoding, tar.errors)
        tar.fileobj.write(header)  # without what it promises, which Python 3.13's `addfile` refuses
        tar.offset += len(header)
    return path


@given(contents, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, None]))
def test_members_are_where_the_index_says(members: dict[str, bytes], form: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if form is None:
            archive = zip_of(Path(folder, "a.zip"), members)
        else:
            archive = tar_of(Path(folder, "a.tar"), members, form)
        found = index(archive)
        assert {member.name for member in found.members} == set(members)
        for member in found.members:
            path = Path(f"{archive}:{member.offset}:{member.size}")
            with opened(path) as file:
                assert file.read() == members[member.name]  # type: ignore[union-attr]
            if member.size:
                assert member_of(path) == member.name


def test_an_archive_that_was_packed_otherwise_has_another_digest(tmp_path: Path) -> None:
    digests = {
        index(tar_of(tmp_path / f"{number}.tar", members)).digest
        for number, members in enumerate(
            ({"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}, {"b": b"1", "a": b"2"}, {"a": b"1", "c": b"2"}, {"a": b"1"})
        )
    }
    assert len(digests) == 5
    assert index(tar_of(tmp_path / "copy.tar", {"a": b"1"})).digest in digests


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"name": "/etc/a.wav"}, "'/etc/a.wav': leads out"),
        ({"name": "a/../../b.wav"}, "leads out"),
        ({"name": "..\\b.wav"}, "leads out"),
        ({"name": "good.wav"}, "is there twice"),
        ({"name": "./good.wav"}, "is there twice"),
        ({"name": "a\x1b[2J.wav"}, r"'a\\x1b\[2J.wav': has a name that can't be printed"),
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "good.wav"}, "is a link"),
        ({"type": tarfile.CHRTYPE}, "is a device"),
        ({"type": tarfile.FIFOTYPE}, "is a device"),
        ({"type": tarfile.GNUTYPE_SPARSE}, "is a sparse file"),
        ({"size": 1 << 40}, "damaged"),
        ({"type": tarfile.XHDTYPE, "size": 1 << 30}, "damaged.*a header of 1,073,741,824 bytes"),
        ({"type": tarfile.GNUTYPE_LONGNAME, "size": 1 << 30}, "damaged.*a header of 1,073,741,824 bytes"),
    ],
)
def test_hostile_tars_are_refused(tmp_path: Path, fields: dict[str, object], what: str) -> None:
    with pytest.raises(BudgetError, match=rf"`{tmp_path / 'a.tar'}`.*{what}"):
        index(tar_with(tmp_path / "a.tar", **fields))


@pytest.mark.parametrize("name", ["/etc/a.wav", "a/../../b.wav", "a\nb.wav"])
def test_hostile_names_in_zips_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BudgetError, match=r"`.*a\.zip`, member '.*': (leads out|has a name that can't be printed)"):
        index(zip_of(tmp_path / "a.zip", {name: b"x"}))


def test_links_and_double_names_in_zips_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.wav")
    link.external_attr = 0o120777 << 16
    zip_of(tmp_path / "link.zip", {"b.wav": b"x"})
    with zipfile.ZipFile(tmp_path / "link.zip", "a") as content:
        content.writestr(link, "/etc/passwd")
    with pytest.raises(BudgetError, match=r"'a\.wav': is a link"):
        index(tmp_path / "link.zip")
    zip_of(tmp_path / "twice.zip", {"b.wav": b"x"})
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "a") as content:
        content.writestr("b.wav", "y")
    with pytest.raises(BudgetError, match=r"'b\.wav': is there twice"):
        index(tmp_path / "twice.zip")


def test_packed_members_are_told(tmp_path: Path) -> None:
    (member,) = index(zip_of(tmp_path / "a.zip", {"a.wav": bytes(1000)}, zipfile.ZIP_DEFLATED)).members
    assert not member.stored


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_every_cut_and_every_flipped_byte_is_refused_or_harmless(tmp_path: Path, ending: str) -> None:
    """A name and place that is told is one of the archive's own, whatever happened to the file."""
    members = {"a.wav": b"a" * 700, "b.wav": b"b" * 300}
    make = tar_of if ending == "tar" else zip_of
    whole = make(tmp_path / f"whole.{ending}", members).read_bytes()[:4096]
    damaged = tmp_path / f"damaged.{ending}"
    kinds = [whole[:length] for length in range(0, len(whole), 97)]
    kinds += [whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :] for place in range(0, len(whole), 31)]
    refused = 0
    for content in kinds:
        damaged.write_bytes(content)
        try:
            found = index(damaged).members
        except BudgetError as error:
            assert str(damaged) in str(error)
            refused += 1
        else:
            assert all(member.offset + member.size <= len(content) for member in found)
    assert refused > 5


def test_what_follows_the_last_member_is_no_secret(tmp_path: Path) -> None:
    one, other = (tar_of(tmp_path / f"{name}.tar", {f"{name}.wav": b"x"}).read_bytes() for name in "ab")
    (tmp_path / "both.tar").write_bytes(one + other)
    with pytest.raises(BudgetError, match="joined archive has to be divided"):
        index(tmp_path / "both.tar")


def test_messages_name_archive_member_and_place(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar", {"x/y.wav": b"abc"})
    assert shown(Path(f"{archive}:512:3")) == f"`{archive}`, member `x/y.wav` at byte 512"
    assert shown(Path(f"{archive}:513:2")) == f"`{archive}`, 2 bytes at byte 513"
    assert shown(tmp_path / "a.wav") == f"`{tmp_path / 'a.wav'}`"
