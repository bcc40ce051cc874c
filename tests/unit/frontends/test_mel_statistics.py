"""A corpus's statistics: measured once before training, kept exactly, saved with the model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import FRONTENDS, build_frontend
from fairseq_budget.frontends.mel.model import MelFrontend
from fairseq_budget.modules.log_mel import KaldiLogMel
from fairseq_budget.objectives import build_model
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.run import statistics
from tests.common import assert_close, tiny_config, waves


def mel(**settings: object) -> MelFrontend:
    return build_frontend(FRONTENDS["mel"].settings(**settings).cost())


def test_bands_of_the_corpus_have_mean_0_and_deviation_1() -> None:
    frontend, corpus = mel(), [*waves(3, 20_000), *(0.1 * waves(2, 9_000, seed=1))]
    assert frontend.needs_statistics
    frontend.measure(corpus)
    assert not frontend.needs_statistics
    frames = torch.cat([frontend.statistics(frontend.log_mel(wave[None]))[0] for wave in corpus])
    assert_close(frames.mean(0) + 1, torch.ones(80))
    assert_close(frames.std(0, correction=0), torch.ones(80))


def test_loudness_is_kept_by_the_corpus_and_lost_by_the_utterance() -> None:
    source = waves(1, 16_000)
    for name, kept in (("corpus", True), ("utterance", False)):
        frontend = mel(mel_statistics=name)
        frontend.measure(source)
        louder, frames = frontend(4 * source)[0], frontend(source)[0]
        assert (float((louder - frames).mean()) > 0.5) == kept


def test_two_log_mel_frames_are_one() -> None:
    source = waves(1, 16_000)
    plain = KaldiLogMel(80)(source)
    assert plain.shape == (1, 98, 80)
    assert_close(mel()(source)[0][0, 3], torch.cat([plain[0, 6], plain[0, 7]]))


def test_silence_stays_finite() -> None:
    frontend = mel()
    frontend.measure([torch.zeros(16_000)])
    assert bool(torch.isfinite(frontend(torch.zeros(1, 16_000))[0]).all())


def test_a_corpus_without_a_frame_is_refused() -> None:
    with pytest.raises(BudgetError, match="no utterance of it gives a frame"):
        mel().measure([torch.zeros(399)])


def test_half_precision_leaves_them_exact_and_a_checkpoint_brings_them_back() -> None:
    torch.manual_seed(0)
    model = build_model("hubert", tiny_config("hubert", frontend="mel"))
    model.feature_extractor.measure(waves(2, 20_000))
    exact = model.feature_extractor.statistics.mean.clone()
    state = model.half().state_dict()
    assert torch.equal(state["feature_extractor.statistics.mean"], exact)
    again = build_model("hubert", tiny_config("hubert", frontend="mel"))
    again.load_state_dict({name: value.float() for name, value in state.items()})
    assert not again.feature_extractor.needs_statistics
    assert torch.equal(again.feature_extractor.statistics.mean, exact)


class Corpus(PretrainingDataset):
    """Utterances of noise, some of which cannot be read."""

    def __init__(self, count: int, bad: tuple[int, ...] = ()) -> None:
        super().__init__(SimpleNamespace(frames=np.full(count, 16_000), root=Path()), 8_000, 4_000, False, seed=1)
        self.bad, self.heard = bad, []

    def read(self, index: int) -> torch.Tensor:
        if index in self.bad:
            raise BudgetError(f"utterance {index} is broken")
        self.heard.append(index)
        return waves(1, 16_000, seed=index)[0]


def test_utterances_are_taken_evenly_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MOST_UTTERANCES", 4)
    model, corpus = build_model("tera", tiny_config("tera", frontend="mel")), Corpus(31)
    statistics.measure_statistics(model, corpus, skip_bad_audio=False)
    assert corpus.heard == [0, 10, 20, 30]
    expected = mel()
    expected.measure(waves(1, 16_000, seed=index)[0, :8_000] for index in corpus.heard)
    assert torch.equal(model.feature_extractor.statistics.mean, expected.statistics.mean)
    statistics.measure_statistics(model, corpus, skip_bad_audio=False)
    assert len(corpus.heard) == 4, "a model that has them keeps them"


def test_bad_audio_is_an_error_or_left_out() -> None:
    with pytest.raises(BudgetError, match="utterance 1 is broken"):
        statistics.measure_statistics(
            build_model("tera", tiny_config("tera", frontend="mel")), Corpus(3, bad=(1,)), skip_bad_audio=False
        )
    corpus = Corpus(3, bad=(1,))
    statistics.measure_statistics(build_model("tera", tiny_config("tera", frontend="mel")), corpus, skip_bad_audio=True)
    assert corpus.heard == [0, 2]


def test_convolutions_need_none() -> None:
    corpus = Corpus(3)
    statistics.measure_statistics(build_model("tera", tiny_config("tera")), corpus, skip_bad_audio=False)
    assert corpus.heard == []
