"""What to try after the demonstration: commands that work as they stand, in the folder from which it was run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xaisvc.demo.cases import CREDIT, MAIN_MODEL
from xaisvc.demo.reviews import BEFORE_IDS, NOW_IDS

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_ADDRESS: Final = "127.0.0.1:8765"


def next_steps(out: Path, address: str | None, *, find: Callable[[str], str | None] = shutil.which) -> str:
    """The commands, one paragraph for each way to call.

    Args:
        out: Folder of the demonstration.
        address: Where the service listens; None if it was stopped, so that the commands start it first.
        find: Finds a program on the path.
    """
    folder, program, target = _shown(out), _program("xaisvc", find), address or DEFAULT_ADDRESS
    explain = f"""\
# explain one applicant to a reader, on the command line
{program} explain {folder}/models/{MAIN_MODEL} {folder}/applicants.json \\
    --row 0 --audience customer
"""
    review = f"""\
# what many recorded decisions say together, for the business manager
{program} cohort {MAIN_MODEL} --data-dir {folder}/data --segment-by purpose \\
    --ids {folder}/review-{CREDIT.id}/{NOW_IDS} --against-ids {folder}/review-{CREDIT.id}/{BEFORE_IDS} \\
    --language nl
"""
    serve = f"""\
# serve the models
{program} serve --models {folder}/models
"""
    ask = f"""\
# ask over gRPC, from any language
{_program("grpcurl", find)} -plaintext -d @ {target} \\
    xaisvc.v1.ExplanationService/Explain < {folder}/request.json
"""
    python = f"""\
# ask from Python
import json, xaisvc
rows = json.load(open("{folder}/applicants.json"))
with xaisvc.Client("{target}") as client:
    reply = client.explain("{MAIN_MODEL}", rows,
                           audiences=["customer"], formats=["text"])
print(reply[0].view("customer", "text").content)"""
    return "\n".join((explain, review, ask, python) if address else (explain, review, serve, ask, python))


def _program(name: str, find: Callable[[str], str | None]) -> str:
    """How to call a program: by name if it is on the path, else as it lies beside this Python."""
    beside = Path(sys.executable).with_name(name)
    return name if find(name) or not beside.exists() else _shown(beside)


def _shown(path: Path) -> str:
    """A path as a person would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
