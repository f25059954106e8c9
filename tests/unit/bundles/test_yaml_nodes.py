from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from xaisvc.bundles import yaml_nodes
from xaisvc.bundles.yaml_nodes import read_yaml
from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from xaisvc.bundles.yaml_nodes import Node

SMALL = b"""\
a: 'quoted'
b: [1, -2.5e3, "01", true, ~, null, '']
c:   # a comment
  - plain text, on
    two lines
  - >
    folded
    text
  - |
    kept

    as it is
"""
BUNDLES = sorted(Path(yaml_nodes.__file__).parents[1].glob("demo/bundles/*/bundle.yaml"))


def told(node: Node) -> object:
    """Everything that a node says."""
    if node.is_mapping:
        return {key: (child.path, told(child)) for key, child in node.mapping().items()}, node.line
    if isinstance(node.raw, yaml.SequenceNode):
        return [told(item) for item in node.items()], node.line
    return node.scalar(), node.is_plain, node.is_empty, node.line


@pytest.mark.parametrize("source", [SMALL, *(path.read_bytes() for path in BUNDLES)])
def test_both_readers_say_the_same(source: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert yaml.__with_libyaml__
    quick = told(read_yaml(source, "bundle.yaml"))
    monkeypatch.setattr(yaml_nodes, "_QUICKEST", yaml_nodes._Loader)

    assert quick == told(read_yaml(source, "bundle.yaml"))
    assert len(BUNDLES) == 3


@pytest.mark.parametrize(
    "source", [b"a: [1", b"a: b\n---\nc: d", b"a: \x00", b'a: "\\UFFFFFFFF"', b"a: &x 1", b"[" * 40, b"\ta: 1", b""]
)
def test_both_readers_refuse_in_the_same_words(source: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError) as quick:
        read_yaml(source, "bundle.yaml")
    monkeypatch.setattr(yaml_nodes, "_QUICKEST", yaml_nodes._Loader)
    with pytest.raises(BundleError) as slow:
        read_yaml(source, "bundle.yaml")

    assert str(quick.value) == str(slow.value)
