"""What other packages tell their users about features that go together: real runs on cases with known truth.

Everything that a package says while it explains is kept: warnings, log, printed text, text of its results. A sentence
is about dependence if it has one of `WORDS`. A sentence that is said of independent data too is no warning, so it does
not count, whatever words it has.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.caveats.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.caveats.studies import Settings

TOOLS = ("shap", "lime", "shapiq", "dalex", "shapash", "explainerdashboard", "xaisvc")
CASES = ("duplicate", "negated duplicate", "correlated", "redundancy", "quadratic", "unused")
CONTROL = "independent"
MODELS = ("linear", "boosting")
SEEDS = 2
FIRST_SEED = 1000
"""Held out, as every number that is reported."""

WORDS = re.compile(
    r"correlat|collinear|redundan|duplicat|dependen|associat|related|together|proxy|unused|not used|share.{0,12}credit",
    re.IGNORECASE,
)
LIMIT_S = 240.0
MOST_SAID, MOST_TEXT = 3, 160
"""Sentences of a package that are kept to read, and their characters."""

SCRIPT = Path(__file__).parent / "peer_script.py"
CHECKOUT = Path(__file__).parents[2]


def make_case(name: str, model: str, seed: int, n: int) -> dict[str, Any]:
    """One table with six columns, of which x1 goes with x0, or with x2 to x5 together, or with nothing."""
    rng = np.random.default_rng([*name.encode(), seed])
    x = rng.standard_normal((n, 6))
    partner = _partner(name, x, rng)
    if partner is not None:
        x[:, 1] = partner
    target = 2 * x[:, 0] + x[:, 1] + x[:, 2] + 0.5 * x[:, 3] + 0.3 * rng.standard_normal(n)
    return {
        "columns": {f"x{j}": x[:, j].tolist() for j in range(6)},
        "target": target.tolist(),
        "model": model,
        "ignored": "x1" if name == "unused" else "",
    }


def _partner(name: str, x: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64] | None:
    noise = rng.standard_normal(len(x))
    return {
        "duplicate": x[:, 0],
        "negated duplicate": -x[:, 0],
        "correlated": 0.9 * x[:, 0] + np.sqrt(1 - 0.81) * noise,
        "redundancy": x[:, 2:].sum(axis=1),
        "quadratic": x[:, 0] ** 2 + 0.3 * noise,
        "unused": 0.9 * x[:, 0] + np.sqrt(1 - 0.81) * noise,
    }.get(name)


def ask_peers(pythons: Sequence[Path], settings: Settings, tell: Callable[[str], None]) -> dict[str, Any]:
    """Runs every package that is installed somewhere.

    Args:
        pythons: Interpreters to look for packages in; without any, this one and those of the checkout.
        settings: Background rows.
        tell: Told what is going on.

    Returns:
        For each package what it said, by case, or why it was not run.
    """
    places = [*pythons] or _known_pythons()
    tools = {}
    for tool in TOOLS:
        tell(f"asking {tool} ...")
        tools[tool] = _ask(tool, places, settings.rows)
    return {"cases": CASES, "words": WORDS.pattern, "versions": versions(("numpy", "pandas")), "tools": tools}


def _known_pythons() -> list[Path]:
    own = [CHECKOUT / ".venv-bench" / "bin" / "python", *sorted((CHECKOUT / "out" / "peers").glob("*/bin/python"))]
    return [Path(sys.executable), *(path for path in own if path.exists())]


def _ask(tool: str, pythons: Sequence[Path], n: int) -> dict[str, Any]:
    python = next((path for path in pythons if _has(path, tool)), None)
    if python is None:
        return {"status": "not run", "why": "not installed"}
    cases = {
        f"{name}|{model}|{seed}": make_case(name, model, seed, n)
        for name in (*CASES, CONTROL)
        for model in MODELS
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS)
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.json"
        file.write_text(json.dumps(cases), encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - own words
                [str(python.absolute()), str(SCRIPT), tool, str(file)],  # absolute: it starts in another folder
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"status": "not run", "why": f"no answer in {LIMIT_S:g} s"}
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return {"status": "not run", "why": (lines or [f"exit status {done.returncode}"])[-1][-200:]}
    found = json.loads(done.stdout.splitlines()[-1])
    return {"status": "ran", "version": found["version"], **judge(found["said"])}


def judge(said: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Counts warnings that are there.

    Args:
        said: Lines by `case|model|seed`, with those of independent data among them.

    Returns:
        `told` and `asked`, models and seeds by case; `lines`, everything that was said; `control`, sentences about
        dependence that are said of independent data; `said`, some of those that
        counted; `errors`, what was raised.
    """
    usual = {_plain(line) for key, lines in said.items() if key.startswith(CONTROL) for line in lines}
    told, asked, sentences = dict.fromkeys(CASES, 0), dict.fromkeys(CASES, 0), dict[str, str]()
    for key, lines in said.items():
        name = key.split("|")[0]
        if name == CONTROL:
            continue
        found = [line for line in lines if WORDS.search(line) and _plain(line) not in usual]
        asked[name] += 1
        told[name] += bool(found)
        for line in found:
            sentences.setdefault(_plain(line), _short(line))
    raised = dict.fromkeys(_short(line) for lines in said.values() for line in lines if line.startswith("raised "))
    return {
        "told": told,
        "asked": asked,
        "lines": sum(map(len, said.values())),
        "control": sorted(_short(line) for line in usual if WORDS.search(line))[:MOST_SAID],
        "said": list(sentences.values())[:MOST_SAID],
        "errors": list(raised)[:MOST_SAID],
    }


def _short(line: str) -> str:
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 3].rstrip()}..."


def _plain(line: str) -> str:
    """A line without its numbers, so that the same sentence with other numbers is the same."""
    return re.sub(r"\d[\d.,e+-]*", "#", line)


def _has(python: Path, tool: str) -> bool:
    ask = f"import importlib.util as u, sys; sys.exit(u.find_spec({tool!r}) is None)"
    try:
        done = subprocess.run([str(python), "-c", ask], capture_output=True, check=False)  # noqa: S603 - own words
    except OSError:
        return False
    return done.returncode == 0
