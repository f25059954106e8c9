"""Reads and writes `bands.yaml`: what became of the cases of each band of predictions."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from yaml import SequenceNode

from xaisvc.bundles.yaml_nodes import did_you_mean, read_yaml
from xaisvc.errors import NotFoundError
from xaisvc.types.outcomes import BandOutcome, OutcomeBands

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xaisvc.bundles.yaml_nodes import Node
    from xaisvc.types.schema import Band, BundleDescription, Output

SCHEMA = "xaisvc.bands/v1"
BANDS = "bands.yaml"
FEWEST_PARTS = 5
"""Fewer parts of a period say too little about how much a share differs between them."""

_HEAD = """\
# What became of past cases, band by band: of `cases` that the model put into a band, `confirmed` turned out as
# suspected. Counted over a period after the training, with the model and the band limits named here; count again when
# either changes. A list holds one number for each part of the period, such as a week, so that it shows how much the
# share changes from part to part.
"""


def parse_bands(
    description: BundleDescription, source: bytes, model_digest: str, file: str = BANDS
) -> Mapping[str, OutcomeBands]:
    """Reads the counts.

    Args:
        description: The schema.
        source: Content of `bands.yaml`.
        model_digest: SHA-256 of the bundle's model, in hexadecimal.
        file: Name used in errors.

    Returns:
        Output id to its counts.

    Raises:
        BundleError: Names file, line and field of the first thing that is wrong; counts of another model or of other
            limits are wrong.
    """
    root = read_yaml(source, file)
    top = root.fields(("schema", "model", "outputs"), ("schema", "model", "outputs"))
    if top["schema"].scalar() != SCHEMA:
        raise top["schema"].error(f"this version of xaisvc reads '{SCHEMA}'; write that here")
    model = top["model"].text(pattern=r"[0-9a-f]{64}", rule="write the SHA-256 of model.onnx")
    if model != model_digest:
        raise top["model"].error(
            f"the cases were counted with the model {model[:12]}..., but model.onnx is {model_digest[:12]}...; count "
            "them again with this model, or remove the file"
        )
    found: dict[str, OutcomeBands] = {}
    for node in top["outputs"].items():
        bands = _output(node, description)
        if bands.output in found:
            raise node.error(f"the output '{bands.output}' stands twice; remove one")
        found[bands.output] = bands
    if not found:
        raise top["outputs"].error("no output is listed; add one, or remove the file")
    return found


def write_bands(description: BundleDescription, bands: Iterable[OutcomeBands], model_digest: str) -> str:
    """The counts as the text of `bands.yaml`."""
    lines = [_HEAD, f"schema: {SCHEMA}", f"model: {model_digest}", "outputs:"]
    for found in bands:
        upper = {band.id: band.upper for band in description.output(found.output).bands}
        lines += [
            f"  - id: {found.output}",
            f"    from: {found.first.isoformat()}",
            f"    to: {found.last.isoformat()}",
            "    bands:",
        ]
        for band in found.bands:
            limit = upper.get(band.band)
            inside = "" if limit is None else f"upper: {limit!r}, "
            columns = zip(*band.parts, strict=True) if band.parts else ((band.cases,), (band.confirmed,))
            cases, confirmed = (str(list(counts)) if band.parts else str(counts[0]) for counts in columns)
            lines.append(f"      - {{id: {band.band}, {inside}cases: {cases}, confirmed: {confirmed}}}")
    return "\n".join(lines) + "\n"


def _output(node: Node, description: BundleDescription) -> OutcomeBands:
    fields = node.fields(("id", "from", "to", "bands"), ("id", "from", "to", "bands"))
    try:
        output = description.output(fields["id"].text())
    except NotFoundError:
        known = ", ".join(output.id for output in description.outputs)
        raise fields["id"].error(f"bundle.yaml has no such output; outputs: {known}") from None
    if not output.bands:
        raise fields["id"].error(f"bundle.yaml gives no bands for '{output.id}'; add them there first")
    first, last = _day(fields["from"]), _day(fields["to"])
    if first > last:
        raise fields["to"].error(f"the period ends before it begins ({first.isoformat()}); swap the days")
    return OutcomeBands(output=output.id, first=first, last=last, bands=_bands(fields["bands"], output))


def _bands(node: Node, output: Output) -> tuple[BandOutcome, ...]:
    declared = {band.id: band for band in output.bands}
    counted: dict[str, BandOutcome] = {}
    for item in node.items():
        found = _band(item, declared)
        if found.band in counted:
            raise item.error(f"the band '{found.band}' stands twice; remove one")
        counted[found.band] = found
    for band_id in declared:
        if band_id not in counted:
            raise node.error(f"the band '{band_id}' is missing; add it, with 'cases: 0' if no case fell into it")
    return tuple(counted[band_id] for band_id in declared)


def _band(node: Node, declared: Mapping[str, Band]) -> BandOutcome:
    fields = node.fields(("id", "upper", "cases", "confirmed"), ("id", "cases", "confirmed"))
    band_id = fields["id"].text()
    if band_id not in declared:
        hint = did_you_mean(band_id, declared) or f"bands: {', '.join(declared)}"
        raise fields["id"].error(f"bundle.yaml has no such band; {hint}")
    upper = fields["upper"].number() if "upper" in fields else None
    if upper != declared[band_id].upper:
        here, there = ("no limit" if limit is None else f"{limit:g}" for limit in (upper, declared[band_id].upper))
        raise fields.get("upper", node).error(
            f"the band was counted up to {here}, but bundle.yaml ends it at {there}; count again with these limits"
        )
    cases, confirmed = (_counts(fields[name]) for name in ("cases", "confirmed"))
    if len(cases) != len(confirmed):
        raise fields["confirmed"].error(
            f"there are {len(confirmed)} numbers for {len(cases)} parts of the period; give one for each"
        )
    for n, hits in zip(cases, confirmed, strict=True):
        if hits > n:
            raise fields["confirmed"].error(f"{hits:,} of {n:,} cases cannot be confirmed; check both numbers")
    parts = tuple(zip(cases, confirmed, strict=True)) if len(cases) > 1 else ()
    return BandOutcome(band=band_id, cases=sum(cases), confirmed=sum(confirmed), parts=parts)


def _counts(node: Node) -> list[int]:
    """One number, or one for each part of the period."""
    if not isinstance(node.raw, SequenceNode):
        return [_count(node)]
    counts = [_count(item) for item in node.items()]
    if len(counts) < FEWEST_PARTS:
        raise node.error(
            f"{len(counts)} parts of the period say too little about how much they differ; give {FEWEST_PARTS} or "
            "more, for example one for each week, or their sum"
        )
    return counts


def _count(node: Node) -> int:
    value = node.integer()
    if value < 0:
        raise node.error("must be a number of cases, 0 or more")
    return value


def _day(node: Node) -> date:
    text = node.scalar()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise node.error("must be a day such as 2026-03-31")
