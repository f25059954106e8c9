"""What is set about the cache reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xaisvc.cache import CacheOptions, open_cache
from xaisvc.config import load_settings
from xaisvc.errors import InvalidInputError
from xaisvc.server.assembly import _cache_options

SECRET = bytes(range(32))


def test_certificate_key_and_time_of_a_redis_can_be_set() -> None:
    environment = {
        "XAISVC_CACHE_CA": "ca.pem",
        "XAISVC_CACHE_CERTIFICATE": "client.pem",
        "XAISVC_CACHE_CERTIFICATE_KEY": "client.key",
        "XAISVC_CACHE_TIMEOUT_SECONDS": "0.005",
    }

    options = _cache_options(load_settings(environment=environment), SECRET)

    assert (options.ca_file, options.cert_file, options.key_file) == (
        Path("ca.pem"),
        Path("client.pem"),
        Path("client.key"),
    )
    assert options.timeout_s == 0.005


def test_unless_set_a_call_may_take_what_the_cache_allows() -> None:
    assert _cache_options(load_settings(environment={}), SECRET).timeout_s == CacheOptions().timeout_s


@pytest.mark.parametrize("seconds", ["0", "60"])
def test_a_time_that_would_be_none_or_hold_requests_up_is_refused(seconds: str) -> None:
    with pytest.raises(InvalidInputError, match=r"XAISVC_CACHE_TIMEOUT_SECONDS: .* must be from 0\.001 to 1"):
        load_settings(environment={"XAISVC_CACHE_TIMEOUT_SECONDS": seconds})


def test_a_certificate_for_a_redis_without_tls_is_refused() -> None:
    settings = load_settings(environment={"XAISVC_CACHE_CERTIFICATE": "client.pem"})
    with pytest.raises(InvalidInputError, match="the address speaks no TLS; begin it with rediss://"):
        open_cache("redis://127.0.0.1", _cache_options(settings, SECRET))
