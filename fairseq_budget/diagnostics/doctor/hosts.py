"""torch, fairseq and s3prl: whether they can be imported, and whether the fixes that the hosts need apply."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget import extras
from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM, Check, listed
from fairseq_budget.diagnostics.doctor.packages import installed
from fairseq_budget.diagnostics.doctor.probe import Answer, ask


@dataclass(frozen=True)
class Host:
    """A host by its name: the package that brings it, what it is for, and the module that tells its fixes."""

    name: str
    package: str
    purpose: str
    module: str


HOSTS = (
    Host("fairseq", "fairseq-fixed", "pre-training", "fairseq_budget.plugin.compat"),
    Host("s3prl", "s3prl", "SUPERB", "s3prl_upstreams.host"),
)


def look_at_host(host: Host) -> Check:
    """Whether it starts with its fixes; asks a process of its own."""
    return judge_host(host, installed(host.package), ask(host.module))


def judge_host(host: Host, version: str | None, answer: Answer) -> Check:
    """What the answer of a host's module means, if its package is there in `version`."""
    if answer.error is None:
        needed = [name for name, in_place in answer.value.items() if in_place]
        idle = [name for name, in_place in answer.value.items() if not in_place]
        told = f"{version or 'of unknown version'}, {len(needed)} of {len(answer.value)} fixes active"
        told += f" (not needed here: {listed(idle)})" if idle else ""
        return Check(host.name, OK, told, details={"fixes": answer.value})
    if version is None and answer.missing_module in (host.name, "fairseq_cli", None):
        return Check(host.name, NOTE, f"not installed; needed for {host.purpose}", extras.install(host.name))
    return Check(host.name, PROBLEM, f"{version or 'not installed'}, and can't start: {answer.error}", remedy(answer))


def remedy(answer: Answer) -> str:
    """What to do about a module that can't be imported."""
    module = answer.missing_module
    if module is None:
        return "remove .venv and install again: ./run.sh --stop-stage 0"
    return extras.install(module) if module in extras.EXTRAS else f"pip install {module}"
