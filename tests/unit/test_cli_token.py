from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from xaisvc.cli_token import token_app
from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.rights import TOKENS_FILE, Rights, TokenFile, TokenWatch, split_token
from xaisvc.types import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

COVERS = ("--name", "desk", "--bundle", "loans", "--audience", "customer")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder that the environment names; it is made when it is needed."""
    folder = tmp_path / "data"
    monkeypatch.setenv("XAISVC_DATA_DIR", str(folder))
    monkeypatch.delenv("XAISVC_CONFIG", raising=False)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(token_app, arguments, catch_exceptions=False)


def caller_of(folder: Path, text: str) -> Caller:
    watch = TokenWatch(
        TokenFile(folder / TOKENS_FILE), clock=lambda: 0.0, on_read=lambda _: None, on_damage=lambda _: None
    )
    return Rights(watch, now=lambda: datetime.now(UTC)).caller(text)


def test_create_prints_the_token_alone_and_it_works(folder: Path) -> None:
    done = run("create", *COVERS, "--rows-per-minute", "600", "--tenant", "retail", "--method", "tree")

    expected = Caller(
        id="desk",
        tenant="retail",
        bundles=frozenset({"loans"}),
        audiences=frozenset({"customer"}),
        methods=frozenset({"tree"}),
        rows_per_minute=600,
    )
    text = done.stdout.removesuffix("\n")
    parts = split_token(text)
    assert parts is not None
    assert caller_of(folder, text) == expected
    assert f"xaisvc token revoke {parts[0]}" in done.stderr
    assert parts[1] not in done.stderr


def test_a_token_can_be_written_to_a_file_that_nobody_else_reads(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "desk.token"
    before = os.umask(0)  # as on a machine that leaves files open to all
    try:
        done = run("create", *COVERS, "--out", str(out))
    finally:
        os.umask(before)

    assert out.stat().st_mode & 0o777 == 0o600
    assert done.stdout == ""
    assert f"It is in '{out}' and nowhere else" in done.stderr
    assert caller_of(folder, out.read_text().removesuffix("\n")).id == "desk"


def test_a_file_that_is_there_is_not_written_to_and_no_token_is_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name, message in (("mine", "is there already"), ("link", "is there already"), ("no/folder", "No such file")):
        with pytest.raises(InvalidRequestError, match=f"--out: .*{message}"):
            run("create", *COVERS, "--out", str(tmp_path / name))

    assert (tmp_path / "mine").read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()
    assert TokenFile(folder / TOKENS_FILE).read() is None


def test_a_token_that_is_not_made_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / TOKENS_FILE).write_text("damaged")
    with pytest.raises(StoreError):
        run("create", *COVERS, "--out", str(tmp_path / "desk.token"))

    assert not (tmp_path / "desk.token").exists()


def test_the_help_leaves_no_token_for_others_to_read() -> None:
    shown = run("create", "--help").stdout

    assert " > " not in shown
    assert "--out advice-desk.token" in shown
    assert "install -m 0400 -o advice" in shown


def test_what_is_not_named_is_not_covered_and_a_star_covers_all(folder: Path) -> None:
    least = caller_of(folder, run("create", *COVERS).stdout.strip())
    most = caller_of(
        folder, run("create", "--name", "lab", "--bundle", "*", "--audience", "*", "--method", "*").stdout.strip()
    )

    assert least.methods == frozenset()
    assert most == Caller(id="lab")


@pytest.mark.parametrize(("expires", "lasts"), [("", timedelta(days=90)), ("12h", timedelta(hours=12))])
def test_a_token_ends_when_told(folder: Path, expires: str, lasts: timedelta) -> None:
    run("create", *COVERS, *(("--expires", expires) if expires else ()))

    (token,) = TokenFile(folder / TOKENS_FILE).read() or ()
    assert token.expires - token.created == lasts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "desk"), "--bundle: is missing: name each that the token covers, or give --bundle '\\*' for all"),
        (("--name", "desk", "--bundle", "a"), "--audience: is missing: name each that the token covers"),
        ((*COVERS, "--bundle", "*"), r"--bundle: '\*' covers all already; leave the other names out"),
        (
            (*COVERS, "--audience", "custommer"),
            "--audience: there is no 'custommer' here; use some of: business_manager",
        ),
        ((*COVERS, "--method", "shap"), "--method: there is no 'shap' here; use some of: auto, "),
        ((*COVERS, "--expires", "10y"), "--expires: '10y' is no time; write days or hours, such as 90d or 12h"),
        ((*COVERS, "--expires", "0d"), "--expires: '0d' is no time"),
        ((*COVERS, "--expires", "3651d"), "expires: must be in the future and at most 3650 days away"),
        ((*COVERS, "--rows-per-minute", "0"), "rows_per_minute: must be from 1"),
        (("--name", "a b", *COVERS[2:]), "name: 'a b' does not fit; use up to 100 letters"),
        ((*COVERS, "--tenant", "a/b"), "tenant: 'a/b' does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_made(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        run("create", *arguments)

    assert not folder.exists()


def test_list_shows_everything_but_secrets(folder: Path) -> None:
    secrets = [split_token(run("create", *COVERS).stdout.strip()), split_token(run("create", *COVERS).stdout.strip())]
    tokens = TokenFile(folder / TOKENS_FILE).read() or ()
    run("revoke", tokens[0].id)

    table, found = run("list"), run("list", "--json")

    listed: list[dict[str, Any]] = json.loads(found.stdout)
    assert [(token["id"], token["state"], token["bundles"]) for token in listed] == [
        (tokens[0].id, "revoked", ["loans"]),
        (tokens[1].id, "active", ["loans"]),
    ]
    assert all(word in table.stdout for word in (tokens[0].id, tokens[1].id, "revoked", "active", "desk", "loans"))
    shown = table.stdout + found.stdout
    assert not [parts for parts in secrets if parts is None or parts[1] in shown]
    assert not [token for token in tokens if token.digest.hex() in shown]


def test_no_tokens_and_an_empty_file_are_not_the_same(folder: Path) -> None:
    none = run("list")
    folder.mkdir()
    (folder / TOKENS_FILE).write_text('{"version": 1, "tokens": []}')
    empty = run("list")

    assert none.stdout == empty.stdout == ""
    assert "answers everybody on its own machine" in none.stderr
    assert "answers nobody" in empty.stderr
    assert run("list", "--json").stdout == "[]\n"


def test_a_revoked_token_is_refused(folder: Path) -> None:
    text = run("create", *COVERS).stdout.strip()
    parts = split_token(text)
    assert parts is not None

    done = run("revoke", parts[0])

    assert "of 'desk' is revoked since" in done.stderr
    with pytest.raises(PermissionError):
        caller_of(folder, text)
    with pytest.raises(NotFoundError, match="no token with this id"):
        run("revoke", "0" * 16)
    with pytest.raises(InvalidRequestError, match="ID: give the id alone") as caught:
        run("revoke", text)
    assert parts[1] not in str(caught.value)


def test_the_settings_of_serve_say_where_the_file_is(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "xaisvc.toml"
    config.write_text('data_dir = "there"\n')

    run("create", *COVERS, "--data-dir", str(tmp_path / "flag"))
    run("create", *COVERS)
    assert (tmp_path / "flag" / TOKENS_FILE).exists()
    assert (folder / TOKENS_FILE).exists()

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XAISVC_DATA_DIR")
        run("create", *COVERS, "--config", str(config))
    assert (tmp_path / "there" / TOKENS_FILE).exists()


def test_a_damaged_file_is_said(folder: Path) -> None:
    folder.mkdir()
    (folder / TOKENS_FILE).write_text("{")

    for arguments in (("list",), ("create", *COVERS), ("revoke", "0" * 16)):
        with pytest.raises(StoreError, match=r"tokens\.json is damaged"):
            run(*arguments)


def test_the_commands_load_nothing_heavy_before_they_are_used() -> None:
    code = "import sys, xaisvc.cli_token; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  own words

    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert not loaded & {"xaisvc.rights", "xaisvc.attribution", "numpy", "grpc", "cryptography", "rich.table"}
