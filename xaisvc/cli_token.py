"""`xaisvc token`: who may call the service, and what they may ask for."""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from xaisvc.config import Settings
    from xaisvc.rights import Token, TokenFile

token_app = typer.Typer(help="Make, list and revoke tokens of callers.", no_args_is_help=True, rich_markup_mode=None)

ALL = "*"
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([dh])", re.ASCII)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file of settings, as for `xaisvc serve`.")]
DataOption = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="The service's data folder, as for `xaisvc serve`.")
]


@token_app.command("create")
def create(  # noqa: PLR0913 - one parameter per option
    name: Annotated[str, typer.Option("--name", help="Who it is for; records keep it.")],
    *,
    bundle: Annotated[
        list[str] | None, typer.Option("--bundle", help="Bundle that exists for the bearer; may repeat; '*' for all.")
    ] = None,
    audience: Annotated[
        list[str] | None, typer.Option("--audience", help="Audience whose views it covers; may repeat; '*' for all.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Method it covers beside auto; may repeat; '*' for all."),
    ] = None,
    rows_per_minute: Annotated[
        int | None, typer.Option("--rows-per-minute", help="Most rows explained in a minute; no bound by default.")
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="How long it is valid: days or hours, 90d or 12h.")] = "90d",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose cached answers and records the bearer shares.")] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="New file that it is written to (mode 0600), not printed."),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataOption = None,
) -> None:
    """Make a token and print it, this once, alone on standard output, or write it to a file of its own.

    The audience data_scientist covers raw attributions and all features; without it the bearer gets views only. From
    the first token on, the service answers only callers who bear one:

        xaisvc token create --name advice-desk --bundle credit --audience customer --out advice-desk.token

    Run it as the user that runs the service: what the service needs of the token is kept in the data folder, which that
    user alone can read. The file is for you alone (mode 0600); hand it to the user that its bearer runs as:

        sudo install -m 0400 -o advice advice-desk.token /etc/advice/xaisvc.token
    """
    from xaisvc.rights import Grant  # noqa: PLC0415 - loaded when used

    settings = _settings(config, data_dir)
    grant = Grant(
        name=name,
        tenant=tenant,
        bundles=_scope("--bundle", bundle),
        audiences=_scope("--audience", audience),
        methods=_scope("--method", method or []),
        rows_per_minute=rows_per_minute,
        valid_for=_period(expires),
    )
    grant.check()
    _check_known(grant.audiences, grant.methods, settings)
    with _private_file(out) as file:
        token, text = _file(settings).create(grant, now=datetime.now(UTC), randomness=secrets.token_bytes)
        typer.echo(text, file=file)
    where = "It is shown this once and kept nowhere" if out is None else f"It is in '{out}' and nowhere else"
    typer.echo(
        f"Made token {token.id} for '{token.name}', valid until {token.expires.isoformat()}. {where}. "
        f"Running services take it within a second; to end it: xaisvc token revoke {token.id}",
        err=True,
    )


@token_app.command("list")
def list_tokens(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    data_dir: DataOption = None,
) -> None:
    """Show the tokens with what they cover; never their secrets."""
    from xaisvc.rights import public_fields  # noqa: PLC0415 - loaded when used

    tokens = _file(_settings(config, data_dir)).read()
    now = datetime.now(UTC)
    if as_json:
        shown = [{**public_fields(token), "state": token.state(now)} for token in tokens or ()]
        typer.echo(json.dumps(shown, indent=2))
    elif tokens:
        _print_table(tokens, now)
    elif tokens is None:
        typer.echo("There are no tokens: the service answers everybody on its own machine, and nobody else.", err=True)
    else:
        typer.echo("The file of tokens is empty: the service answers nobody.", err=True)


