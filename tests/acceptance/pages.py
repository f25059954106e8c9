"""Reads a rendered page the way a strict reader, or a program for readers who do not see, would."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = frozenset({"meta", "br", "hr", "img", "input", "link", "rect", "line", "path", "circle", "polyline", "use"})
# Shapes by the thousand that hold nothing but places and classes; one with any text of a bundle is parsed.
_SHAPE = re.compile(r'<(circle|rect|line|path|use)(?: [a-z0-9-]+="[-A-Za-z0-9.,#: %]*")* */?>(?:</\1>)?')


class Parsed(HTMLParser):
    """A page as texts and elements, without its style sheet.

    Attributes:
        texts: What a reader sees.
        attributes: What a reader may be told instead: every value of an attribute.
        headings: Level and text of each heading, in order.
        elements: Tag and attributes of each element.
        captions: For each table, whether it has a caption and heads.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.attributes: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(_SHAPE.sub("", page))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        self.attributes += [value for name, value in found.items() if name not in {"class", "style", "content"}]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        if data.strip():
            self.texts.append(" ".join(data.split()))
        if self.open and re.fullmatch("h[1-6]", self.open[-1]) and self.headings:
            level, text = self.headings[-1]
            self.headings[-1] = (level, " ".join(f"{text} {data}".split()))
