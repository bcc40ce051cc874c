"""The size table gives the published parameter counts."""

import pytest

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES, Size, find_size, get_size
from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import OBJECTIVES, STUDIED, get_objective, shape_of

# Liu et al. 2024, table 4, in millions
PUBLISHED = {
    "30": (5.9, 6.2, 5.7),
    "50": (9.9, 10.3, 9.8),
    "70": (14.1, 14.4, 13.9),
    "small": (20.9, 21.3, 20.7),
    "slim": (20.0, 20.4, 19.8),
    "200": (40.0, 40.4, 39.8),
    "base": (94.7, 95.0, 94.5),
    "large": (316.6, 317.4, 315.6),
}


# What the published TERA counts hold beside the model: embeddings of 100 clusters and 4 special symbols, left over from the
# HuBERT that the authors modified.  Nothing uses them, so they aren't built here.
LEFT_OVER_EMBEDDINGS = 104


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("objective", STUDIED)
def test_parameters_are_those_of_the_paper(objective: str, name: str) -> None:
    published = PUBLISHED[name][STUDIED.index(objective)]
    count = count_parameters(shape_of(objective, SIZES[name]))
    assert count / 1e6 == pytest.approx(published, abs=0.1)
    left_over = LEFT_OVER_EMBEDDINGS * SIZES[name].final_dim if objective == "tera" else 0
    assert round((count + left_over) / 1e6, 1) == published


MINI = [size for size in SIZES.values() if size.mini]
FIRST_ROUND = 100 + 4
"""HuBERT's clusters and fairseq's special symbols."""


def test_the_other_sizes_are_mini() -> None:
    assert set(SIZES) == {*PUBLISHED, *(size.name for size in MINI)}
    assert get_objective("hubert").percent(SIZES["0.05"], "mel") == 0.082, (
        "of Slim's parameters, with the second round's labels"
    )


@pytest.mark.parametrize("size", MINI, ids=lambda size: size.name)
def test_a_mini_sizes_name_is_its_percent_of_slim(size: Size) -> None:
    params = count_parameters(shape_of("hubert", size, frontend="mel", num_classes=FIRST_ROUND))
    slim = count_parameters(shape_of("hubert", SIZES["slim"]))
    assert float(size.name) == pytest.approx(100 * params / slim, rel=0.15)
    assert 0.004e6 < params < 10e6


def test_mini_sizes_grow_and_have_the_encoder_of_base() -> None:
    counts = [count_parameters(shape_of("hubert", size, frontend="mel")) for size in MINI]
    assert counts == sorted(counts)
    for objective in OBJECTIVES.values():
        for settings in map(objective.settings, MINI):
            assert settings["dropout"] == settings["encoder_layerdrop"] == 0
            assert (settings["layer_norm_first"], settings["extractor_mode"]) == (False, "default")


def test_rates_of_mini_sizes_fall_with_the_width() -> None:
    rates = [get_objective("hubert").learning_rate(size) for size in MINI]
    assert rates == sorted(rates, reverse=True)
    assert (*rates[:2], get_objective("hubert").learning_rate(SIZES["20"])) == (5.7e-3, 4e-3, 1e-3)
    assert get_objective("wav2vec2").learning_rate(SIZES["20"]) == 8e-4


def test_a_group_of_the_positional_convolution_has_a_channel() -> None:
    for objective in OBJECTIVES.values():
        groups = {size.name: objective.settings(size)["conv_pos_groups"] for size in SIZES.values()}
        assert groups.pop("0.02") == 8 and set(groups.values()) == {16}


def test_every_row_is_found_by_its_shape() -> None:
    assert all(find_size(size.shape) is size for size in SIZES.values())
    assert find_size((1, 2, 3, 4, 5)) is None


def test_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match="unknown size `slimm`: choose one of 0.02, 0.05, .*, 30, 50, 70, small, slim, 200, base, large"
    ):
        get_size("slimm")
