"""The methods that a quality report compares. To add one: an object like these, and its line in `METHODS_BY_NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from xaisvc.attribution import plan
from xaisvc.engine.choices import Choices
from xaisvc.engine.interruption import Wanted
from xaisvc.engine.quality.method import Attributed
from xaisvc.engine.quality.peers import PEERS
from xaisvc.engine.seeds import RowSeeds, plan_seed
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xaisvc.engine.quality.method import Kind, QualityMethod
    from xaisvc.engine.quality.subject import Subject
    from xaisvc.types import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMethod:
    """A method of xaisvc, called as the service calls it."""

    name: str
    is_shapley: bool = True
    is_sampled: bool = True
    most_rows: int | None = None
    kind: Kind = "ours"
    package: str = "xaisvc"

    def attribute(
        self, subject: Subject, rows: Table, budget: int | None, seed: int, cancel: Callable[[], bool]
    ) -> Attributed:
        """See `QualityMethod`."""
        wanted = budget if self.is_sampled else None
        if subject.calls is not None:
            choices = Choices(
                method=self.name, players=subject.players, budget=wanted, seed=seed, space=None, cancel=cancel
            )
            found = subject.calls.whole(rows, [subject.output], choices)[0].attribution
        else:
            settings = Settings(
                budget=wanted,
                seed=seed,
                row_seeds=RowSeeds(seed, subject.digest, rows),
                plan_seed=plan_seed(seed, subject.digest),
                clock=subject.clock,
                threads=subject.threads,
                check=Wanted(cancel),
            )
            found = plan(subject.problem, self.name, wanted).method.attribute(subject.problem, rows, settings)
        return Attributed(
            values=found.values,
            base_values=found.base_values,
            evaluations=float(found.model_evaluations.mean()),
            exact=found.exact,
            detail=found.method,
        )


SAMPLED_ROWS: Final = 100
"""Rows of methods that are there to be compared with the planner's choice, which explains them all."""
OWN: Final = (
    OwnMethod(name="auto"),
    *(OwnMethod(name=name, is_sampled=False) for name in ("linear", "tree", "exact")),
    OwnMethod(name="kernel", most_rows=SAMPLED_ROWS),
    OwnMethod(name="permutation", most_rows=SAMPLED_ROWS),
    OwnMethod(name="lime", is_shapley=False, most_rows=SAMPLED_ROWS),
    OwnMethod(name="lime_continuous", is_shapley=False, most_rows=SAMPLED_ROWS),
)

_EVERY: Final[tuple[QualityMethod, ...]] = (*OWN, *PEERS)
METHODS_BY_NAME: Final[Mapping[str, QualityMethod]] = MappingProxyType({method.name: method for method in _EVERY})
"""Every method by its name, ours first."""

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "default": ("auto", "lime"),
        "ours": ("auto", "kernel", "permutation", "lime"),
        "peers": tuple(method.name for method in PEERS),
        "all": ("auto", "kernel", "permutation", "lime", *(method.name for method in PEERS)),
    }
)
"""Names that stand for several methods."""

NO_METHODS: Final = frozenset({"reference", "random"})
"""What stands beside the methods; see `assembly.BESIDE`."""


def choose_methods(names: Sequence[str], more: Sequence[QualityMethod] = ()) -> tuple[QualityMethod, ...]:
    """The methods with these names, groups spelt out, each once.

    Args:
        names: Of methods or groups.
        more: Methods of the caller's own, which are known beside ours.

    Raises:
        InvalidRequestError: If a name is not known; lists the known ones. If a method of the caller's has a name that
            stands for something else.
    """
    taken = {*METHODS_BY_NAME, *GROUPS, *NO_METHODS}
    for method in more:
        if method.name in taken:
            raise InvalidRequestError.of(
                "methods", f"'{method.name}' is the name of something else in the report; give your method another"
            )
        taken.add(method.name)
    known = {**METHODS_BY_NAME, **{method.name: method for method in more}}
    spelt = [one for name in names for one in GROUPS.get(name, (name,))]
    unknown = [name for name in spelt if name not in known]
    if unknown or not spelt:
        what = f"unknown method '{unknown[0]}'" if unknown else "names no method"
        raise InvalidRequestError.of("methods", f"{what}; use one or more of: {', '.join((*GROUPS, *known))}")
    return tuple(known[name] for name in dict.fromkeys(spelt))
