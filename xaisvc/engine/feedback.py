"""What readers made of explanations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xaisvc.engine.permissions import is_of_tenant
from xaisvc.engine.recorded import reader_digest, utc_text
from xaisvc.errors import InvalidRequestError
from xaisvc.records import Event, EventKind, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.engine.commands import Feedback
    from xaisvc.engine.stored import RecordSource, StoredExplanations
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.records import RecordStore
    from xaisvc.types import Caller

VERDICTS = ("agree", "deviate", "not_used")
MAX_CODE_LENGTH = 64
MAX_COMMENT_LENGTH = 4000

_JUDGEMENTS = ("first_judgement", "final_judgement")
_SHORT = ("audience", "reader", "reason_code", "first_judgement", "final_judgement", "outcome")


def check_feedback(feedback: Feedback) -> None:
    """Refuses feedback that says nothing, or too much.

    Raises:
        InvalidRequestError: Names the field.
    """
    if feedback.verdict and feedback.verdict not in VERDICTS:
        raise InvalidRequestError.of("verdict", f"{feedback.verdict!r} is not one of {', '.join(VERDICTS)}")
    for name in _SHORT:
        if len(getattr(feedback, name)) > MAX_CODE_LENGTH:
            raise InvalidRequestError.of(name, f"has more than {MAX_CODE_LENGTH} characters; longer texts are comments")
    if len(feedback.comment) > MAX_COMMENT_LENGTH:
        raise InvalidRequestError.of("comment", f"has more than {MAX_COMMENT_LENGTH} characters; shorten it")
    told = (
        feedback.verdict,
        feedback.comment,
        feedback.first_judgement,
        feedback.final_judgement,
        feedback.outcome,
    )
    if not any(told):
        raise InvalidRequestError.of(
            "verdict", "nothing is said; set a verdict, a judgement, a comment or an outcome", reason="REQUIRED"
        )


def check_reason_code(code: str, known: Sequence[str]) -> None:
    """Refuses a code that nobody has declared: it would be counted beside the one that was meant.

    Args:
        code: The code; empty for none.
        known: The codes that there are.

    Raises:
        InvalidRequestError: Names the field and the codes.
    """
    if not code or code in known:
        return
    told = (
        f"{code!r} is not one of {', '.join(known)}"
        if known
        else "no audience of this model that you may read as declares codes; say it in the comment, or list `codes` in "
        "a section of the audience"
    )
    raise InvalidRequestError.of("reason_code", told, reason="UNKNOWN_REASON_CODE")


def check_judgements(feedback: Feedback, decisions: Sequence[str]) -> None:
    """Refuses a judgement that is none of the decisions that there are: it could open a view that waits for one.

    Args:
        feedback: What a reader made of an explanation.
        decisions: The decisions; empty if any word will do.

    Raises:
        InvalidRequestError: Names the field and the decisions.
    """
    for name in _JUDGEMENTS:
        judgement = getattr(feedback, name)
        if judgement and not judgement.strip():
            raise InvalidRequestError.of(name, "is blank; say what was judged, or leave it out")
        if judgement and decisions and judgement not in decisions:
            told = f"{judgement!r} is not one of {', '.join(decisions)}"
            raise InvalidRequestError.of(name, told, reason="UNKNOWN_DECISION")


def opened_by(source: RecordSource, explanation_id: str, caller: Caller) -> tuple[str, ...]:
    """Audiences that a stored explanation was shown to, for callers of the same tenant, each once.

    Raises:
        StoreError: If the store cannot be read.
    """
    events = source.events(kinds=(EventKind.VIEW,), about=explanation_id, with_parts=False)
    return tuple(
        dict.fromkeys(
            str(event.head.get("audience", ""))
            for event in events
            if is_of_tenant(caller, str(event.head.get("tenant", "")))
        )
    )


def submit(  # noqa: PLR0913 - composed from its parts, all by name
    feedback: Feedback,
    caller: Caller,
    *,
    store: RecordStore,
    stored: StoredExplanations,
    surroundings: Surroundings,
    reason_codes: Callable[[str], Sequence[str]],
    decisions: Callable[[], Sequence[str]],
) -> tuple[str, str]:
    """Stores feedback durably.

    Args:
        feedback: What a reader made of an explanation.
        caller: Who sends it.
        store: Where it is written.
        stored: Where the explanation is looked up.
        surroundings: Clocks and identifiers.
        reason_codes: Bundle to the codes of reasons that this feedback can give.
        decisions: The decisions that its judgements can name; none if any word will do.

    Returns:
        Id and time of the entry.

    Raises:
        InvalidRequestError: If it says nothing, or too much, or names a reason or a decision that there is not.
        NotFoundError: If there is no such explanation for this caller.
        StoreError: If it could not be stored.
    """
    check_feedback(feedback)
    bundle = stored.bundle_of(feedback.explanation_id, caller)
    if feedback.reason_code:
        check_reason_code(feedback.reason_code, reason_codes(bundle))
    if feedback.first_judgement or feedback.final_judgement:
        check_judgements(feedback, decisions())
    entry_id, at = surroundings.new_id(), utc_text(surroundings.now())
    comment = json.dumps({"comment": feedback.comment}, ensure_ascii=False).encode()
    store.append(
        Event(
            id=entry_id,
            kind=EventKind.FEEDBACK,
            at=at,
            bundle=bundle,
            caller=caller.id,
            about=feedback.explanation_id,
            head={
                "tenant": caller.tenant,
                "audience": feedback.audience,
                "reader": reader_digest(feedback.reader, caller),
                "verdict": feedback.verdict,
                "reason_code": feedback.reason_code,
                "first_judgement": feedback.first_judgement,
                "final_judgement": feedback.final_judgement,
                "outcome": feedback.outcome,
            },
            # The explanation is its subject: whoever erases a person erases what was said about their explanations too.
            parts=[Part(content=comment, subject=feedback.explanation_id)] if feedback.comment else (),
        )
    ).result()
    return entry_id, at


def is_judged(source: RecordSource, explanation_id: str, *, audience: str, reader: str, caller: Caller) -> bool:
    """Whether a first judgement of an explanation is stored.

    Args:
        source: Where records are read.
        explanation_id: Id of the explanation.
        audience: Whose judgement: feedback that names another audience does not count.
        reader: Pseudonym of the reader, whose own judgement it must then be; empty for anybody's.
        caller: Who asks: feedback of other tenants does not count.

    Raises:
        StoreError: If the store cannot be read.
    """
    wanted = reader_digest(reader, caller)
    events = source.events(kinds=(EventKind.FEEDBACK,), about=explanation_id, with_parts=False)
    return any(
        event.head.get("first_judgement")
        and event.head.get("audience") in {"", audience}
        and (not wanted or event.head.get("reader") == wanted)
        and is_of_tenant(caller, str(event.head.get("tenant", "")))
        for event in events
    )
