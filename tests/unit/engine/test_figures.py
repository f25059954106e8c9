"""Figures for notebooks, against the numbers that they show."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.figures import bars_figure, beeswarm_figure, waterfall_figure
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xaisvc.engine.batch import ExplanationBatch


@pytest.fixture(scope="module")
def credit() -> tuple[Explainer, ExplanationBatch]:
    explainer = Explainer(BUNDLES / "german-credit-boosting", device="cpu", threads=1)
    return explainer, explainer.explain([load_cases()[0].row])


def _names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_the_bars_of_a_waterfall_reach_from_the_base_value_to_the_output(
    credit: tuple[Explainer, ExplanationBatch],
) -> None:
    one = credit[1][0]
    figure = one.plot_waterfall(max_players=5)
    bars = figure.axes[0].patches
    ranked = sorted(one.values.items(), key=lambda item: -abs(item[1]))

    assert [bar.get_width() for bar in bars[:5]] == pytest.approx([value for _, value in ranked[:5]])
    assert bars[0].get_x() == pytest.approx(one.base_value)
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(one.output)
    assert _names(figure)[1] == "duration_months = 48"
    assert _names(figure)[-2:] == ["11 other players", "output"]


def test_what_lime_leaves_is_a_bar_of_its_own(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    record = explainer.explain(batch.rows, method="lime")[0].record
    figure = waterfall_figure(record)
    last = figure.axes[0].patches[-1]

    assert _names(figure)[-2] == "residual, not attributed"
    assert last.get_x() + last.get_width() == pytest.approx(record.attribution.output)


def test_bars_have_their_values_and_their_errors(credit: tuple[Explainer, ExplanationBatch]) -> None:
    record = credit[1][0].record
    players = tuple(replace(player, standard_error=0.01) for player in record.attribution.players)
    unsure = replace(record, attribution=replace(record.attribution, players=players))
    axes = bars_figure(unsure, max_players=3).axes[0]
    ranked = sorted(players, key=lambda player: -abs(player.value))[:3]

    assert [bar.get_width() for bar in axes.patches] == pytest.approx([player.value for player in ranked])
    assert len(axes.collections) == 3  # one error bar each
    assert not bars_figure(record, max_players=3).axes[0].collections


def test_a_beeswarm_has_every_point(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    overview = explainer.overview()
    assert overview is not None
    axes = beeswarm_figure(overview, own=batch[0].record, max_players=4).axes[0]
    points = sorted(float(x) for found in axes.collections for x, _ in found.get_offsets())

    assert points == pytest.approx(sorted(point.value for one in overview.players[:4] for point in one.points))
    assert _names(axes.figure) == [one.player for one in overview.players[:4]]


def test_a_figure_can_be_saved_and_leaves_nothing_behind(
    credit: tuple[Explainer, ExplanationBatch], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("figures") / "bars.png"
    before = _open_figures()
    credit[1][0].plot_bars().savefig(path)

    assert path.read_bytes().startswith(b"\x89PNG")
    assert _open_figures() == before


def _open_figures() -> list[int]:
    """Figures that pyplot holds on to; others of this process may have left some."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return [] if pyplot is None else list(pyplot.get_fignums())


@pytest.mark.parametrize("count", [0, -1])
def test_no_players_is_refused(credit: tuple[Explainer, ExplanationBatch], count: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"max_players: must be a whole number of at least 1, got {count}"):
        credit[1][0].plot_waterfall(max_players=count)
