"""The part of a page that is written from a results file, between two markers."""  # noqa: INP001 - shared by the packages beside it

from __future__ import annotations


def replace_between(begin: str, end: str, page: str, section: str) -> str:
    """The page with the text between the two markers replaced.

    Raises:
        ValueError: If a marker is missing.
    """
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page lacks the markers '{begin}' and '{end}'")
    return f"{before}{begin}\n\n{section}\n\n{end}{after}"
