"""Checkpoints that somebody made to run a command, to take all memory or time, or to be read as something else.

Each is a function of the path to write; those that carry a command touch a marker when an ordinary unpickler reads them.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import zipfile
import zlib
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.objectives import build_model
from tests.common import tiny_config

Writer = Callable[[Path], None]
_PROTOCOL = b"\x80\x02"
_BIG = 2**61 - 1
"""Python's integers are hashed modulo this number: its multiples collide."""


class Calls:
    """Pickles as a call of `function` with `args`, and a state for its result."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.reduced = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced

    def __call__(self) -> None:
        """The pickler wants a function to be callable before it writes a call of it."""


def touch(path: str) -> None:
    """What a planted command does."""
    Path(path).write_text("ran")


@functools.cache
def honest(objective: str = "hubert") -> dict[str, Any]:
    """A whole checkpoint of a small model, as fairseq saves it."""
    torch.manual_seed(0)
    classes = {"num_classes": 13} if objective == "hubert" else {}
    config = tiny_config(
        objective, **classes, conv_pos=24, conv_feature_layers="[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2"
    )
    model = build_model(objective, config)
    return {
        "args": None,
        "cfg": {"model": {**asdict(config), "_name": f"budget_{objective}"}, "task": {"normalize": False}},
        "model": model.state_dict(),
        "optimizer_history": [{"num_updates": 1, "lr_scheduler_state": {}}],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "task_state": {},
    }


def save(content: Any, **options: Any) -> Writer:
    return lambda path: torch.save(content, path, **options)


def with_settings(objective: str = "hubert", **settings: Any) -> Writer:
    """An honest checkpoint whose configuration says something else."""
    whole = honest(objective)
    return save({**whole, "cfg": {**whole["cfg"], "model": {**whole["cfg"]["model"], **settings}}})


def with_weights(change: Callable[[dict[str, Any]], None]) -> Writer:
    weights = dict(honest()["model"])
    change(weights)
    return save({**honest(), "model": weights})


def instructions(pickle: bytes) -> Writer:
    """A file of torch.save's form with a pickle written by hand."""

    def write(path: Path) -> None:
        members = _members(save({}))
        rewrite(path, {name: pickle if name.endswith("data.pkl") else data for name, data in members.items()})

    return write


def text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _members(writer: Writer) -> dict[str, bytes]:
    buffer = io.BytesIO()
    writer(buffer)  # type: ignore[arg-type]
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.comment = comment
        for name, data in members.items():
            archive.writestr(name, data)


def archived(change: Callable[[bytes], bytes]) -> Writer:
    """An honest checkpoint with its bytes changed."""

    def write(path: Path) -> None:
        buffer = io.BytesIO()
        torch.save(honest(), buffer)
        path.write_bytes(change(buffer.getvalue()))

    return write


