"""What `bundle.yaml` may say, and that every mistake is named with file, line and field."""

from __future__ import annotations

import re
from datetime import date

import pytest

from xaisvc.bundles import parse_manifest
from xaisvc.errors import BundleError
from xaisvc.types import Adverse, Change, Direction, Kind, SelectionRule, Sensitivity, Space, TensorColumn

GOOD = """\
schema: xaisvc.bundle/v1
name: loans
version: 1.10
owner: Risk
purpose: >
  Decides on
  loans.
out_of_scope: Mortgages
languages: [en, nl]
outputs:
  - id: risk
    tensor: probabilities
    target: 1
    space: log_odds
    adverse: higher
    threshold: 0.3
    bands:
      - {id: low, upper: 0.15, label: {en: Low}}
      - {id: high}
concepts:
  - {id: savings, label: {en: Savings, nl: Spaargeld}}
features:
  - id: age
    kind: integer
    observed_range: [18, 90]
    change: {direction: increase, minimum: 20}
  - id: job
    tensor: x
    column: 3
    kind: category
    allow_missing: true
    concept: savings
    sensitivity: customer_own
    categories:
      - 01
      - true
      - no
      - null
      - {value: 1e3, label: {nl: Duizend}}
      - {value: ~}
  - id: since
    kind: date
    observed_range: [2020-01-01, 2021-01-01]
"""


def _wrong(old: str, new: str) -> BundleError:
    assert old in GOOD
    with pytest.raises(BundleError) as caught:
        parse_manifest(GOOD.replace(old, new, 1).encode())
    return caught.value


def test_every_field_is_read() -> None:
    found = parse_manifest(GOOD.encode())

    assert (found.name, found.version, found.purpose) == ("loans", "1.10", "Decides on loans.")
    assert found.languages == ("en", "nl")
    output = found.outputs[0]
    assert (output.target, output.tensor_space, output.space) == (1, Space.PROBABILITY, Space.LOG_ODDS)
    assert (output.adverse, output.threshold) == (Adverse.HIGHER, 0.3)
    assert [(band.id, band.upper, band.label("en")) for band in output.bands] == [
        ("low", 0.15, "Low"),
        ("high", None, "high"),
    ]
    age, job, since = found.features
    assert age.source == TensorColumn(tensor="age")
    assert age.change is not None
    assert (age.change.direction, age.change.minimum, age.change.maximum) == (Direction.INCREASE, 20.0, None)
    assert job.source == TensorColumn(tensor="x", column=3)
    assert (job.kind, job.allow_missing, job.concept) == (Kind.CATEGORY, True, "savings")
    assert job.sensitivity is Sensitivity.CUSTOMER_OWN
    assert since.observed_range == (18262.0, 18628.0)  # days from 1970-01-01, by `date -d 2020-01-01 +%s` / 86400


def test_what_may_be_offered_is_read() -> None:
    source = GOOD.replace("minimum: 20}", "minimum: 20, maximum: 60, step: 5}")
    source = source.replace("column: 3", "column: 3\n    change: {to: [no, 1e3]}")
    source = source.replace("kind: date", "kind: date\n    change: {direction: decrease, minimum: 2020-01-01}")
    age, job, since = parse_manifest(source.encode()).features

    assert age.change == Change(direction=Direction.INCREASE, minimum=20.0, maximum=60.0, step=5.0)
    assert job.change == Change(to=("no", "1e3"))
    assert since.change == Change(direction=Direction.DECREASE, minimum=18262.0)
    assert all(feature.change is None for feature in parse_manifest(GOOD.encode()).features[1:])


def test_the_age_of_the_background_is_read() -> None:
    source = GOOD.replace("outputs:", "background: {as_of: 2025-12-31, max_age_days: 90}\noutputs:").encode()
    found, other = parse_manifest(source), parse_manifest(GOOD.encode())

    assert (found.background_as_of, found.background_max_age_days) == (date(2025, 12, 31), 90)
    assert (other.background_as_of, other.background_max_age_days) == (None, 365)


def test_who_the_background_is_drawn_from_is_read() -> None:
    source = GOOD.replace("outputs:", "background: {drawn_from: approved_near_threshold}\noutputs:").encode()
    found = parse_manifest(source)

    assert found.background_drawn_from is SelectionRule.APPROVED_NEAR_THRESHOLD
    assert found.background_as_of is None
    assert parse_manifest(GOOD.encode()).background_drawn_from is None


def test_where_values_come_from_is_read() -> None:
    source = GOOD.replace("column: 3", "column: 3\n    origin: {en: the form, nl: het formulier}")
    job = parse_manifest(source.encode()).feature("job")

    assert [job.origin(language) for language in ("en", "nl", "de")] == [
        "the form",
        "het formulier",
        "the form",
    ]


