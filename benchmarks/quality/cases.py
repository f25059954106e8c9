"""The cases of the public suite: a bundle each, with rows that it was not trained on and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.quality import data
from xaisvc.evaluation import Polynomial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd

N_BACKGROUND: Final = 100
OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
SEED: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A case made ready.

    Attributes:
        bundle: Folder of the bundle.
        rows: Rows to explain; None for the bundle's background.
        labels: What happened; None if not known.
        truth: The model's closed form, where it has one.
    """

    bundle: Path
    rows: pd.DataFrame | None = None
    labels: np.ndarray | None = None
    truth: Polynomial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        id: Short name.
        title: A few words for tables.
        build: Makes it ready in a work folder.
    """

    id: str
    title: str
    build: Callable[[Path], Built]


POLYNOMIAL: Final = Polynomial(
    terms=(
        ((0,), 2.0),
        ((1,), -1.0),
        ((2,), 0.5),
        ((0, 3), 1.0),
        ((4, 5), -1.5),
        ((6, 7, 8), 0.8),
        ((9,), 0.1),
    ),
    constant=0.5,
)
"""Twelve columns: main effects, products of two and of three, and two columns that are not used."""


def polynomial_graph(model: Polynomial, n_features: int) -> bytes:
    """The polynomial as an ONNX graph in float64, from one input `x`."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - heavy: loaded when used

    nodes, constants, parts = [], [], []
    for number, (columns, weight) in enumerate(model.terms):
        constants.append(numpy_helper.from_array(np.array(columns, dtype=np.int64), f"columns {number}"))
        constants.append(numpy_helper.from_array(np.array(weight), f"weight {number}"))
        nodes.append(helper.make_node("Gather", ["x", f"columns {number}"], [f"chosen {number}"], axis=1))
        nodes.append(helper.make_node("ReduceProd", [f"chosen {number}"], [f"product {number}"], axes=[1], keepdims=1))
        nodes.append(helper.make_node("Mul", [f"product {number}", f"weight {number}"], [f"term {number}"]))
        parts.append(f"term {number}")
    constants.append(numpy_helper.from_array(np.array(model.constant), "constant"))
    nodes.append(helper.make_node("Sum", parts, ["sum"]))
    nodes.append(helper.make_node("Add", ["sum", "constant"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "polynomial",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, n_features])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def _polynomial(work: Path) -> Built:
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    import xaisvc  # noqa: PLC0415 - heavy: loaded when used

    rng = np.random.default_rng(SEED)
    shared = rng.normal(size=(400, 1))
    table = pd.DataFrame(0.6 * shared + 0.8 * rng.normal(size=(400, 12)), columns=[f"f{j}" for j in range(12)])
    folder = work / "polynomial"
    xaisvc.create_bundle(
        model=polynomial_graph(POLYNOMIAL, 12), background=table[:N_BACKGROUND], path=folder, overwrite=True
    )
    rows = table[N_BACKGROUND:].reset_index(drop=True)
    labels = POLYNOMIAL(rows.to_numpy()) + rng.normal(size=len(rows))
    return Built(bundle=folder, rows=rows, labels=labels, truth=POLYNOMIAL)


def _german(_: Path) -> Built:
    from xaisvc.demo.cases import BUNDLES  # noqa: PLC0415 - heavy: loaded when used

    rows, bad = data.german_held_out()
    return Built(bundle=BUNDLES / "german-credit-boosting", rows=rows, labels=bad.to_numpy(dtype=np.float64))


def _lending(work: Path) -> Built:
    import warnings  # noqa: PLC0415 - needed here only

    from skl2onnx import convert_sklearn  # noqa: PLC0415 - heavy: loaded when used
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415 - heavy: loaded when used

    import xaisvc  # noqa: PLC0415 - heavy: loaded when used

    frame, bad = data.lending_club(work)
    numbers = [name for name in frame.columns if frame[name].dtype == np.float64]
    texts = [name for name in frame.columns if name not in numbers]
    frame[numbers] = frame[numbers].astype("float32")
    train_x, test_x, train_y, test_y = train_test_split(frame, bad, test_size=0.5, random_state=SEED, stratify=bad)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", encoder, texts)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future
        model = make_pipeline(columns, _boosting()).fit(train_x, train_y)
        types = [
            (name, FloatTensorType([None, 1]) if name in numbers else StringTensorType([None, 1]))
            for name in frame.columns
        ]
        graph = convert_sklearn(
            model, name="lending", initial_types=types, target_opset=OPSETS, options={"zipmap": False}
        )
    folder = work / "lending"
    background = train_x.sample(min(N_BACKGROUND, len(train_x)), random_state=SEED)
    xaisvc.create_bundle(model=graph.SerializeToString(), background=background, path=folder, overwrite=True)
    return Built(bundle=folder, rows=test_x.reset_index(drop=True), labels=test_y.to_numpy(dtype=np.float64))


def _trained(
    work: Path,
    *,
    name: str,
    read: Callable[[Path], tuple[pd.DataFrame, pd.Series]],
    estimator: Callable[[], Any],
    regression: bool = False,
) -> Built:
    import warnings  # noqa: PLC0415 - needed here only

    from skl2onnx import convert_sklearn  # noqa: PLC0415 - heavy: loaded when used
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - heavy: loaded when used

    import xaisvc  # noqa: PLC0415 - heavy: loaded when used

    frame, target = read(work)
    train_x, test_x, train_y, test_y = train_test_split(
        frame, target, test_size=0.5, random_state=SEED, stratify=None if regression else target
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future, and networks about convergence
        model = estimator().fit(train_x.to_numpy(), train_y.to_numpy())
        types = [("x", FloatTensorType([None, frame.shape[1]]))]
        options = None if regression else {"zipmap": False}
        # a name of its own choice would be another in each run, and with it the digest and every seed
        graph = convert_sklearn(model, name=name, initial_types=types, target_opset=OPSETS, options=options)
    folder = work / name
    background = train_x.sample(min(N_BACKGROUND, len(train_x)), random_state=SEED)
    xaisvc.create_bundle(model=graph.SerializeToString(), background=background, path=folder, overwrite=True)
    return Built(bundle=folder, rows=test_x.reset_index(drop=True), labels=test_y.to_numpy(dtype=np.float64))


def _boosting() -> Any:  # noqa: ANN401 - untyped library
    from sklearn.ensemble import GradientBoostingClassifier  # noqa: PLC0415 - heavy: loaded when used

    return GradientBoostingClassifier(n_estimators=80, max_depth=3, random_state=SEED)


def _boosted_number() -> Any:  # noqa: ANN401 - untyped library
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used

    return GradientBoostingRegressor(n_estimators=80, max_depth=3, learning_rate=0.05, random_state=SEED)


def _network() -> Any:  # noqa: ANN401 - untyped library
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - heavy: loaded when used

    return make_pipeline(StandardScaler(), MLPClassifier((32, 32), max_iter=200, random_state=SEED))


_CASES: Final = (
    Case(id="polynomial", title="polynomial of 12 columns, closed form", build=_polynomial),
    Case(id="german", title="German credit, boosting, 16 features", build=_german),
    Case(id="lending", title="Lending Club, boosting, 20 features", build=_lending),
    Case(
        id="credit_cards",
        title="UCI credit cards, boosting, 4 features",
        build=partial(_trained, name="credit_cards", read=data.credit_cards, estimator=_boosting),
    ),
    Case(
        id="phishing",
        title="UCI phishing, network, 9 features",
        build=partial(_trained, name="phishing", read=data.phishing, estimator=_network),
    ),
    Case(
        id="breast_cancer",
        title="breast cancer, network, 30 features",
        build=partial(_trained, name="breast_cancer", read=data.breast_cancer, estimator=_network),
    ),
    Case(
        id="diabetes",
        title="diabetes, boosted regression, 10 features",
        build=partial(_trained, name="diabetes", read=data.diabetes, estimator=_boosted_number, regression=True),
    ),
)

CASES: Final[Mapping[str, Case]] = MappingProxyType({case.id: case for case in _CASES})
"""Every case by its id."""
