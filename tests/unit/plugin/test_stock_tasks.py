"""fairseq's own tasks run in this environment: batches without its extensions, CTC on HuBERT."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fairseq.data import data_utils
from fairseq.models import MODEL_DATACLASS_REGISTRY
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.plugin.compat import batching
from fairseq_budget.plugin.errors import UserError

compiled = pytest.mark.skipif(
    not isinstance(sys.modules.get(batching.EXTENSION), batching._Batching), reason="fairseq's extensions are there"
)


def batches(lengths: list[int], **limits: int) -> list[list[int]]:
    """As fairseq's datasets ask for them; an example is named by its place."""
    made = data_utils.batch_by_size(range(len(lengths)), lambda index: lengths[index], **limits)
    known = data_utils.batch_by_size(range(len(lengths)), None, num_tokens_vec=np.array(lengths, dtype=np.int64), **limits)
    assert [list(batch) for batch in made] == [list(batch) for batch in known]
    return [list(map(int, batch)) for batch in made]


LENGTHS = [37, 18, 19, 8, 5, 31, 31, 6, 23, 5, 27, 10, 2, 19, 28, 27, 8, 3, 39, 40, 3, 25, 38, 22]
# what the compiled functions gave on Python 3.11: limits, sizes of the batches
GIVEN: list[tuple[dict[str, int], list[int]]] = [
    ({"max_tokens": 100, "required_batch_size_multiple": 1}, [2, 3, 3, 3, 3, 3, 2, 2, 2, 1]),
    ({"max_tokens": 100, "max_sentences": 5, "required_batch_size_multiple": 2}, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
    ({"max_tokens": 60, "required_batch_size_multiple": 4}, [1, 3, 1, 1, 1, 2, 2, 3, 2, 2, 1, 1, 2, 1]),
    ({"max_tokens": 300, "max_sentences": 20, "required_batch_size_multiple": 8}, [8, 8, 7]),
    ({"max_sentences": 7, "required_batch_size_multiple": 3}, [6, 6, 6, 6]),
]


@compiled
@pytest.mark.parametrize(("limits", "sizes"), GIVEN)
def test_batches_are_those_of_the_compiled_functions(limits: dict[str, int], sizes: list[int]) -> None:
    assert [len(batch) for batch in batches(LENGTHS, **limits)] == sizes


@compiled
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(40, 200), st.integers(1, 20), st.integers(1, 4))
def test_batches_keep_the_limits_and_the_order(lengths: list[int], most: int, rows: int, multiple: int) -> None:
    found = batches(lengths, max_tokens=most, max_sentences=rows, required_batch_size_multiple=multiple)
    flat = [index for batch in found for index in batch]
    assert flat == list(range(len(flat)))
    for batch in found:
        assert len(batch) * max(lengths[index] for index in batch) <= most
        assert len(batch) <= rows


@compiled
def test_what_no_batch_holds_is_refused() -> None:
    with pytest.raises(UserError, match="an example has 50 tokens: set `dataset.max_tokens`"):
        batches([3, 50], max_tokens=40)
    with pytest.raises(UserError, match="batches of fixed shapes need fairseq's extensions"):
        data_utils.batch_by_size([0], lambda index: 1, fixed_shapes=[(1, 2)])


def test_ctc_on_hubert_knows_that_no_decoder_follows() -> None:
    assert MODEL_DATACLASS_REGISTRY["hubert_ctc"]().autoregressive is False