def test_how_old_a_value_may_be_is_read() -> None:
    age, job, since = parse_manifest(GOOD.replace("column: 3", "column: 3\n    stale_after_days: 90").encode()).features

    assert [one.stale_after_days for one in (age, job, since)] == [None, 90, None]


def test_what_a_bundle_says_of_itself_is_read_in_every_language() -> None:
    source = GOOD.replace("owner: Risk", "owner: {en: Credit desk, nl: Kredietafdeling}")
    found = parse_manifest(source.encode(), labels={"nl": b"purpose: Voorbeelden"})

    assert [found.text("owner", language) for language in ("en", "nl", "de")] == [
        "Credit desk",
        "Kredietafdeling",
        "Credit desk",
    ]
    assert found.owner == "Credit desk"
    assert found.text("purpose", "nl") == "Voorbeelden"
    assert found.text("out_of_scope", "nl") == found.out_of_scope


def test_whom_its_decisions_concern_and_what_its_rows_are_is_read() -> None:
    source = GOOD.replace("outputs:", "rows: {en: payments}\naudiences: [data_scientist, fraud_analyst]\noutputs:")
    found = parse_manifest(source.encode())
    other = parse_manifest(GOOD.encode())

    assert found.row_label("nl") == "payments"
    assert [found.concerns(name) for name in ("fraud_analyst", "customer")] == [True, False]
    assert other.row_label("en") == ""
    assert other.concerns("customer")


def test_categories_are_the_text_as_written() -> None:
    job = parse_manifest(GOOD.encode()).feature("job")

    assert job.categories == ("01", "true", "no", "null", "1e3", "~")
    assert job.category_label("1e3", "nl") == "Duizend"


