"""The settings of the service: flags, then XAISVC_* variables, then a TOML file, then the defaults below.

A name that is not known is refused wherever it stands, because a misspelt limit would otherwise not limit anything.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args, get_type_hints

from xaisvc.errors import FieldViolation, InvalidInputError

PREFIX = "XAISVC_"
CONFIG_VARIABLE = "XAISVC_CONFIG"
_OTHERS = frozenset({"XAISVC_CACHE_DIR"})  # of the library rather than the service: where plans are kept

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set about a service.

    Attributes:
        models: Folders, each a bundle or a folder of bundles.
        audiences_dir: Folder of audiences; None for those that come with xaisvc.
        host: Address to listen on. Anything but a loopback address is open to whoever can reach it.
        port: Port to listen on; 0 lets the system choose.
        port_file: File to write the bound port to once the service answers; None for none.
        data_dir: Folder of the records; made if it is missing.
        reload_seconds: How often the folders of bundles are looked at for new versions; 0 to look only on SIGHUP.
        processes: Server processes that share the port. Each loads every bundle, and each has `max_in_flight`,
            `max_waiting` and `cache_bytes` for itself; a token's rows a minute and the CPUs are divided among them.
        device: What models run on: `auto`, `cpu` or `cuda`. `cuda` never falls back.
        threads: Threads inside one call of a model; 1 keeps the outputs of trees equal for every batch size.
        memory_limit_bytes: Largest GPU memory arena; 0 for no limit.
        deterministic: Whether models run with kernels that give the same bits for the same input.
        workers: Batches that one process computes at the same time; 0 for its part of the CPUs.
        max_in_flight: Most calls in progress at the same time; those above are refused at once.
        stalled_seconds: Longest time that the reader of a stream may not take the next batch; then the stream is ended
            and its place given to others. It can be taken up again by row. 0 waits as long as the caller's deadline.
        max_waiting: Most requests that wait to be computed.
        max_waiting_seconds: Longest time that a request may be expected to wait; those that would are refused at once.
        max_rows: Most rows in one request.
        max_stream_rows: Most rows in one request that is answered as a stream.
        max_views: Most views in one request, rows times audiences times formats.
        max_model_rows: Most model rows that one request may cost: rows times coalitions times background rows.
        max_stream_model_rows: The same for a request that is answered as a stream.
        max_seconds: Most seconds in one request that names deadlines, rows times seconds per row.
        max_message_bytes: Largest request that is read and largest answer that is sent.
        cache: Where answers are kept: `memory:`, `sqlite:` for a file in data_dir, or the address of a Redis such as
            `rediss://HOST:PORT/DB`.
        cache_ttl_seconds: Seconds after which a kept answer is no longer used.
        cache_bytes: Most that kept answers may take in memory.
        cache_file_bytes: Most that kept answers may take in the file.
        cache_secret: File of at least 32 random bytes that authenticate kept answers; one is made in data_dir for None.
            Processes that share a Redis share it.
        cache_username: User of the Redis access list; better in the environment than in a file.
        cache_password: Its password; better in the environment than in a file.
        cache_ca: Certificates (PEM) that the Redis certificate must descend from; None for those of the system.
        cache_certificate: The service's own certificate (PEM), for a Redis that asks for one; None for none.
        cache_certificate_key: Its private key (PEM); None if it stands in the same file.
        cache_timeout_seconds: Seconds that one call of a Redis may take; whatever takes longer is computed instead.
        master_key: The 32-byte key, in hexadecimal or base64, under which the contents of records are encrypted per
            subject; better in the environment or in `master_key_file` than here. Empty for records in plain text.
        master_key_file: File of that key.
        retention_months: Months after which the content of a record is removed; 0 to keep it.
        retention: Months for single models, for example `credit=60,fraud=25`.
        require_tokens: Whether the service refuses to start without tokens, also on a loopback address.
        tls_certificate: Certificate of the service (PEM); None for no TLS.
        tls_key: Its private key (PEM).
        tls_client_ca: Certificates (PEM) that a client's certificate must descend from; None for no mutual TLS.
        metrics_port: Port for Prometheus, which asks for `/metrics`; 0 for none. Process i has the port `metrics_port`
            + i.
        metrics_host: Address of that port. It asks nobody for a token.
        otlp_endpoint: Collector that traces are sent to by OTLP over gRPC, `http://HOST:PORT`, or `https://HOST:PORT`
            for TLS; empty for none. Needs the extra `traces`.
        reflection: Whether clients such as grpcurl may ask for the protocol.
        grace_seconds: How long a shutdown waits for requests that are being answered.
        log_format: `json`, `console`, or `auto` for console on a terminal and JSON elsewhere.
        log_level: `debug`, `info`, `warning` or `error`. `debug` may log values of rows when something fails.
    """

    models: tuple[Path, ...] = ()
    audiences_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    port_file: Path | None = None
    data_dir: Path = Path("xaisvc-data")
    reload_seconds: float = 0.0
    processes: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1
    memory_limit_bytes: int = 0
    deterministic: bool = True
    workers: int = 0
    max_in_flight: int = 256
    stalled_seconds: float = 120.0
    max_waiting: int = 512
    max_waiting_seconds: float = 30.0
    max_rows: int = 1000
    max_stream_rows: int = 100_000
    max_views: int = 1000
    max_model_rows: int = 250_000_000
    max_stream_model_rows: int = 10_000_000_000
    max_seconds: float = 300.0
    max_message_bytes: int = 16 * _MIB
    cache: str = "sqlite:"
    cache_ttl_seconds: float = 86_400.0
    cache_bytes: int = 64 * _MIB
    cache_file_bytes: int = 512 * _MIB
    cache_secret: Path | None = None
    cache_username: str = ""
    cache_password: str = field(default="", repr=False)
    cache_ca: Path | None = None
    cache_certificate: Path | None = None
    cache_certificate_key: Path | None = None
    cache_timeout_seconds: float = 0.025
    master_key: str = field(default="", repr=False)
    master_key_file: Path | None = None
    retention_months: int = 25
    retention: Mapping[str, int] = field(default_factory=dict)
    require_tokens: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    otlp_endpoint: str = ""
    reflection: bool = False
    grace_seconds: float = 10.0
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


