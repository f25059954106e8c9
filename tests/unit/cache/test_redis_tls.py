"""TLS to a real Redis, with certificates made for the test."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.cache.conftest import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xaisvc.cache import RedisCache

pytestmark = pytest.mark.redis

ONE = bytes([1]) * 32


def _openssl(folder: Path, *words: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl on this machine to make certificates with")
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)  # noqa: S603  our own words


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with an authority `ca`, certificates `server` (of 127.0.0.1) and `client`, and a stranger's `rogue`."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "rogue"):
        _openssl(
            tmp_path, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"
        )
    for name in ("server", "client"):
        _openssl(tmp_path, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1")
        ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
        _openssl(tmp_path, "x509", "-req", "-in", f"{name}.csr", *ca, "-out", f"{name}.pem")
    return tmp_path


@pytest.fixture
def port(start_redis: Callable[..., int], certificates: Path) -> int:
    """Port of a Redis that wants certificates of its clients."""
    words = ["--port", "0", "--tls-port", "{port}", "--tls-ca-cert-file", str(certificates / "ca.pem")]
    words += ["--tls-cert-file", str(certificates / "server.pem"), "--tls-key-file", str(certificates / "server.key")]
    return start_redis(*words)


def serves(cache: RedisCache) -> bool:
    cache.put_many({ONE: b"one"})
    assert cache.flush(WAIT_S)
    return cache.get_many([ONE]) == (b"one",)


def test_tls_on_both_sides(port: int, certificates: Path, open_redis: Callable[..., RedisCache]) -> None:
    cache = open_redis(
        f"rediss://127.0.0.1:{port}",
        ca_file=certificates / "ca.pem",
        cert_file=certificates / "client.pem",
        key_file=certificates / "client.key",
    )

    assert serves(cache)
    assert serves(cache)
    assert cache.counts().failures == 0


def test_a_server_that_nobody_vouches_for_is_a_miss(
    port: int, certificates: Path, open_redis: Callable[..., RedisCache]
) -> None:
    for ca_file in (certificates / "rogue.pem", None):
        cache = open_redis(
            f"rediss://127.0.0.1:{port}",
            ca_file=ca_file,
            cert_file=certificates / "client.pem",
            key_file=certificates / "client.key",
        )
        assert not serves(cache)


def test_a_server_of_another_name_is_a_miss(
    port: int, certificates: Path, open_redis: Callable[..., RedisCache]
) -> None:
    cache = open_redis(
        f"rediss://localhost:{port}",
        ca_file=certificates / "ca.pem",
        cert_file=certificates / "client.pem",
        key_file=certificates / "client.key",
    )

    assert not serves(cache)


def test_without_our_certificate_or_without_tls_it_is_a_miss(
    port: int, certificates: Path, open_redis: Callable[..., RedisCache]
) -> None:
    assert not serves(open_redis(f"rediss://127.0.0.1:{port}", ca_file=certificates / "ca.pem"))
    assert not serves(open_redis(f"redis://127.0.0.1:{port}"))
