"""ONNX Runtime behind the `Runtime` protocol, on the CPU and on CUDA.

ONNX Runtime falls back to the CPU without raising when CUDA cannot be used, so the device is read from the session
after it was made: an explicit `cuda` that is not there is an error, and `auto` says what it got.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xaisvc.errors import BundleError, ModelOutputError, RuntimeUnavailableError
from xaisvc.runtimes.installation import check_installation
from xaisvc.types import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from xaisvc.types import Device

    Tensor = NDArray[np.generic]

CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
_SILENT = 4  # ONNX Runtime's log level for fatal errors only; failures reach the caller as exceptions
_MAX_REASON_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """How sessions run.

    Attributes:
        threads: Threads inside one call of the model. 1 keeps the outputs of tree ensembles equal for every batch size.
        memory_limit_bytes: Largest GPU memory arena; None for no limit. ONNX Runtime has no such limit on the CPU.
        deterministic: Ask for kernels that give the same bits for the same input.
        io_binding: Bind inputs and outputs to the device instead of letting the session copy them; always on for CUDA.
    """

    threads: int = 1
    memory_limit_bytes: int | None = None
    deterministic: bool = True
    io_binding: bool = False


class OrtRuntime:
    """Loads graphs with ONNX Runtime. Holds settings only, so one instance serves everybody."""

    def __init__(self, settings: RuntimeSettings | None = None) -> None:
        self._settings = settings or RuntimeSettings()

    def load(self, model: bytes, *, device: Device = "auto") -> OrtModel:
        """Loads a serialized ONNX model.

        Args:
            model: The bytes of the `.onnx` file, already checked for safety.
            device: `cpu`, `cuda`, or `auto` for CUDA where it works and the CPU elsewhere.

        Returns:
            The model, its `device` saying what it really runs on.

        Raises:
            RuntimeUnavailableError: If `device` is `cuda` and the session did not get it.
            BundleError: If ONNX Runtime cannot run the graph.
        """
        check_installation()
        import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used

        wants_cuda = device != "cpu" and CUDA_PROVIDER in ort.get_available_providers()
        if device == "cuda" and not wants_cuda:
            msg = (
                "device 'cuda' was asked for, but the installed ONNX Runtime has no CUDA; "
                "install 'xaisvc[gpu]' on a machine with an NVIDIA GPU, or use device 'auto' or 'cpu'"
            )
            raise RuntimeUnavailableError(msg)
        if wants_cuda and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        session = self._session(model, cuda=wants_cuda)
        actual: Literal["cpu", "cuda"] = "cuda" if CUDA_PROVIDER in session.get_providers() else "cpu"
        if device == "cuda" and actual != "cuda":
            msg = (
                "device 'cuda' was asked for, but ONNX Runtime could not start CUDA and fell back to the CPU; "
                "check the NVIDIA driver and that 'xaisvc[gpu]' is installed with its CUDA and cuDNN parts"
            )
            raise RuntimeUnavailableError(msg)
        return OrtModel(session, actual, io_binding=self._settings.io_binding or actual == "cuda")

    def _session(self, model: bytes, *, cuda: bool) -> InferenceSession:
        import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used

        options = ort.SessionOptions()
        options.intra_op_num_threads = self._settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _SILENT
        options.use_deterministic_compute = self._settings.deterministic
        # ONNX Runtime multiplies float32 matrices in TF32 unless told otherwise: 10 bits, not enough to explain with.
        cuda_options: dict[str, object] = {"arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
        if self._settings.memory_limit_bytes is not None:
            cuda_options["gpu_mem_limit"] = self._settings.memory_limit_bytes
        providers = [(CUDA_PROVIDER, cuda_options)] if cuda else []
        try:
            return ort.InferenceSession(model, options, providers=[*providers, (CPU_PROVIDER, {})])
        except Exception as error:  # the binding's exceptions share no base class of their own
            reason = " ".join(str(error).split())[:_MAX_REASON_CHARACTERS]
            raise BundleError(f"ONNX Runtime cannot run this graph: {reason}", file="model.onnx") from error


class OrtModel:
    """A graph in an ONNX Runtime session. Sessions may be called from several threads."""

    def __init__(self, session: InferenceSession, device: Literal["cpu", "cuda"], *, io_binding: bool) -> None:
        self._session = session
        self._device = device
        self._io_binding = io_binding
        self._inputs = tuple(_tensor_info(i.name, i.type, i.shape) for i in session.get_inputs())
        self._outputs = tuple(_tensor_info(o.name, o.type, o.shape) for o in session.get_outputs())
        fixed = {info.shape[0] for info in self._inputs if info.shape and info.shape[0] is not None}
        self._batch_rows = fixed.pop() if len(fixed) == 1 else None

    @property
    def device(self) -> str:
        """What it runs on: `cpu` or `cuda`."""
        return self._device

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs of the graph, in its order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs of the graph, in its order."""
        return self._outputs

    def run(self, feeds: Mapping[str, Tensor], outputs: Sequence[str]) -> dict[str, Tensor]:
        """Runs the graph on n rows; see `LoadedModel.run`.

        A graph with a fixed batch dimension is run in pieces of that size, the last one filled up by repeating its last
        row.
        """
        rows = len(next(iter(feeds.values()))) if feeds else None
        if rows is None or self._batch_rows is None or rows == self._batch_rows:
            return self._run_once(feeds, outputs, rows)
        import numpy as np  # noqa: PLC0415 - heavy: loaded when used

        size = self._batch_rows
        pieces: list[dict[str, Tensor]] = []
        for start in range(0, rows, size):
            index = np.minimum(np.arange(start, start + size), rows - 1)
            pieces.append(self._run_once({name: value[index] for name, value in feeds.items()}, outputs, size))
        return {name: np.concatenate([piece[name] for piece in pieces])[:rows] for name in outputs}

    def _run_once(self, feeds: Mapping[str, Tensor], outputs: Sequence[str], rows: int | None) -> dict[str, Tensor]:
        try:
            bound = self._io_binding and all(value.dtype.kind in "fiub" for value in feeds.values())
            found = self._run_bound(feeds, outputs) if bound else self._run_plain(feeds, outputs)
        except Exception as error:  # the binding's exceptions share no base class of their own
            msg = (
                f"the model failed on a batch of {_rows(rows)}; "
                "run `xaisvc bundle check` on the bundle to see whether its schema fits the graph"
                + (", and whether the graph takes more than one row at a time" if rows and rows > 1 else "")
            )
            raise ModelOutputError(msg) from error
        for name, value in found.items():
            if rows is not None and (value.ndim == 0 or len(value) != rows):
                shape = tuple(value.shape)
                msg = (
                    f"output '{name}' has shape {shape} for {_rows(rows)}; the first "
                    "dimension must be the rows: export the model with a free batch dimension and one answer per row"
                )
                raise ModelOutputError(msg, whatever_rows=True)
        return found

    def _run_plain(self, feeds: Mapping[str, Tensor], outputs: Sequence[str]) -> dict[str, Tensor]:
        values = self._session.run(list(outputs), dict(feeds))
        return dict(zip(outputs, values, strict=True))

    def _run_bound(self, feeds: Mapping[str, Tensor], outputs: Sequence[str]) -> dict[str, Tensor]:
        import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used

        binding = self._session.io_binding()
        for name, value in feeds.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, self._device, 0))
        for name in outputs:
            binding.bind_output(name, self._device)
        self._session.run_with_iobinding(binding)
        return dict(zip(outputs, binding.copy_outputs_to_cpu(), strict=True))


def _rows(count: int | None) -> str:
    return "1 row" if count == 1 else f"{count or 'no'} rows"


def _tensor_info(name: str, type_text: str, shape: Sequence[int | str | None]) -> TensorInfo:
    """Reads ONNX Runtime's own words for a type, such as `tensor(float)` or `seq(map(int64,tensor(float)))`."""
    element = type_text.removeprefix("tensor(").removesuffix(")") if type_text.startswith("tensor(") else "map"
    sizes = tuple(size if isinstance(size, int) else None for size in shape or ())
    return TensorInfo(name=name, element=element, shape=sizes)
