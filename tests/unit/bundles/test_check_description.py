from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.bundles.check_description import check_description
from xaisvc.bundles.draft import TO_FILL
from xaisvc.types import Sensitivity

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription


def complete(description: BundleDescription) -> BundleDescription:
    features = tuple(replace(feature, sensitivity=Sensitivity.PUBLIC) for feature in description.features)
    return replace(description, features=features)


def test_a_complete_description_needs_no_word(description: BundleDescription) -> None:
    assert check_description(complete(description)) == []


def test_drafted_texts_are_named(description: BundleDescription) -> None:
    draft = replace(complete(description), owner=f"{TO_FILL}: who", purpose=f"{TO_FILL}: what")

    (finding,) = check_description(draft)
    assert (finding.level, finding.name) == ("warning", "description")
    assert finding.message == "owner, purpose still say 'TO FILL'; readers are shown them"


def test_features_that_only_data_scientists_see_are_named(description: BundleDescription) -> None:
    (finding,) = check_description(description)

    assert finding.message == (
        "4 of 5 features have no sensitivity class (age, member, job, since), "
        "so nobody but data scientists is shown them"
    )


def test_changes_that_nobody_can_be_offered_are_named(description: BundleDescription) -> None:
    features = tuple(
        replace(feature, sensitivity=Sensitivity.PROXY) if feature.change else feature
        for feature in complete(description).features
    )

    (finding,) = check_description(replace(description, features=features))
    assert (finding.level, finding.name) == ("warning", "change")
    assert finding.message.startswith("income may be offered to be changed, but the sensitivity class keeps it from")


def test_an_output_without_a_decision_is_named(description: BundleDescription) -> None:
    output = replace(description.outputs[0], threshold=None)

    (finding,) = check_description(replace(complete(description), outputs=(output,)))
    assert finding.name == "output 'default_risk'"
    assert "has no adverse direction or no threshold" in finding.message


def test_a_language_that_is_declared_and_not_written_is_named(description: BundleDescription) -> None:
    lacking = replace(complete(description), texts={"nl": {"owner": "Kredietrisico"}})

    (finding,) = check_description(lacking)
    assert finding.message == (
        "purpose, out_of_scope in 'en' only, so readers of 'nl' meet both languages on one page; "
        "write purpose: {en: ..., nl: ...}"
    )