_SMALLEST: Mapping[str, float] = {
    "port": 0,
    "reload_seconds": 0,
    "processes": 1,
    "metrics_port": 0,
    "threads": 1,
    "memory_limit_bytes": 0,
    "workers": 0,
    "max_in_flight": 1,
    "stalled_seconds": 0,
    "max_waiting": 1,
    "max_waiting_seconds": 0,
    "max_rows": 1,
    "max_stream_rows": 1,
    "max_views": 0,
    "max_model_rows": 1,
    "max_stream_model_rows": 1,
    "max_seconds": 0,
    "max_message_bytes": 1024,
    "cache_ttl_seconds": 1,
    "cache_bytes": 1024,
    "cache_file_bytes": 65536,
    "cache_timeout_seconds": 0.001,
    "retention_months": 0,
    "grace_seconds": 0,
}
_LARGEST: Mapping[str, float] = {
    "port": 65535,
    "reload_seconds": 86400,
    "processes": 64,
    "metrics_port": 65535 - 63,
    "threads": 1024,
    "workers": 1024,
    "max_in_flight": 4096,
    "stalled_seconds": 86400,
    "cache_timeout_seconds": 1,
    "retention_months": 1200,
    "max_message_bytes": 1024 * _MIB,  # gRPC itself takes no more than 2 GiB
    "grace_seconds": 86400,
}
_TRUTH_VALUES: Mapping[str, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def load_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Puts the settings together.

    Args:
        config: TOML file; by default the one that XAISVC_CONFIG names, or none. Paths in it are relative to its folder.
        flags: Name to value, for the flags that were given.
        environment: Environment variables; those of the process by default. XAISVC_MODELS separates folders by `:`.

    Raises:
        InvalidInputError: If a name is not known or a value does not fit; names the source, the setting and the remedy.
    """
    variables = {
        name: value
        for name, value in (os.environ if environment is None else environment).items()
        if name.startswith(PREFIX) and name not in _OTHERS
    }
    named = variables.pop(CONFIG_VARIABLE, "")
    path = config or (Path(named) if named else None)
    chosen: dict[str, object] = {}
    if path is not None:
        for name, value in _read_file(path).items():
            _check_name(name, name, str(path))
            chosen[name] = _relative(_parse(name, value, f"{path}: {name}"), path.parent)
    for variable, text in variables.items():
        name = variable.removeprefix(PREFIX).lower()
        _check_name(name, variable, "environment", PREFIX)
        chosen[name] = _parse(name, _from_text(name, text, variable), variable)
    for name, value in (flags or {}).items():
        flag = "--" + name.replace("_", "-")
        _check_name(name, flag, "flags")
        chosen[name] = _parse(name, value, flag)
    return Settings(**chosen)  # type: ignore[arg-type] # every value was checked against its field by _parse


def settings_values(settings: Settings) -> dict[str, object]:
    """Settings as flags: what `load_settings` makes the same settings of, in values that JSON has."""
    found: dict[str, object] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value is None:
            continue
        if isinstance(value, Path):
            value = str(value)
        found[each.name] = [str(path) for path in value] if isinstance(value, tuple) else value
    return found


def _read_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refused(str(path), f"the settings file cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(str(path), f"the settings file is no TOML: {error}") from error


def _check_name(name: str, written: str, source: str, prefix: str = "") -> None:
    known = [field.name for field in fields(Settings)]
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean {prefix}{close[0].upper() if prefix else close[0]}?" if close else f"known: {', '.join(known)}"
    )
    raise _refused(written, f"there is no such setting ({source}); {hint}", "UNKNOWN_SETTING")


def _from_text(name: str, text: str, variable: str) -> object:
    """The value that the text of an environment variable stands for."""
    hint = _hints()[name]
    try:
        if hint is int:
            return int(text)
        if hint is float:
            return float(text)
        if hint is bool:
            return _TRUTH_VALUES[text.lower()]
    except (ValueError, KeyError):
        kind = {int: "a whole number", float: "a number", bool: "true or false"}[hint]
        raise _refused(variable, f"'{text}' is not {kind}") from None
    return [part for part in text.split(os.pathsep) if part] if name == "models" else text


def _parse(name: str, value: object, written: str) -> object:
    """The value as its field's type, or an error."""
    hint = _hints()[name]
    if hint == tuple[Path, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, Path)) for part in value):
            raise _refused(written, "must be a list of folders")
        return tuple(Path(part) for part in value)
    if hint in (Path, Path | None):
        if not isinstance(value, (str, Path)) or not str(value):
            raise _refused(written, "must be a path")
        return Path(value)
    if hint == Mapping[str, int]:
        return _parse_months(value, written)
    if hint in (int, float):
        return _parse_number(name, value, written, whole=hint is int)
    if hint in (bool, str):
        if not isinstance(value, hint):
            raise _refused(written, "must be true or false" if hint is bool else "must be a text")
        return value
    choices = get_args(hint)
    if value not in choices:
        raise _refused(written, f"'{value}' is not one of {', '.join(choices)}")
    return value


