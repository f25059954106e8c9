"""The compose file: every container is shut in, and names what exists."""

from __future__ import annotations

import json
import re
from dataclasses import fields

from tests.packaging.containers import (
    ROOT,
    compose,
)
from xaisvc.config import PREFIX, Settings


def test_every_container_is_shut_in() -> None:
    for service in compose()["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert isinstance(service["command"], list)  # no shell, so that signals reach the program
        assert service["mem_limit"]
        assert not service.get("privileged")
        assert not service["image"].endswith(":latest")
        assert ":" in service["image"]
    assert compose()["networks"]["cache"] == {"internal": True}
    assert "ports" not in compose()["services"]["redis"]
    assert compose()["services"]["redis"]["user"] == "10002:10002"


def test_compose_names_what_exists() -> None:
    found = compose()
    service = found["services"]["xaisvc"]
    known = {PREFIX + one.name.upper() for one in fields(Settings)} | {"XAISVC_CONFIG"}
    kept = {mount["source"] for mount in service["volumes"] if mount["type"] == "volume"}
    places = {mount["target"] for mount in service["volumes"]}

    assert set(service["environment"]) <= known
    assert places == {"/models", "/data", "/var/cache/xaisvc"}
    assert next(mount for mount in service["volumes"] if mount["target"] == "/models")["read_only"] is True
    assert kept == set(found["volumes"])
    for one in found["services"].values():
        mounted = {f"/run/secrets/{name}" for name in one["secrets"]}
        named = re.findall(r"/run/secrets/[\w.]+", json.dumps([one["command"], one.get("environment")]))
        assert set(named) == mounted
        assert set(one["networks"]) <= set(found["networks"])
    for name in ("compose.yaml", "compose.gpu.yaml"):
        assert (ROOT / compose(name)["services"]["xaisvc"]["build"]["dockerfile"]).is_file()
