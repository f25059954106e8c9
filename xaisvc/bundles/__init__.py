"""Bundles: read, check, draft, write and pin one model with its description and its background."""

from xaisvc.bundles.bundle import Bundle, Reference
from xaisvc.bundles.check import check_bundle
from xaisvc.bundles.draft import draft_description
from xaisvc.bundles.encode import encode_rows
from xaisvc.bundles.findings import CheckReport, Finding
from xaisvc.bundles.load import BundleWatch, check_unchanged, load_bundle
from xaisvc.bundles.manifest import parse_manifest
from xaisvc.bundles.manifest_text import write_manifest
from xaisvc.bundles.row_reader import RowReader
from xaisvc.bundles.rows import parse_each, parse_rows
from xaisvc.bundles.safety import ModelLimits, check_model
from xaisvc.bundles.summary import describe_bundle
from xaisvc.bundles.tabular import read_data, read_dates, read_rows
from xaisvc.bundles.write import lock_bundle, write_bundle

__all__ = [
    "Bundle",
    "BundleWatch",
    "CheckReport",
    "Finding",
    "ModelLimits",
    "Reference",
    "RowReader",
    "check_bundle",
    "check_model",
    "check_unchanged",
    "describe_bundle",
    "draft_description",
    "encode_rows",
    "load_bundle",
    "lock_bundle",
    "parse_each",
    "parse_manifest",
    "parse_rows",
    "read_data",
    "read_dates",
    "read_rows",
    "write_bundle",
    "write_manifest",
]
