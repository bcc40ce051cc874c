"""Which extra of the installation brings a module that not everybody has."""

from __future__ import annotations

EXTRAS = {
    "fairseq": "train",
    "deepspeed": "train",
    "hydra": "train",
    "omegaconf": "train",
    "sentencepiece": "train",
    "tensorboardX": "train",
    "s3prl": "superb",
    "torchaudio": "superb",
    "editdistance": "superb",
    "rapidfuzz": "asr",
    "jiwer": "asr",
    "flashlight": "asr",
    "huggingface_hub": "superb",
    "yaml": "superb",
    "pyannote": "superb",
    "dtw": "superb",
    "h5py": "superb",
    "librosa": "superb",
    "lxml": "superb",
    "more_itertools": "superb",
    "platformdirs": "superb",
    "jinja2": "report",
    "matplotlib": "report",
    "pandas": "report",
    "tabulate": "report",
    "transformers": "export",
    "praatio": "textgrid",
    "fastabx": "abx",
    "polars": "abx",
}
"""By the name that is imported."""


def install(module: str) -> str:
    """The command that installs a module of the table, with all that comes with it."""
    return f"pip install 'fairseq-budget[{EXTRAS[module]}]'"