@token_app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `xaisvc token list` shows it.")],
    *,
    config: ConfigOption = None,
    data_dir: DataOption = None,
) -> None:
    """End a token. Running services refuse it within a second."""
    if token_id.startswith("xai_"):  # never repeated: it may be a whole token
        raise InvalidRequestError.of(
            "ID", "give the id alone, the 16 characters between the two first '_' of the token"
        )
    token = _file(_settings(config, data_dir)).revoke(token_id, now=datetime.now(UTC))
    when = token.revoked.isoformat() if token.revoked else ""
    typer.echo(f"Token {token.id} of '{token.name}' is revoked since {when}.", err=True)


@contextmanager
def _private_file(path: Path | None) -> Iterator[IO[str] | None]:
    """A new file that its owner alone can read, taken away again if the block fails; None for standard output.

    Raises:
        InvalidRequestError: If there is such a file, or it cannot be made.
    """
    if path is None:
        yield None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InvalidRequestError.of(
            "--out", f"'{path}' is there already; name a new file, as others might read that one"
        ) from None
    except OSError as error:
        raise InvalidRequestError.of("--out", f"'{path}' cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _settings(config: Path | None, data_dir: Path | None) -> Settings:
    from xaisvc.config import load_settings  # noqa: PLC0415 - loaded when used

    return load_settings(config, {} if data_dir is None else {"data_dir": data_dir})


def _file(settings: Settings) -> TokenFile:
    from xaisvc.rights import TOKENS_FILE, TokenFile  # noqa: PLC0415 - loaded when used

    return TokenFile(settings.data_dir / TOKENS_FILE)


def _scope(option: str, names: Sequence[str] | None) -> frozenset[str] | None:
    """The names of a scope, None for all of them."""
    if names is None:
        raise InvalidRequestError.of(
            option, f"is missing: name each that the token covers, or give {option} '{ALL}' for all of them"
        )
    if ALL not in names:
        return frozenset(names)
    if len(names) > 1:
        raise InvalidRequestError.of(option, f"'{ALL}' covers all already; leave the other names out")
    return None


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise InvalidRequestError.of("--expires", f"{text[:20]!r} is no time; write days or hours, such as 90d or 12h")
    return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


def _check_known(audiences: Collection[str] | None, methods: Collection[str] | None, settings: Settings) -> None:
    """Refuses names that nothing here has, because a misspelt right would be noticed by its bearer only."""
    if audiences:
        from xaisvc.engine.viewing import audiences as known_audiences  # noqa: PLC0415 - heavy: loaded when used

        _check_among("--audience", audiences, list(known_audiences(settings.audiences_dir)))
    if methods:
        from xaisvc.attribution import METHODS  # noqa: PLC0415 - heavy: loaded when used

        _check_among("--method", methods, ["auto", *METHODS])


def _check_among(option: str, names: Collection[str], known: Sequence[str]) -> None:
    for name in sorted(names):
        if name not in known:
            raise InvalidRequestError.of(option, f"there is no {name!r} here; use some of: {', '.join(known)}")


def _print_table(tokens: Sequence[Token], now: datetime) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415 - heavy: loaded when used
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used
    from rich.table import Table  # noqa: PLC0415 - heavy: loaded when used
    from rich.text import Text  # noqa: PLC0415 - heavy: loaded when used

    table = Table(box=SIMPLE)
    for heading in ("id", "name", "tenant", "bundles", "audiences", "methods", "rows/min", "expires", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"id", "expires", "state"})
    for token in tokens:
        table.add_row(
            token.id,
            Text(token.name),
            Text(token.tenant),
            Text(_names(token.bundles)),
            Text(_names(token.audiences)),
            Text(_names(None if token.methods is None else {"auto", *token.methods})),
            "" if token.rows_per_minute is None else f"{token.rows_per_minute:,}",
            token.expires.strftime("%Y-%m-%d %H:%M"),
            token.state(now),
        )
    width = None if typer.get_text_stream("stdout").isatty() else 160
    Console(highlight=False, width=width).print(table)


def _names(names: Collection[str] | None) -> str:
    return ALL if names is None else ", ".join(sorted(names))