def _parse_months(value: object, written: str) -> Mapping[str, int]:
    """Months by name, from a table or from a text such as `credit=60,fraud=25`."""
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair]
        value = {name.strip(): int(months) if months.strip().isdecimal() else months for name, _, months in pairs}
    if not isinstance(value, dict) or not all(
        isinstance(months, int) and not isinstance(months, bool) and 0 <= months <= _LARGEST["retention_months"]
        for months in value.values()
    ):
        raise _refused(written, "must name models with whole numbers of months, for example credit=60,fraud=25")
    return value


def _parse_number(name: str, value: object, written: str, *, whole: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise _refused(written, "must be a whole number" if whole else "must be a number")
    low, high = _SMALLEST[name], _LARGEST.get(name, float("inf"))
    if not low <= value <= high:
        bound = f"from {low} to {high}" if name in _LARGEST else f"at least {low}"
        raise _refused(written, f"{value} does not fit; it must be {bound}")
    return value if whole else float(value)


def _hints() -> dict[str, type]:
    return get_type_hints(Settings)


def _relative(value: object, folder: Path) -> object:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(folder / part for part in value)
    return value


def _refused(written: str, text: str, reason: str = "INVALID_SETTING") -> InvalidInputError:
    return InvalidInputError(f"{written}: {text}", (FieldViolation(written, reason, text),))
