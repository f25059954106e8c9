"""A16 to A18: one shape in every language, no contradiction between readers, equal bytes whatever came before."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.across import contradictions, foreign_words, other_shape
from tests.acceptance.worlds import AUDIENCES, BUNDLE_NAMES, show, show_all
from xaisvc.demo.cases import MAIN_MODEL
from xaisvc.records.codec import decode_record, encode_description, encode_record
from xaisvc.types.supplements import NO_SUPPLEMENTS
from xaisvc.views import load_audiences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.worlds import Declared, Shown, World

EVERY = 10
"""Of the two hundred records; every one is shown in every language by the checks of single views."""


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_both_languages_have_the_same_shape_and_keep_to_themselves(
    world_of: Callable[[str], World], declared: Declared, bundle: str, audience: str
) -> None:
    world = world_of(bundle)
    english = list(show_all(world, declared, audience, "en", EVERY))
    dutch = list(show_all(world, declared, audience, "nl", EVERY))
    found = {what for one, other in zip(english, dutch, strict=True) for what in other_shape(one, other)}
    found |= {what for shown in (*english, *dutch) for what in foreign_words(shown)}

    assert found == set()


def _reasons(shown: Shown) -> list[dict[str, Any]]:
    return [b for s in shown.json["sections"] for b in s["blocks"] if b["type"] == "reasons"]


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_no_two_readers_are_told_what_contradicts(
    world_of: Callable[[str], World], declared: Declared, bundle: str, language: str
) -> None:
    world = world_of(bundle)
    views = [list(show_all(world, declared, audience, language, EVERY)) for audience in AUDIENCES]
    found = {what for of_one_record in zip(*views, strict=True) for what in contradictions(of_one_record)}

    assert found == set()
    assert sum(len(one["items"]) for view in views[1] for one in _reasons(view))


def test_the_comparisons_see_planted_faults(world_of: Callable[[str], World], declared: Declared) -> None:
    world = world_of(MAIN_MODEL)
    record = next(one for one in world.records if one.output.adverse)
    english, dutch = (show(world, declared, "relationship_manager", code, record) for code in ("en", "nl"))
    longer = _with(dutch, '"blocks": [', '"blocks": [{"type": "paragraph", "role": "text", "text": "meer"}, ', "json")
    mixed = _with(dutch, "</main>", "<p>Show them, and what they mean, before you decide anything.</p></main>", "html")
    sentence = max(declared.sentences("relationship_manager", "en").values(), key=len)
    told = replace(mixed, pages={**mixed.pages, "text": mixed.pages["text"] + sentence})
    turned = _with(english, '"side": "against"', '"side": "for"', "json")

    assert list(other_shape(english, dutch)) == list(foreign_words(dutch)) == []
    assert list(other_shape(english, longer))
    assert list(foreign_words(told))
    assert list(contradictions([english, english])) == []
    assert list(contradictions([english, turned]))


def _with(shown: Shown, old: str, new: str, form: str) -> Shown:
    assert old in shown.pages[form]
    return replace(shown, pages={**shown.pages, form: shown.pages[form].replace(old, new, 1)})


def test_pages_do_not_depend_on_what_was_rendered_before(world_of: Callable[[str], World], declared: Declared) -> None:
    """Cold and warm, in this order and the other, with audiences that were read again: the same bytes."""
    world = world_of(MAIN_MODEL)
    combinations = [(name, code) for name in AUDIENCES for code in ("en", "nl")]
    record = world.records[0]
    warm = {pair: show(world, declared, *pair, record).pages for pair in combinations}
    fresh = replace(declared, audiences=load_audiences(declared.root), files={})
    cold = {pair: show(world, fresh, *pair, record).pages for pair in reversed(combinations)}

    assert cold == warm
    pages = [page for pair in combinations for page in warm[pair].values()]
    assert len(pages) == len(set(pages))  # no audience and no language shares a page with another


def test_a_record_read_back_from_the_store_gives_the_same_pages(
    world_of: Callable[[str], World], declared: Declared
) -> None:
    """A19: what is kept of an explanation is enough to make the same page years later."""
    for bundle in BUNDLE_NAMES:
        world = world_of(bundle)
        for record in world.records[:4]:
            again = decode_record(encode_record(record))
            for name in AUDIENCES:
                assert show(world, declared, name, "nl", record).pages == show(world, declared, name, "nl", again).pages


ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
from xaisvc.records.codec import decode_description, decode_record
from xaisvc.views import build_view, load_audiences, render_view
folder, *names = sys.argv[1:]
record = decode_record(Path(folder, "record").read_bytes())
description = decode_description(Path(folder, "description").read_bytes())
audiences = load_audiences(Path(folder, "audiences"))
pages = [
    render_view(build_view(record, description, audiences[name], code), form)
    for name in names for code in ("en", "nl") for form in ("html", "json", "text", "markdown")
]
print(hashlib.sha256("".join(pages).encode()).hexdigest())
"""


def test_another_process_makes_the_same_bytes(
    world_of: Callable[[str], World], declared: Declared, tmp_path: Path
) -> None:
    world = world_of(MAIN_MODEL)
    record = world.records[3]
    shutil.copytree(declared.root, tmp_path / "audiences")
    (tmp_path / "record").write_bytes(encode_record(record))
    (tmp_path / "description").write_bytes(encode_description(world.description))
    ran = subprocess.run(  # noqa: S603 - this interpreter, on a program of ours
        [sys.executable, "-c", ANOTHER_PROCESS, str(tmp_path), *AUDIENCES],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    here = "".join(
        show(world, declared, name, code, record, NO_SUPPLEMENTS).pages[form]
        for name in AUDIENCES
        for code in ("en", "nl")
        for form in ("html", "json", "text", "markdown")
    )

    assert hashlib.sha256(here.encode()).hexdigest() == ran.stdout.strip()