def test_a_quoted_target_is_a_text_and_a_bare_one_a_number() -> None:
    assert parse_manifest(GOOD.replace("target: 1", "target: '1'").encode()).outputs[0].target == "1"
    assert parse_manifest(GOOD.replace("target: 1", "target: bad").encode()).outputs[0].target == "bad"
    assert parse_manifest(GOOD.replace("    target: 1\n", "").encode()).outputs[0].target is None


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("bundle/v1", "bundle/v9", 1, "schema", "reads 'xaisvc.bundle/v1'"),
        ("name: loans", "name: Loans 1", 2, "name", "'Loans 1' is not allowed here; use lower-case letters"),
        ("owner: Risk\n", "", 1, "", "the key 'owner' is required"),
        ("owner: Risk", "owner: ''", 4, "owner", "must not be empty"),
        ("owner: Risk", "owner: [a]", 4, "owner", "must be a single value, but is a list"),
        ("owner: Risk", "ower: Risk", 4, "ower", "unknown key 'ower'; did you mean 'owner'?"),
        ("owner: Risk", "owner: Risk\nowner: Me", 5, "owner", r"stands twice \(first in line 4\)"),
        ("[en, nl]", "[English]", 9, "languages[0]", "write a language tag such as en, nl or pt-BR"),
        ("[en, nl]", "[en, en]", 9, "languages[1]", "the language 'en' stands twice"),
        ("[en, nl]", "[en]", 21, "concepts[0].label.nl", "is not declared; add 'nl' to languages"),
        ("outputs:", "x: 1\noutputs:", 10, "x", "unknown key 'x'; known keys: schema, name"),
        ("space: log_odds", "space: logit", 14, "outputs[0].space", "'logit' is not one of: probability, log_odds"),
        ("target: 1", "tensor_space: raw", 14, "outputs[0].space", "a raw tensor cannot be explained as log_odds"),
        ("target: 1", "tensor_space: log_odds", 13, "outputs[0].tensor_space", "write raw for log-odds"),
        ("threshold: 0.3", "threshold: 30", 16, "outputs[0].threshold", "must be a probability from 0 to 1, but is 30"),
        ("threshold: 0.3", "threshold: .inf", 16, "outputs[0].threshold", "must be a finite number"),
        ("threshold: 0.3", "threshold: '0.3'", 16, "outputs[0].threshold", "must be a finite number"),
        ("    adverse: higher\n", "", 15, "outputs[0].threshold", "add 'adverse: higher' or lower"),
        ("{id: high}", "{id: low}", 19, "outputs[0].bands[1]", "the band 'low' stands twice"),
        ("{id: high}", "{id: high, upper: 0.9}", 19, "outputs[0].bands[1]", "last band reaches up without end"),
        ("{id: high}", "{id: x, upper: 0.1}\n      - {id: y}", 19, "outputs[0].bands[1]", "0.1 is not above 0.15"),
        ("upper: 0.15, ", "", 18, "outputs[0].bands[0]", "every band but the last needs 'upper'"),
        ("id: age", "id: prediction:x", 23, "features[0].id", "does not start with 'prediction:'"),
        ("id: age", "id: job", 27, "features[1]", "the feature 'job' stands twice"),
        ("kind: integer", "kind: text", 24, "features[0].kind", "free text cannot be attributed"),
        ("kind: integer", "kind: int", 24, "features[0].kind", "'int' is not one of: numeric, integer"),
        ("[18, 90]", "[90, 18]", 25, "features[0].observed_range", "the smallest value is above the largest"),
        ("[18, 90]", "[18]", 25, "features[0].observed_range", r"must be two values, \[smallest, largest\]"),
        ("[18, 90]", "18 to 90", 25, "features[0].observed_range", "must be a list"),
        ("minimum: 20", "minimum: 20, maximum: 10", 26, "features[0].change", "minimum is above the maximum"),
        ("minimum: 20}", "minimum: 20, to: [a]}", 26, "features[0].change.to", "only a category is offered by name"),
        ("minimum: 20}", "minimum: 20, step: 0.5}", 26, "features[0].change.step", "whole numbers, but the step is 0"),
        ("minimum: 20}", "minimum: 20, step: 0}", 26, "features[0].change.step", "must be above 0"),
        ("minimum: 20}", "minimum: 20, by: 5}", 26, "features[0].change.by", "unknown key 'by'; known keys: direction"),
        ("minimum: 20}", "minimum: 21, maximum: 24, step: 5}", 26, "features[0].change",
         "no whole multiple of 5 lies between 21 and 24, so nothing could be offered; widen"),
        ("minimum: 20}", "minimum: 0, maximum: 1000000}", 26, "features[0].change",
         "1,000,001 values lie between the bounds, and at most 100,000 can be offered"),
        ("kind: integer", "kind: numeric", 26, "features[0].change", "a numeric feature needs 'step', the smallest"),
        ("kind: integer", "kind: boolean", 26, "features[0].change.minimum", "become true .increase. or false"),
        ("column: 3", "change: {direction: any}", 29, "features[1].change.direction",
         r"a category has no order; name the categories that may be offered, such as \{to: \[01\]\}; remove 'dir"),
        ("column: 3", "change: {}", 29, "features[1].change", r"may be offered, such as \{to: \[01\]\}; no other"),
        ("column: 3", "change: {to: []}", 29, "features[1].change.to", "at least one category is required"),
        ("column: 3", "change: {to: [no, on]}", 29, "features[1].change.to[1]", "'on' is not one of the categories:"),
        ("column: 3", "change: {to: [no, no]}", 29, "features[1].change.to[1]", "the category 'no' stands twice"),
        ("kind: date", "kind: date\n    change: {step: 7}", 43, "features[2].change.step", "offered in whole days"),
        ("column: 3", "column: -3", 29, "features[1].column", "columns are counted from 0"),
        ("column: 3", "column: 3.5", 29, "features[1].column", "must be a whole number"),
        ("allow_missing: true", "allow_missing: yes", 31, "features[1].allow_missing", "must be true or false"),
        ("concept: savings", "concept: saving", 32, "features[1].concept", "there is no concept 'saving'; concepts"),
        ("sensitivity: customer_own", "sensitivity: customer", 33, "features[1].sensitivity",
         "did you mean 'customer_own'"),
        ("      - true\n", "      - 01\n", 36, "features[1].categories[1]", "the category '01' stands twice"),
        ("      - true\n", "      - ''\n", 36, "features[1].categories[1]", "empty text stands for a missing value"),
        ("      - true\n", "      -\n", 36, "features[1].categories[1]", "the category has no value"),
        ("kind: date", "kind: category", 43, "features[2].observed_range", "a category has no range"),
        ("kind: date", "kind: date\n    categories: [a]", 43, "features[2].categories", "only a category feature has"),
        ("2020-01-01, ", "1 January, ", 43, "features[2].observed_range[0]", "must be a finite number"),
        ("  - id: since", "  - id: since\n    tensor: x\n    column: 3", 41, "features[2]",
         "column 3 of tensor 'x' already belongs to feature 'job'"),
        ("owner: Risk", "owner: {nl: Risico}", 4, "owner", "has no text in 'en', the first of the bundle's languages"),
        ("owner: Risk", "owner: {en: Risk, de: Risiko}", 4, "owner.de", "the language is not declared"),
        ("outputs:", "audiences: []\noutputs:", 10, "audiences", "names nobody who may see a case"),
        ("outputs:", "audiences: [Customer]\noutputs:", 10, "audiences[0]", "such as fraud_analyst"),
        ("outputs:", "background: {}\noutputs:", 10, "background", "says nothing; give 'as_of'"),
        ("outputs:", "background: {max_age_days: 9}\noutputs:", 10, "background.max_age_days", "needs 'as_of'"),
        ("outputs:", "background: {drawn_from: friends}\noutputs:", 10, "background.drawn_from",
         "population, approved_near_threshold"),
        ("outputs:", "background: {as_of: yesterday}\noutputs:", 10, "background.as_of", "such as 2026-03-31"),
        ("outputs:", "background: {as_of: 2025-12-31, max_age_days: 0}\noutputs:", 10, "background.max_age_days",
         "must be at least 1 day"),
        ("column: 3", "column: 3\n    stale_after_days: 0", 30, "features[1].stale_after_days",
         "must be at least 1 day"),
        ("name: loans", "name: &a loans", 2, "", r"anchors \(&\) and aliases \(\*\) are not allowed"),
        ("name: loans", "name: *a", 2, "", "anchors"),
        ("name: loans", "name: 'loans", 0, "", "this is not valid YAML"),
        ("name: loans", "\tname: loans", 2, "", "this is not valid YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(old: str, new: str, line: int, field: str, words: str) -> None:
    error = _wrong(old, new)

    assert error.file == "bundle.yaml"
    if line:
        assert error.line == line, str(error)
    assert error.field == field
    assert re.search(words, str(error)), str(error)


def test_empty_lists_of_outputs_and_features_are_refused() -> None:
    head = GOOD[: GOOD.index("outputs:")]
    outputs = GOOD[GOOD.index("outputs:") : GOOD.index("concepts:")]
    with pytest.raises(BundleError, match=r"bundle.yaml:10: outputs: at least one output is required"):
        parse_manifest((head + "outputs: []\nfeatures: []\n").encode())
    with pytest.raises(BundleError, match=r"bundle.yaml:20: features: at least one feature is required"):
        parse_manifest((head + outputs + "features: []\n").encode())


def test_files_that_are_no_yaml_are_refused() -> None:
    for content, words in (
        (b"", "the file is empty"),
        (b"name: \xff", "bundle.yaml:1: the file is not UTF-8"),
        (b"a: b\n---\nc: d", "not valid YAML"),
        (b"name: \x00", "characters that YAML does not allow"),
        (b'name: "\\UFFFFFFFF"', "characters that YAML does not allow"),
        (b"- a\n", "must be a mapping"),
        (b"[" * 100_000, "nested deeper than 16 levels|not valid YAML"),
        (b"a: " + b"[[[[[[[[[[[[[[[[[[[[" + b"]" * 20, "nested deeper than 16 levels"),
        (b"a: [" + b"1," * 250_000 + b"]", "more than 200,000 values"),
        (b"a: &x [1]\nb: [*x, *x]\n", "anchors"),
        (b"a: !!python/object/apply:os.system ['true']\n", "unknown key 'a'"),
    ):
        with pytest.raises(BundleError, match=words):
            parse_manifest(content)


def test_control_characters_and_halves_of_characters_are_refused() -> None:
    for escape in ("\\0", "\\e", "\\ud83d"):
        error = _wrong("owner: Risk", f'owner: "a{escape}b"')
        assert "bundle.yaml:4: owner: holds control characters or half a character" in str(error)


def test_a_label_file_adds_a_language_and_wins() -> None:
    labels = {
        "de": b"features: {age: Alter}\ncategories: {job: {'true': Wahr}}\nconcepts: {savings: Sparen}\n"
        b"outputs: {risk: Risiko}\nbands: {risk: {low: Niedrig}}\norigins: {age: das Formular}\n",
        "nl": b"concepts: {savings: Sparen NL}\n",
    }

    found = parse_manifest(GOOD.encode(), labels=labels)

    assert found.languages == ("en", "nl", "de")
    assert found.feature("age").label("de") == "Alter"
    assert found.feature("age").origin("de") == "das Formular"
    assert found.feature("job").category_label("true", "de") == "Wahr"
    assert found.feature("job").category_label("1e3", "nl") == "Duizend"
    assert found.concepts[0].labels == {"en": "Savings", "nl": "Sparen NL", "de": "Sparen"}
    assert found.outputs[0].label("de") == "Risiko"
    assert found.outputs[0].bands[0].labels == {"en": "Low", "de": "Niedrig"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"feature: {age: x}", "labels/de.yaml:1: feature: unknown key 'feature'; did you mean 'features'"),
        (
            b"features: {agee: x}",
            "labels/de.yaml:1: features.agee: bundle.yaml has no such feature; did you mean 'age'",
        ),
        (b"categories:\n  job: {x: y}", "labels/de.yaml:2: categories.job.x: bundle.yaml has no such category"),
        (b"bands: {risk: {middle: y}}", "bands.risk.middle: bundle.yaml has no such band"),
        (b"features: {age: ''}", "features.age: must not be empty"),
    ],
)
def test_a_label_for_something_unknown_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        parse_manifest(GOOD.encode(), labels={"de": content})
