"""Runs the demonstration: starts the service, asks it over gRPC, writes the pages, and says what to try next."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xaisvc.demo.advice import next_steps
from xaisvc.demo.cases import (
    BUNDLES,
    CARD_MODEL,
    CARDS,
    COMPARED_CASE,
    CREDIT,
    MAIN_MODEL,
    OTHER_MODEL,
    Case,
    UseCase,
    load_cases,
    load_payments,
)
from xaisvc.demo.page import Answer, CaseAnswers, ViewLink, render_index
from xaisvc.demo.reviews import AUDIENCE as REVIEWER
from xaisvc.demo.reviews import make_reviews, review_page
from xaisvc.demo.service import running_service
from xaisvc.errors import InvalidRequestError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xaisvc.client import Client, RowReply
    from xaisvc.demo.page import ReviewPages
    from xaisvc.demo.service import RunningService
    from xaisvc.engine.commands import AudienceInfo, ModelInfo

SUFFIXES: Final = {"html": "html", "text": "txt"}
CALL_TIMEOUT_S: Final = 120.0


def run_demo(out: Path, *, serve: bool = False, echo: Callable[[str], None]) -> int:
    """Explains the cases to the audiences that they concern, and writes the pages.

    Args:
        out: Folder to write; made if it is missing. Files of an earlier run are replaced.
        serve: Whether to leave the service running until Ctrl-C.
        echo: Prints one line.

    Returns:
        The exit code, 0.

    Raises:
        InvalidRequestError: If the folder cannot be written.
        RuntimeUnavailableError: If the service does not start.
        ServiceError: If it stops answering.
    """
    cases, payments = load_cases(), load_payments()
    try:
        _prepare(out, cases, payments)
        echo("Starting the service with two credit models and one for card payments ...")
        with _ended_like_ctrl_c(), running_service(out / "models", out) as service:
            began_s = time.monotonic()
            groups = _explain_all(service, cases, payments, out)
            reviews = _review(service, out)
            steps = next_steps(out, service.address if serve else None)
            index = _write_index(groups, reviews, steps, out)
            views = sum(not view.many for group in groups for answer in group.answers for view in answer.views)
            took_s = time.monotonic() - began_s
            echo(f"Explained {len(cases)} applicants and {len(payments)} payments in {views} views, and reviewed")
            echo(f"{len(reviews)} models over some hundred decisions each, in {took_s:.1f} s")
            echo(f"\nOpen this page:\n  {index.resolve().as_uri()}\n\n{steps}")
            if serve:
                _serve_on(service, echo)
    except OSError as error:
        if error.filename is None:
            raise
        raise InvalidRequestError.of(
            "--out", f"'{error.filename}' cannot be written ({error.strerror}); name another folder"
        ) from None
    return 0


def _prepare(out: Path, cases: Sequence[Case], payments: Sequence[Case]) -> None:
    """Copies the bundles and writes the files that the next steps use.

    The bundles are copied because installers may link a package's files into their cache, and bundles refuse links; and
    because a copy can be played with.
    """
    for name in (MAIN_MODEL, OTHER_MODEL, CARD_MODEL):
        shutil.copytree(BUNDLES / name, out / "models" / name, copy_function=shutil.copyfile, dirs_exist_ok=True)
    _write_json(out / "applicants.json", [case.row for case in cases])
    _write_json(out / "payments.json", [case.row for case in payments])
    values = {name: _wire_value(value) for name, value in cases[0].row.items()}
    request = {"model": MAIN_MODEL, "audiences": ["customer"], "formats": ["text"], "rows": [{"values": values}]}
    _write_json(out / "request.json", request)


def _explain_all(
    service: RunningService, cases: Sequence[Case], payments: Sequence[Case], out: Path
) -> tuple[CaseAnswers, ...]:
    """Asks for every case, and for the compared one asks both credit models."""
    from xaisvc.client import Client  # noqa: PLC0415 - heavy: loaded when used

    with Client(service.address, timeout_s=CALL_TIMEOUT_S) as client:
        found = {audience.id: audience for audience in client.list_audiences()}
        answers = _explain(client, CREDIT, MAIN_MODEL, cases, found, out)
        twice = [case for case in cases if case.id == COMPARED_CASE]
        compared = _explain(client, CREDIT, OTHER_MODEL, twice, found, out)
        alerts = _explain(client, CARDS, CARD_MODEL, payments, found, out)
    return (
        *(
            CaseAnswers(use=CREDIT, case=case, answers=(answer, *compared) if case in twice else (answer,))
            for case, answer in zip(cases, answers, strict=True)
        ),
        *(CaseAnswers(use=CARDS, case=case, answers=(answer,)) for case, answer in zip(payments, alerts, strict=True)),
    )


def _explain(  # noqa: PLR0913, PLR0917 - whom to ask what, for whom, and where it goes
    client: Client, use: UseCase, model: str, cases: Sequence[Case], known: Mapping[str, AudienceInfo], out: Path
) -> tuple[Answer, ...]:
    info = client.get_model(model)
    audiences = [known[name] for name in use.audiences if name in known]
    of_one_case = [audience for audience in audiences if audience.id != REVIEWER]
    reply = client.explain(
        model,
        [case.row for case in cases],
        audiences=[audience.id for audience in of_one_case],
        formats=list(SUFFIXES),
    )
    folders = [Path(case.id) if model == use.model else Path(case.id) / model for case in cases]
    answers = tuple(
        _write_case(client, info, folder, row, of_one_case, out) for folder, row in zip(folders, reply, strict=True)
    )
    return tuple(_with_review(answer, use, audiences) for answer in answers) if model == use.model else answers


def _with_review(answer: Answer, use: UseCase, audiences: Sequence[AudienceInfo]) -> Answer:
    """With the page about many decisions for the reader who is told nothing of a single one."""
    views = list(answer.views)
    for place, audience in enumerate(audiences):
        if audience.id == REVIEWER:
            link = ViewLink(label=audience.label, purpose=audience.purpose, href=review_page(use), many=True)
            views.insert(place, link)
    return replace(answer, views=tuple(views))


def _write_case(  # noqa: PLR0913, PLR0917 - what was answered, to whom, and where it goes
    client: Client, info: ModelInfo, folder: Path, row: RowReply, audiences: Sequence[AudienceInfo], out: Path
) -> Answer:
    """Writes the record and the views of one case; those of another model go into a folder of its own.

    Whoever is asked for their own judgement first gives one here: their views of before and after are both written.
    """
    from xaisvc.client import Feedback  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.records import encode_record  # noqa: PLC0415 - heavy: loaded when used

    record = row.explained()
    (out / folder).mkdir(parents=True, exist_ok=True)
    _write_json(out / folder / "record.json", json.loads(encode_record(record)))
    links = []
    for audience in audiences:
        asked = row.view(audience.id).status == "judgement_first"
        if asked:
            client.submit_feedback(Feedback(explanation_id=record.id, audience=audience.id, first_judgement="hold"))
        for form, suffix in SUFFIXES.items():
            content = row.view(audience.id, form).content
            if asked:
                (out / folder / f"{audience.id}-before.{suffix}").write_text(content, encoding="utf-8")
                content = client.render_view(record.id, audience.id, form).content
            (out / folder / f"{audience.id}.{suffix}").write_text(content, encoding="utf-8")
        links.append(
            ViewLink(
                label=audience.label,
                purpose=audience.purpose,
                href=(folder / f"{audience.id}.html").as_posix(),
                before=(folder / f"{audience.id}-before.html").as_posix() if asked else "",
                held=row.view(audience.id).status == "held_for_review",
            )
        )
    return Answer(
        description=info.description,
        record=record,
        record_href=(folder / "record.json").as_posix(),
        views=tuple(links),
    )


def _review(service: RunningService, out: Path) -> tuple[ReviewPages, ...]:
    from xaisvc.client import Client  # noqa: PLC0415 - heavy: loaded when used

    with Client(service.address, timeout_s=CALL_TIMEOUT_S) as client:
        return make_reviews(client, out)


def _write_index(groups: tuple[CaseAnswers, ...], reviews: tuple[ReviewPages, ...], steps: str, out: Path) -> Path:
    from xaisvc import __version__  # noqa: PLC0415 - read from the installed package when needed

    index = out / "index.html"
    index.write_text(render_index(groups, version=__version__, next_steps=steps, reviews=reviews), encoding="utf-8")
    return index


def _serve_on(service: RunningService, echo: Callable[[str], None]) -> None:
    """Waits for Ctrl-C, or until somebody stops the service itself.

    Raises:
        ServiceError: If the service fails.
    """
    echo(f"\nThe service listens on {service.address}. Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        if service.process.wait() != 0:
            raise ServiceError(f"the service failed; its log is {service.log}")
    echo("\nStopped the service.")


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Lets a request to end this process (SIGTERM) stop the service first, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wire_value(value: float | str | bool) -> dict[str, float | str | bool]:  # noqa: FBT001 - a value, not a switch
    if isinstance(value, bool):
        return {"boolean": value}
    if isinstance(value, str):
        return {"text": value}
    return {"integer": value} if isinstance(value, int) else {"number": value}


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=dict) + "\n", encoding="utf-8")
