"""Pages without barriers: axe-core in a real browser finds nothing, in light and dark, wide and narrow, and in grey."""

from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from tests.acceptance.worlds import SEGMENTS, World, make_world
from tests.browser.probe import probed
from tests.browser.test_pages import SWITCHES
from xaisvc.demo.cases import CARD_MODEL, MAIN_MODEL
from xaisvc.engine.cohorts import cohort_of
from xaisvc.views import build_cohort_view, build_view, load_audiences, render_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.views import View

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.timeout(240)]

AXE = Path(__file__).parent / "axe"
NAMES = ("business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager")
WIDTHS = (420, 1100)
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

# Each page is put into a frame of its own width, without its policy, which would stop axe as it stops every script.
# Everything that axe knows is asked for, its advice beside its rules, but for what a frame cannot answer.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body>
{frames}
<pre id="out"></pre>
<script>
const wait = (frame) => new Promise((done) => {{
  if (frame.contentWindow.axe) done(); else frame.addEventListener("load", done);
}});
(async () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    await wait(frame);
    const {{ axe, document: page, matchMedia }} = frame.contentWindow;
    const result = await axe.run(page, {{ resultTypes: ["violations"] }});
    found[frame.id] = {{
      dark: matchMedia("(prefers-color-scheme: dark)").matches,
      passes: result.passes.length,
      violations: result.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120) + " " +
        n.any.map((a) => a.message).join("; ")).slice(0, 3).join(" | ")),
    }};
  }}
  document.getElementById("out").textContent = JSON.stringify(found);
}})();
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program, installed into a folder of its own."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("axe") / "axe"
    shutil.copytree(AXE, folder, ignore=shutil.ignore_patterns("node_modules"))
    npm = shutil.which("npm") or "npm"
    installed = subprocess.run(  # noqa: S603 - the machine's own npm, on a file of ours
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if installed.returncode != 0:
        pytest.skip("npm cannot install axe-core here: " + installed.stderr.strip().rpartition("\n")[2])
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {name: make_world(name) for name in (MAIN_MODEL, CARD_MODEL)}


def _views(worlds: dict[str, World], name: str) -> Iterator[tuple[str, View]]:
    """Views of a reader in each language: of both bundles where these concern the reader, and of every status.

    Pages about many cases come first, as they are what is read by those who have them.
    """
    known = load_audiences()
    reader = known[name]
    for bundle, world in worlds.items():
        if not world.description.concerns(name):
            continue
        if reader.cohort_sections:
            own, others = world.records[::2], world.records[1::2]
            cohort = cohort_of(own, world.description, against=others, segment_by=SEGMENTS[bundle])
            for language in reader.languages:
                many = build_cohort_view(cohort, world.description, reader, language, known=known)
                yield f"{bundle}-many-{language}", many
        beside = world.beside(reader)
        wanted = {"complete"} | ({"held_for_review"} if name == "customer" else set())
        for place, record in enumerate(world.records):
            view = build_view(record, world.description, reader, "en", beside[place])
            if not (wanted and view.status in wanted and record.output.adverse):
                continue
            wanted -= {view.status}
            for language in reader.languages:
                shown = build_view(record, world.description, reader, language, beside[place])
                yield f"{bundle}-{view.status}-{language}", shown
        if reader.before:
            yield f"{bundle}-before", build_view(world.records[0], world.description, reader, "nl", judged=False)


def _frame(name: str, page: str, width: int, axe: str) -> str:
    document = POLICY.sub("", page).replace("</body>", f"<script>{axe}</script></body>")
    assert document != page
    return f'<iframe id="{name}" style="width:{width}px;height:2000px" srcdoc="{html.escape(document)}"></iframe>'


def _run(chromium: str, folder: Path, frames: list[str], *switches: str) -> dict[str, dict[str, object]]:
    flags = [one for one in SWITCHES if not one.startswith("--virtual-time")]
    content = PROBE.format(frames="\n".join(frames))
    flags += [*switches, "--virtual-time-budget=120000", "--window-size=1300,2400"]
    found: dict[str, dict[str, object]] = probed(chromium, folder, content, flags, timeout_s=200)
    return found


def _violations(found: dict[str, dict[str, object]]) -> dict[str, object]:
    return {name: one["violations"] for name, one in found.items() if one["violations"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_no_barrier(  # noqa: PLR0913, PLR0917 - a browser, a program, and what to look at
    chromium: str, axe: str, tmp_path: Path, worlds: dict[str, World], name: str, scheme: str
) -> None:
    frames = [
        _frame(f"{kind}-{width}", render_view(view, "html"), width, axe)
        for kind, view in _views(worlds, name)
        for width in (WIDTHS if view.language == "en" else WIDTHS[:1])
    ]
    found = _run(chromium, tmp_path, frames, DARK if scheme == "dark" else LIGHT)

    assert len(frames) == len(found) > 2
    assert {one["dark"] for one in found.values()} == {scheme == "dark"}
    assert all(int(str(one["passes"])) > 10 for one in found.values())
    assert _violations(found) == {}


def _grey(page: str) -> str:
    """The page with each colour as the grey that is as light: what is left of it on a printer without colours."""

    def grey(found: re.Match[str]) -> str:
        digits = found.group(1)
        digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        level = round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))
        return "#" + 3 * f"{level:02x}"

    return re.sub(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b(?=[^<{}]*[;}])", grey, page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_in_grey(
    chromium: str, axe: str, tmp_path: Path, worlds: dict[str, World], scheme: str
) -> None:
    """Contrast is what is left of colours in grey; that no direction is told by colour alone is in the words."""
    frames = []
    for name in NAMES:
        kind, view = next(_views(worlds, name))
        page = render_view(view, "html")
        grey = _grey(page)
        levels = set(re.findall(r"#([0-9a-f]{6})\b", grey))
        assert grey != page
        assert {one for one in levels if one != one[:2] * 3} == set()
        frames.append(_frame(f"{name}-{kind}", grey, 1100, axe))
    found = _run(chromium, tmp_path, frames, DARK if scheme == "dark" else LIGHT)

    assert _violations(found) == {}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('<html lang="en">', "<html>", "html-has-lang"),
        ("</h1>", '</h1><p style="color:#aaa;background:#fff">too faint to read</p>', "color-contrast"),
        ("</h1>", '</h1><img src="data:,x">', "image-alt"),
        ("<h2", "<h5", "heading-order"),
    ],
)
def test_axe_sees_a_barrier(  # noqa: PLR0913, PLR0917 - a page, what is changed in it, and what is said then
    chromium: str, axe: str, tmp_path: Path, worlds: dict[str, World], old: str, new: str, rule: str
) -> None:
    _, view = next(_views(worlds, "customer"))
    page = render_view(view, "html")
    assert old in page
    found = _run(chromium, tmp_path, [_frame("one", page.replace(old, new, 1), 1100, axe)], LIGHT)

    assert rule in str(_violations(found))


@pytest.mark.parametrize("name", ["business_manager", "customer"])
def test_a_printed_page_holds_all_that_the_page_says(
    chromium: str, tmp_path: Path, worlds: dict[str, World], name: str
) -> None:
    _, view = next(_views(worlds, name))
    page = tmp_path / "page.html"
    page.write_text(render_view(view, "html"), encoding="utf-8")
    printed = tmp_path / "page.pdf"
    subprocess.run(  # noqa: S603 - the browser of this machine, on a page of ours
        [
            chromium,
            *SWITCHES,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={printed}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=200,
        check=True,
    )
    document = PdfReader(io.BytesIO(printed.read_bytes()))
    text = " ".join(" ".join(one.extract_text() for one in document.pages).split())
    text = unicodedata.normalize("NFKC", text)  # two letters may be drawn as one, such as "ff"

    assert len(document.pages) <= 4
    for section in view.sections:
        assert section.title in text
    assert view.title in text
