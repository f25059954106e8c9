"""The checks that look at one view of one record. Each says in words what is wrong, and nothing if nothing is.

Numbers are those of the list of acceptance checks; README.md beside this file has all of them. None of the checks uses
what it checks: rankings are computed again, pages are parsed, syllables and terms are counted by other code.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pyphen

from tests.acceptance.numerals import known_numerals, numerals
from tests.acceptance.ranking import is_unreliable, misses, named, rank, reasons, ties_of
from tests.acceptance.worlds import OPEN, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.acceptance.ranking import Ranked
    from tests.acceptance.worlds import Shown

PLAIN_READERS = frozenset({"business_manager", "customer", "relationship_manager"})
_TWO_SIDED = frozenset({"reasons", "signals"})
_LONG = 4
_DIGITS = 4


def sections(shown: Shown) -> Iterator[str]:
    """A1: the sections are those of the declaration, in its order, in every format."""
    declared = shown.declared.sections(shown.audience, shown.status)
    found = [(str(one["id"]), str(one["type"])) for one in shown.json["sections"]]
    if declared != found:
        yield f"has the sections {found}, declared are {declared}"
    titles = [" ".join(one["title"].split()) for one in shown.json["sections"] if one["title"]]
    heads = {
        "html": [text for level, text in shown.html.headings if level == 2],
        "markdown": [plain(line[3:]) for line in shown.pages["markdown"].split("\n") if line.startswith("## ")],
        "text": re.findall(r"(?m)^(\S.*)\n-+$", shown.pages["text"]),
    }
    for form, texts in heads.items():
        if [text for text in texts if text in titles] != titles:
            yield f"'{form}' has the headings {texts}, not {titles}"


def counts(shown: Shown) -> Iterator[str]:
    """A2: no more reasons than declared, none twice, and no two of facts that must not be ranked against each other."""
    if shown.audience in OPEN:
        return
    for section, block in _lists(shown):
        options = shown.declared.options(shown.audience, section["id"])
        most = max(options.get("maximum", 0), options.get("max_first", 0), options.get("max_second", 0))
        labels = [one["label"] for one in block["items"]]
        if len(labels) > most:
            yield f"'{section['id']}' gives {len(labels)} reasons, at most {most} are declared"
        if len(labels) != len(set(labels)):
            yield f"'{section['id']}' gives a reason twice: {labels}"
    by_label = {one.label: one for one in _ranked(shown) if one.seen}
    items = [one for _, block in _lists(shown) for one in block["items"]]
    meant = {
        one.label for item in items if (one := named(item, list(by_label.values()), shown.description, shown.language))
    }
    for tie in ties_of(shown.record):
        same = [label for label in meant if by_label[label].features & tie]
        kinds = [frozenset(_kind(shown, name) for name in by_label[label].features & tie) for label in same]
        if len(kinds) != len(set(kinds)):
            yield f"{sorted(same)} are two reasons, and their facts go together"


def ranking(shown: Shown) -> Iterator[str]:
    """A3, A10: reasons are the beginning of the true ranking, or the view is held; and nothing is held for nothing."""
    if shown.audience in OPEN:
        return
    unreliable = is_unreliable(shown.record, shown.declared, shown.audience)
    behaviour = shown.declared.audience(shown.audience)["on_unreliable"]
    if shown.is_complete and unreliable and behaviour != "show" and any(b["items"] for _, b in _lists(shown)):
        yield "gives reasons although they cannot be relied on"
    letter = next(
        (s for s in shown.declared.audience(shown.audience)["sections"] if s["type"] == "principal_reasons"), None
    )
    if letter is not None:
        yield from _letter(shown, unreliable=unreliable)
    for section in shown.json["sections"]:
        if section["type"] in _TWO_SIDED and not unreliable:
            yield from _two_sides(shown, section)


def _letter(shown: Shown, *, unreliable: bool) -> Iterator[str]:
    options = shown.declared.options(shown.audience, "principal_reasons")
    ranked, against = _ranked(shown), _against(shown)
    adverse = shown.record.output.adverse
    if adverse is None or against is None:
        return
    expected = reasons(ranked, against if adverse else -against, options, options["maximum"])
    must_hold = unreliable or (adverse and (not expected or misses(ranked, against, options, expected)))
    if must_hold is shown.is_complete:
        yield (
            "is complete, and a reason that must not be named stands among the first"
            if must_hold
            else "is held for nothing"
        )
    given = [one["label"] for block in shown.blocks("principal_reasons", "reasons") for one in block["items"]]
    if shown.is_complete and given != [one.label for one in expected]:
        yield f"gives {given}; the rule gives {[one.label for one in expected]}"


def _two_sides(shown: Shown, section: Mapping[str, Any]) -> Iterator[str]:
    options = shown.declared.options(shown.audience, section["id"])
    ranked = _ranked(shown, options["level"])
    against = _against(shown) or 1
    first = against if options["first"] == "adverse" or shown.record.output.adverse is not False else -against
    blocks = [block for block in section["blocks"] if block["type"] == "reasons"]
    if len(blocks) != 2:
        yield f"'{section['id']}' has {len(blocks)} lists of reasons"
        return
    for sign, block, most in ((first, blocks[0], options["max_first"]), (-first, blocks[1], options["max_second"])):
        expected = reasons(ranked, sign, options, most)
        if not expected and sign != first and most:
            expected = reasons(ranked, sign, {"floor": 0.0, "certainty": 0.0}, 1)
        given = [one["label"] for one in block["items"]]
        if section["type"] == "signals":  # a concept of which one fact counts may go by that fact's name
            meant = [named(one, ranked, shown.description, shown.language) for one in block["items"]]
            given = [one.label if one else label for one, label in zip(meant, given, strict=True)]
        if given != [one.label for one in expected]:
            yield f"'{section['id']}' gives {given}; the rule gives {[one.label for one in expected]}"


def words(shown: Shown) -> Iterator[str]:
    """A4: no banned term, no raw name; in texts, alternatives of drawings and attributes alike."""
    page = shown.html
    everywhere = {
        "html": " ".join(page.texts),
        "attributes": " ".join(text for text in page.attributes if " " in text),
        "markdown": plain(shown.pages["markdown"]),
        "text": shown.pages["text"],
        "json": "\n".join(shown.texts()),
    }
    banned = shown.declared.banned(shown.audience, shown.language)
    names = {one.id for one in (*shown.description.features, *shown.description.concepts) if "_" in one.id}
    for form, text in everywhere.items():
        folded = text.casefold()
        for term in banned:
            if term.casefold() in folded and re.search(rf"(?<![\w-]){re.escape(term.casefold())}(?!\w)", folded):
                yield f"'{form}' says '{term}'"
        if shown.audience in OPEN:
            continue
        for name in names | set(re.findall(r"\b[a-z]+_[a-z_]+\b", text)):
            if name in text:
                yield f"'{form}' shows the raw name '{name}'"


def reading(shown: Shown) -> Iterator[str]:
    """A5: sentences as short and plain as declared; words of the law and the bank's own names are not measured."""
    limits = shown.declared.audience(shown.audience)["wording"]["reading"].get(shown.language)
    if not limits:
        return
    said = [text for text in _sentences(shown) if text.endswith((".", "!", "?"))]
    text = " ".join(dict.fromkeys(said))
    short = text
    for name in shown.names():
        short = short.replace(name, "\u2026name")
    parts = [part for part in re.split(r"(?<=[.!?:])\s+", short) if part.strip()]
    longest = max((len(re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", part)) for part in parts), default=0)
    if longest > limits["max_sentence_words"]:
        yield f"has a sentence of {longest} words; {limits['max_sentence_words']} are the most"
    grade, ease = _grade(text, shown.language)
    if grade > limits.get("max_grade", float("inf")):
        yield f"reads at grade {grade:.1f}; {limits['max_grade']} is the most"
    if ease < limits.get("min_ease", float("-inf")):
        yield f"reads with an ease of {ease:.1f}; {limits['min_ease']} is the least"


def _sentences(shown: Shown) -> Iterator[str]:
    yield from (shown.json["title"], shown.json["subtitle"])
    for section in shown.json["sections"]:
        yield section["title"]
        for block in section["blocks"]:
            kind = block["type"]
            if kind == "paragraph" and block["role"] != "mandated":
                yield block["text"]
            elif kind == "notice":
                yield from (block["title"], block["text"])
            elif kind == "bullets":
                yield from (block["title"], *block["items"])
            elif kind == "reasons":
                yield from (block["title"], *(one["note"] for one in block["items"]))


def _grade(text: str, language: str) -> tuple[float, float]:
    """Flesch-Kincaid grade and Flesch-Douma ease, syllables counted where a word may be broken."""
    said = re.findall(r"[^\W\d_]+", text)
    ends = len(re.findall(r"[.!?:](?:\s|$)", text)) or 1
    if not said:
        return 0.0, 100.0
    broken = sum(_syllables(word.lower(), language) for word in said) / len(said)
    return 0.39 * len(said) / ends + 11.8 * broken - 15.59, 206.835 - 0.93 * len(said) / ends - 77 * broken


@cache
def _syllables(word: str, language: str) -> int:
    return len(_breaker(language).positions(word)) + 1


@cache
def _breaker(language: str) -> pyphen.Pyphen:
    return pyphen.Pyphen(lang={"en": "en_US", "nl": "nl_NL"}[language])


def numbers(shown: Shown) -> Iterator[str]:
    """A6: every numeral comes from the record, from what was computed beside it, or from a name of the bank's.

    Data scientists read sums and differences of all of these, so theirs are tried by changing the record.
    """
    if shown.audience in OPEN:
        return
    known = known_numerals(shown)
    page = " ".join(shown.html.texts)
    everywhere = {"html": page, "markdown": plain(shown.pages["markdown"]), "text": shown.pages["text"]}
    texts = [name for name in shown.names() if re.search(r"\d", name)]
    for form, text in everywhere.items():
        for found in numerals(text, texts, lists=form != "html"):
            if found not in known:
                yield f"'{form}' has the number {found}, which nothing accounts for"


def withheld(shown: Shown) -> Iterator[str]:
    """A7: no name, word, value or share of a withheld fact in any byte."""
    if shown.audience in OPEN:
        return
    secrets = _secrets(shown)
    for form, page in shown.pages.items():
        text = plain(page) if form == "markdown" else page
        folded = text.replace(",", "") if form != "json" else text
        for secret, what in secrets.items():
            if not secret[0].isdigit():
                found = secret in text
            else:
                found = secret in folded and bool(re.search(rf"(?<![\d.]){re.escape(secret)}(?!\d)", folded))
            if found:
                yield f"'{form}' holds '{secret}' ({what})"


def _secrets(shown: Shown) -> dict[str, str]:
    """What may not stand anywhere, and what it would tell; without what visible facts say as well."""
    description, record = shown.description, shown.record
    action = {one.id: shown.declared.action(shown.audience, one) for one in description.features}
    open_ = [one for one in description.features if action[one.id] == "show"]
    said = " ".join(
        [text for one in open_ for text in (*one.labels.values(), *_category_texts(one))]
        + [text for one in (*description.concepts, *description.outputs) for text in one.labels.values()]
    )
    allowed = {_plain_number(record.row.get(one.id)) for one in open_}
    secrets: dict[str, str] = {}
    for one in description.features:
        if action[one.id] == "show":
            continue
        texts = {one.id, *one.labels.values(), *_category_texts(one)}
        secrets |= {text: one.id for text in texts if text not in said and len(text) > _LONG}
        value = _plain_number(record.row.get(one.id))
        if len(value.replace(".", "").strip("0-")) >= _DIGITS and value not in allowed:
            secrets[value] = f"value of {one.id}"
    hidden = {p.player for p in record.attribution.players if not _is_open(p.features, action)}
    for player in record.attribution.players:
        if player.player in hidden:
            secrets |= dict.fromkeys(_forms(player.value), f"share of {player.player}")
    messages = (one for one in record.caveats if hidden & set(one.players) and len(one.message) > _LONG)
    return secrets | {one.message: f"caveat {one.kind}" for one in messages}


def opposing(shown: Shown) -> Iterator[str]:
    """A13: a list of reasons is never empty and silent."""
    for section, block in _lists(shown):
        if not block["items"] and not block["empty"].strip():
            yield f"a list in '{section['id']}' is empty and says nothing"
    for section in shown.json["sections"]:
        if section["type"] in _TWO_SIDED and len([b for b in section["blocks"] if b["type"] == "reasons"]) == 1:
            yield f"'{section['id']}' has one side only"


def structure(shown: Shown) -> Iterator[str]:  # noqa: C901 - one branch for each thing looked at
    """A15: language, title, headings without a gap, heads of tables, words for drawings, nothing from elsewhere."""
    page = shown.html
    elements = dict(page.elements)
    if elements.get("html", {}).get("lang") != shown.language:
        yield "the page does not say its language"
    if "title" not in elements or "main" not in elements:
        yield "the page has no title or no main part"
    levels = [level for level, _ in page.headings]
    if levels.count(1) != 1 or any(b - a > 1 for a, b in itertools.pairwise(levels)):
        yield f"its headings are on the levels {levels}"
    for tag, attributes in page.elements:
        if tag == "svg" and attributes.get("aria-hidden") != "true" and not _is_named(attributes):
            yield "a drawing has no words"
        if tag in {"script", "iframe", "object", "embed", "img", "link", "base", "form"}:
            yield f"the page has <{tag}>"
        for name, value in attributes.items():
            if name in {"src", "href", "srcset", "action"} and not value.startswith("#"):
                yield f"the page asks for '{value}'"
            if name.startswith("on"):
                yield f"the page has a handler '{name}'"
    for table in re.findall(r"<table\b.*?</table>", shown.pages["html"], re.DOTALL):
        if "<th" not in table or "<caption" not in table:
            yield "a table has no heads or no caption"


def _is_named(attributes: Mapping[str, str]) -> bool:
    named = "aria-label" in attributes or "aria-labelledby" in attributes
    return attributes.get("role") == "img" and named


def _lists(shown: Shown) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for section in shown.json["sections"]:
        for block in section["blocks"]:
            if block["type"] == "reasons":
                yield section, block


def _ranked(shown: Shown, level: str = "concept") -> list[Ranked]:
    return rank(shown.record, shown.description, shown.declared, shown.audience, shown.language, level)


def _against(shown: Shown) -> int | None:
    adverse = shown.description.output(shown.record.output.id).adverse
    return None if adverse is None else 1 if adverse.value == "higher" else -1


def _kind(shown: Shown, name: str) -> str:
    return str(shown.description.feature(name).sensitivity)


def _is_open(features: tuple[str, ...], action: Mapping[str, str]) -> bool:
    return all(action[name] == "show" for name in features)


def _category_texts(feature: Any) -> list[str]:
    return [text for texts in feature.category_labels.values() for text in texts.values()]


def _plain_number(value: float | str | None) -> str:
    return f"{value:.12g}" if isinstance(value, float | int) else ""


def _forms(value: float) -> set[str]:
    """How a share could be written, as far as it could not be some other number."""
    found = {f"{abs(value):.{digits}g}" for digits in (4, 6, 12) if abs(value) > 1e-3}
    return {form for form in found if len(form.replace(".", "").lstrip("0")) >= _DIGITS}


CHECKS: Mapping[str, Callable[[Shown], Iterator[str]]] = {
    "A1": sections,
    "A2": counts,
    "A3": ranking,
    "A4": words,
    "A5": reading,
    "A6": numbers,
    "A7": withheld,
    "A13": opposing,
    "A15": structure,
}