def _bomb(path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    members = _members(save(honest()))
    name = max(members, key=lambda member: len(members[member]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member, data in members.items():
            if member != name:
                archive.writestr(member, data)
        with archive.open(name, "w") as file:
            for _ in range(1024):
                file.write(bytes(2**20))


def _replaced_last(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        place = content.rindex(old)
        return content[:place] + new + content[place + len(old) :]

    return change


def _flipped(content: bytes) -> bytes:
    """One bit of a weight."""
    place = content.index(honest()["model"]["encoder.layers.0.fc1.weight"].numpy().tobytes()[:64]) + 10
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _crc_lies(content: bytes) -> bytes:
    crc = struct.pack("<I", zlib.crc32(honest()["model"]["encoder.layers.0.fc1.weight"].numpy().tobytes()))
    return content.replace(crc, b"\0\0\0\1")


def _two_names(content: bytes) -> bytes:
    """The header before a member names another one than the list at the end."""
    place = content.index(b"data/1FB")
    return content[:place] + b"data/2" + content[place + 6 :]


def _end64(place: int, value: int) -> Callable[[bytes], bytes]:
    """A number of the last record but one changed, and the last record says that it is found there."""

    def change(content: bytes) -> bytes:
        start, last = content.rindex(b"PK\x06\x06") + place, content.rindex(b"PK\x05\x06")
        content = content[:start] + struct.pack("<Q", value) + content[start + 8 :]
        return content[: last + 8] + b"\xff" * 12 + content[last + 20 :]

    return change


def _duplicates(path: Path) -> None:
    import warnings

    members = _members(save(honest()))
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in [*members.items(), *members.items()]:
            archive.writestr(name, data)


def _short_storage(path: Path) -> None:
    """A tensor that reaches beyond its member into the next ones."""
    members = _members(save(honest()))
    name = next(member for member, data in members.items() if "/data/" in member and len(data) > 1000)
    rewrite(path, {**members, name: members[name][:8]})


def _lists(levels: int = 60) -> bytes:
    """A list that holds another one twice, which holds another one twice, and so on."""
    ends = b"".join(b"h" + bytes([level]) + b"eq" + bytes([level + 1]) for level in range(levels))
    return _PROTOCOL + b"](" * levels + b"]q\x00" + ends


def _tuples(levels: int = 60) -> bytes:
    pairs = b"".join(b"h" + bytes([level]) + b"\x86q" + bytes([level + 1]) for level in range(levels))
    return _PROTOCOL + b")q\x00" + pairs


def _in_dict(body: bytes, name: bytes = b"model") -> bytes:
    """A pickle `body` (after which the value is on the stack) as an entry of the checkpoint's dictionary."""
    return _PROTOCOL + b"}" + text(name) + body.removeprefix(_PROTOCOL) + b"s."


def _self_referring() -> dict[str, Any]:
    settings: dict[str, Any] = {"_name": "budget_hubert"}
    settings["self"] = settings
    return {"model": settings}


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(400):
        value = [value]
    return value


def _doubled() -> list[Any]:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    return value


def _stored_elsewhere(key: bytes, elements: int) -> bytes:
    identity = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(key) + text(b"cpu") + number(elements) + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + b"K\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"


def commands(marker: Path) -> dict[str, Writer]:
    """Files that an ordinary unpickler, or ``eval``, runs a command for."""
    trace = str(marker)
    code = f"__import__('pathlib').Path({trace!r}).write_text('ran')"
    objects = {
        "a function of a module": Calls(touch, trace),
        "eval": Calls(eval, code),
        "exec": Calls(exec, code),
        "getattr": Calls(Calls(getattr, Path(trace), "touch")),
        "partial": Calls(Calls(functools.partial, touch, trace)),
        "os.system": Calls(os.system, f"touch {trace}"),
    }
    files = {
        f"{name}, {'old' if old else 'new'} form": save({**honest(), "payload": found}, **form)
        for name, found in objects.items()
        for old, form in ((False, {}), (True, {"_use_new_zipfile_serialization": False}))
    }
    files |= {f"{name} in the settings": with_settings(x=found) for name, found in objects.items()}
    files["a newer protocol"] = save({**honest(), "payload": objects["eval"]}, pickle_protocol=4)
    for name in ("conv_feature_layers", "encoder_layers", "extractor_mode", "_name"):
        files[f"code as {name}"] = with_settings(**{name: code})
    files["code as latent_temp"] = with_settings("wav2vec2", latent_temp=code)
    files["code in a namespace"] = save({"model": honest()["model"], "args": Namespace(arch=code, conv_feature_layers=code)})
    return files


def archives() -> dict[str, Writer]:
    """Files that aren't of torch's form, or whose parts contradict each other."""
    members = _members(save(honest()))
    folder = next(iter(members)).partition("/")[0]
    return {
        "a bomb": _bomb,
        "compressed": lambda path: rewrite(path, members, zipfile.ZIP_DEFLATED),
        "two members of one name": _duplicates,
        "two folders": lambda path: rewrite(path, {**members, "other/data.pkl": b"."}),
        "no pickle": lambda path: rewrite(path, {name: d for name, d in members.items() if not name.endswith("data.pkl")}),
        "a comment": lambda path: rewrite(path, members, comment=b"PK\x05\x06"),
        "a flipped bit": archived(_flipped),
        "a checksum of something else": archived(_crc_lies),
        "two names": archived(_two_names),
        "something before it": archived(lambda content: b"PK\x03\x04" + content),
        "something behind it": archived(lambda content: content + b"\0"),
        "cut short": archived(lambda content: content[: len(content) // 2]),
        "a billion members": archived(_end64(32, 10**9)),
        "a billion members on this disk": archived(_end64(24, 10**9)),
        "a list of members elsewhere": archived(_end64(48, 0)),
        "a long list of members": archived(_end64(40, 2**62)),
        "headers that differ": archived(_replaced_last(b"PK\x06\x07\0\0\0\0", b"PK\x06\x07\0\0\0\1")),
        "a short tensor": _short_storage,
        "a tensor of a member that isn't there": instructions(_in_dict(_stored_elsewhere(b"77", 4))),
        "a tensor of a terabyte": instructions(_in_dict(_stored_elsewhere(b"0", 2**38))),
        "not a folder": lambda path: rewrite(path, {name.removeprefix(f"{folder}/"): d for name, d in members.items()}),
        "text": lambda path: path.write_bytes(b"cos\nsystem\n"),
        "nothing": lambda path: path.write_bytes(b""),
        "zeros": lambda path: path.write_bytes(bytes(10_000)),
    }


def pickles() -> dict[str, Writer]:
    """Pickles that don't end in bounded time or memory, or that are none."""
    keys = b"".join(number(index * _BIG) + b"N" for index in range(1, 100_000))
    colliding = b"".join(number(index * _BIG) for index in range(1, 100_000))
    tuples = b"".join(b"K\x01" + number(index) + b"\x86N" for index in range(2_000))
    return {
        "lists of lists": instructions(_in_dict(_lists())),
        "tuples of tuples": instructions(_in_dict(_tuples())),
        "a key of tuples": instructions(_PROTOCOL + b"}" + _tuples().removeprefix(_PROTOCOL) + b"Ns."),
        "a set of tuples": instructions(_in_dict(b"c__builtin__\nset\n" + _tuples().removeprefix(_PROTOCOL) + b"\x85R")),
        "keys that collide": instructions(_in_dict(b"}(" + keys + b"u")),
        "keys that are tuples": instructions(_in_dict(b"}(" + tuples + b"u")),
        "a set of numbers that collide": instructions(_in_dict(b"c__builtin__\nset\n](" + colliding + b"e\x85R")),
        "a terabyte of bytes": instructions(_in_dict(b"c__builtin__\nbytearray\n" + number(2**40) + b"\x85R")),
        "a tensor class's terabyte": instructions(_in_dict(b"ctorch\nFloatTensor\n" + number(2**38) + b"\x85R")),
        "a call for a call": instructions(
            _in_dict(
                b"ctorch._tensor\n_rebuild_from_type_v2\n(c__builtin__\nbytearray\nctorch\nTensor\n"
                + number(2**40)
                + b"\x85NtR"
            )
        ),
        "punycode": instructions(
            _in_dict(b"c_codecs\nencode\n" + text("ü".encode() * 400_000) + text(b"punycode") + b"\x86R")
        ),
        "many names": instructions(_in_dict(b"](" + b"".join(b"cm%d\nx\n" % index for index in range(5_000)) + b"e")),
        "many calls": instructions(_in_dict(b"](" + b"ccollections\nOrderedDict\n)R" * 200_000 + b"e")),
        "many instructions": instructions(_in_dict(b"](" + b"N" * 2_000_000 + b"e")),
        "a large pickle": instructions(_in_dict(text(b"x" * (2**25 + 1)))),
        "no end": instructions(_PROTOCOL + b"}"),
        "an empty stack": instructions(_PROTOCOL + b"R."),
        "a mark that isn't there": instructions(_PROTOCOL + b"]e."),
        "a memo that isn't there": instructions(_PROTOCOL + b"h\x09."),
        "a tensor that is a number": instructions(_in_dict(b"K\x05Q")),
        "a self-referring list": instructions(_in_dict(b"]q\x00h\x00a")),
        "lists of lists in the settings": save({**honest(), "cfg": {"model": honest()["cfg"]["model"], "task": _doubled()}}),
        "deep lists": save({**honest(), "x": _deep()}),
    }


def configurations() -> dict[str, Writer]:
    """Settings and weights that don't belong together, or to any model."""
    layer = "encoder.layers.0.fc1.weight"

    def put(value: Any) -> Writer:
        return with_weights(lambda weights: weights.__setitem__(layer, value))

    numbers = {
        name: with_settings(**settings)
        for name, settings in {
            "a billion layers": {"encoder_layers": 10**9},
            "300 layers of 1024": {"encoder_layers": 300, "encoder_embed_dim": 1024, "encoder_ffn_embed_dim": 4096},
            "convolutions times 6e7": {"conv_feature_layers": "[(512,10,5)] * 60000000"},
            "convolutions of sums": {"conv_feature_layers": "+".join(["[(1,1,1)]"] * 200_000)},
            "brackets": {"conv_feature_layers": "[" * 1_500},
            "strides": {"conv_feature_layers": "[(16,10,60000)] * 7"},
            "no heads": {"encoder_attention_heads": 0},
            "no groups": {"conv_pos_groups": 0},
            "no width": {"encoder_embed_dim": 0},
            "negative layers": {"encoder_layers": -2},
            "negative kernel": {"conv_pos": -24},
            "negative stride": {"conv_feature_layers": "[(16,10,-5)]"},
            "a wide feed-forward": {"encoder_ffn_embed_dim": 60_000},
            "a word for a number": {"encoder_layers": "two"},
            "a list for a number": {"encoder_embed_dim": [64]},
            "nothing for a number": {"encoder_attention_heads": None},
            "not a number": {"dropout": float("nan")},
            "a large number": {"encoder_layers": 10**40},
            "a word for true": {"layer_norm_first": "False"},
            "another mode": {"extractor_mode": "none"},
        }.items()
    }
    return {
        **numbers,
        "a codebook of gigabytes": with_settings("best_rq", codes=60_000, code_dim=60_000),
        "settings in settings": save({**honest(), "cfg": _self_referring()}),
        "settings that are a list": save({**honest(), "cfg": {"model": [1, 2], "task": {}}}),
        "a task that is a number": save({**honest(), "cfg": {"model": 3, "task": 7}}),
        "no model": save({"cfg": honest()["cfg"]}),
        "a model that is a list": save({**honest(), "model": [1]}),
        "a text among the weights": put("weights"),
        "integers": put(torch.ones(96, 64, dtype=torch.int64)),
        "one number expanded": put(torch.zeros(1).expand(2**20, 2**20)),
        "sparse": put(torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1), (2**30, 2**30))),
        "of no place": put(torch.empty(96, 64, device="meta")),
        "another shape": put(torch.zeros(96, 63)),
        "a number as a name": with_weights(lambda weights: weights.__setitem__(7, torch.zeros(1))),
        "a weight too few": with_weights(lambda weights: weights.pop(layer)),
        "a weight too many": with_weights(lambda weights: weights.__setitem__("more", torch.zeros(1))),
        "a digest of something else": save({**honest(), "task_state": {"model_sha256": "0" * 64}}),
        "not a dictionary": save([honest()]),
    }


def checkpoints(marker: Path) -> dict[str, Writer]:
    """All of them."""
    return {**commands(marker), **archives(), **pickles(), **configurations()}
