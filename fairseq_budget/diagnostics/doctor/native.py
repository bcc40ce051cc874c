"""``python -m fairseq_budget.diagnostics.doctor.native NAME``: what torch or eSpeak can do here, as JSON.

In a process of its own, which a library that doesn't fit may end.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def torch() -> dict[str, Any]:
    """Its version, what it was built for, and the GPUs that it sees, each with the error that a product on it ends in."""
    import torch

    return {
        "version": torch.__version__,
        "built_for": torch.version.cuda or torch.version.hip,
        "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
    }


def _gpu(index: int) -> dict[str, Any]:
    import torch

    try:
        properties = torch.cuda.get_device_properties(index)
        told = {"name": properties.name, "bytes": properties.total_memory}
        matrix = torch.ones(64, 64, device=f"cuda:{index}", dtype=torch.float16)
        return {**told, "error": None if float((matrix @ matrix)[0, 0]) == 64 else "a product of matrices is wrong"}
    except RuntimeError as error:
        return {"name": f"GPU {index}", "bytes": 0, "error": str(error).splitlines()[0]}


def espeak() -> dict[str, Any]:
    """How many samples a word has."""
    from fairseq_budget.synthetic.espeak import Voice, speak

    return {"samples": len(speak("speech", Voice()))}


if __name__ == "__main__":
    print(json.dumps({"torch": torch, "espeak": espeak}[sys.argv[1]]()))
