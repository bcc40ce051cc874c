"""fairseq's own fine-tuning of HuBERT."""

from __future__ import annotations

from dataclasses import field, make_dataclass

from fairseq.models import MODEL_DATACLASS_REGISTRY
from hydra.core.config_store import ConfigStore

MODEL = "hubert_ctc"
SETTING = "autoregressive"


def let_hubert_be_fine_tuned() -> bool:
    """Its encoder asks whether there is a decoder behind it (`autoregressive`), which the settings of `hubert_ctc` don't
    tell: with CTC there is none."""
    kind = MODEL_DATACLASS_REGISTRY[MODEL]
    if SETTING not in kind.__dataclass_fields__:
        told = field(default=False, metadata={"help": "whether a decoder follows; CTC has none"})
        whole = make_dataclass(kind.__name__, [(SETTING, bool, told)], bases=(kind,), namespace={"__doc__": kind.__doc__})
        MODEL_DATACLASS_REGISTRY[MODEL] = whole
        ConfigStore.instance().store(name=MODEL, group="model", node=whole(_name=MODEL), provider="fairseq")
    return True
