"""What is measured, and the work of one process of a batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.engine.explainer import Explainer
    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience


def worlds(records: int) -> Iterator[tuple[Explainer, list[ExplanationRecord]]]:
    """Each bundle of the demonstration with records of its own rows, in turn if there are fewer."""
    from xaisvc.demo.cases import BUNDLES, CARD_MODEL, MAIN_MODEL  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used

    for name in (MAIN_MODEL, CARD_MODEL):
        explainer = Explainer(BUNDLES / name, device="cpu", threads=1)
        table = explainer.bundle.background
        batch = explainer.explain_table(table)
        yield explainer, [batch[i % len(table)].record for i in range(records)]


def readers(explainer: Explainer) -> list[tuple[Audience, str]]:
    """Every audience that the bundle concerns, in each of its languages."""
    from xaisvc.views import load_audiences  # noqa: PLC0415 - heavy: loaded when used

    known = load_audiences().values()
    concerned = [one for one in known if explainer.bundle.description.concerns(one.id)]
    return [(one, language) for one in concerned for language in one.languages]


def work(barrier: Any, counts: Any, records: int, seconds: float) -> None:  # noqa: ANN401 - of multiprocessing's context
    """Makes batches until the time is over; says how many views, in what time, with how much processor time."""
    from xaisvc.engine.viewing import make_views  # noqa: PLC0415 - heavy: loaded when used

    mixes = [
        (explainer, made, audience, language)
        for explainer, made in worlds(records)
        for audience, language in readers(explainer)
    ]
    for explainer, made, audience, language in mixes:  # warm
        _pages(make_views(made[:2], explainer.bundle.description, audience, language, supplier=explainer.supplier))
    barrier.wait()
    views, began, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for explainer, made, audience, language in mixes:
            found = make_views(made, explainer.bundle.description, audience, language, supplier=explainer.supplier)
            views += _pages(found)
    counts.put((views, time.monotonic() - began, time.process_time() - cpu))


def _pages(views: list[Any]) -> int:
    return sum(1 for view in views if view.to_html())
