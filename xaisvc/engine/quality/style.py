"""The colours and the layout of a quality report's page, by day and by night."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from xaisvc.engine.quality.charts import night_style

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "light": {
            "ink": "#1b2430", "soft": "#515c69", "paper": "#ffffff", "line": "#dddddd",
            "good": "#f2f8f5", "care": "#fdf7ea", "stop": "#fbeee8",
        },
        "dark": {
            "ink": "#e6eaf0", "soft": "#a9b4c0", "paper": "#161b22", "line": "#3a434e",
            "good": "#152a23", "care": "#2d2513", "stop": "#351d14",
        },
    }
)  # fmt: skip
"""Colours of the page by day and by night; those of the drawings are in `charts`."""


def _colours(scheme: str) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in SCHEMES[scheme].items())


STYLE: Final = f""":root{{color-scheme:light dark;{_colours("light")}}}
body{{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1150px;margin:2rem auto;
padding:0 1rem}} table{{border-collapse:collapse;font-size:.85rem;margin:.6rem 0}} .wide{{overflow-x:auto}}
th,td{{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}}
th:first-child,td:first-child{{text-align:left;position:sticky;left:0;background:var(--paper)}}
figure{{display:inline-block;width:480px;max-width:100%;margin:.5rem 1rem .5rem 0;vertical-align:top}}
.keys span{{margin-right:1rem;white-space:nowrap}} .none,.small{{color:var(--soft);font-size:.9rem}}
.strong,.weak,.null{{padding:.8rem 1rem;border-left:6px solid #009E73;background:var(--good)}}
.weak{{border-color:#E69F00;background:var(--care)}}
.null{{border-color:#D55E00;background:var(--stop);font-weight:bold;font-size:1.1rem}}
.strong .small,.weak .small,.null .small{{color:inherit}}
details{{margin:.5rem 0}} summary{{cursor:pointer;font-weight:600}} pre{{overflow-x:auto}}
.ink{{fill:var(--ink)}} .rule{{stroke:var(--line)}} .whisker{{stroke:var(--ink)}} .seed{{fill:var(--paper)}}
@media (prefers-color-scheme:dark){{:root{{{_colours("dark")}}}
{night_style()}}}
"""
"""What the page has inside; it needs nothing from outside."""
