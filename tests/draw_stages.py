"""Draws docs/stages.md by running `decide`: each of many happenings in each of many situations; a move is an arrow.

Run: `.venv/bin/python -m tests.draw_stages`. `tests/test_stages_drawing.py` compares the drawing with the file.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bot.flows.case import Case, Closing, Impasse, ItemName, Kind, Role, Stage, Topic, What
from bot.flows.events import (
    ClockDue,
    ContactSet,
    Dismissed,
    ImpasseConfirmed,
    ImpasseProposed,
    ItemAccepted,
    ItemRejected,
    ItemWaived,
    NoticeReleased,
    OutcomeRecorded,
    Released,
    Sorted,
    TalksSkipped,
    Undone,
)
from tests.play import (
    ADDRESS,
    ID,
    LISTING,
    OWN,
    Play,
    at_impasse,
    complete,
    found,
    in_review,
    in_talks,
    mail,
    noticed,
    resolved,
)

FILE = Path(__file__).parent.parent / "docs" / "stages.md"
OPENER, RESPONDENT = Role.WORKER, Role.CLIENT
Arrow = tuple[Stage | None, Stage, str]

# --- Situations -----------------------------------------------------------------------------------------------------


def opened(kind: Kind | None) -> Play:
    play = Play()
    play.opens(kind)
    return play


def supplied(kind: Kind) -> Play:
    """Everything is here but one thing, which waits for staff."""
    play = Play()
    items = found(ItemName.TIMELINE if kind is Kind.PAYMENT else OWN[OPENER], confidence=0.4)
    play.opens(kind, items=items, assignment_ids=(ID,), listings=(LISTING,))
    return play


def unsure() -> Play:
    play = Play()
    play.complete_payment(listings=())
    play.happen(ContactSet("U1", RESPONDENT, ADDRESS[RESPONDENT]))
    return play


def answered_early(kind: Kind) -> Play:
    """The other side answered before the notice was sent."""
    play = complete(kind)
    play.answers(RESPONDENT)
    return play


def asleep() -> Play:
    play = Play()
    play.complete_payment(flags=("under_48h",))
    return play


def released_by_person() -> Play:
    play = complete(Kind.PAYMENT)
    play.happen(NoticeReleased("U1"))
    return play


def waits_for_staff(kind: Kind) -> Play:
    play = noticed(kind)
    play.writes(RESPONDENT, "It is complicated.")
    return play


def late_part() -> Play:
    play = at_impasse()
    play.writes(RESPONDENT, "It is complicated.")
    play.happen(ItemRejected("U1", ItemName.ANSWER, "A part is missing."))
    return play


def agreeing() -> Play:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("4 business days")
    return play


def no_agreement() -> Play:
    play = in_talks()
    play.happen(ImpasseProposed("U1", Impasse.NO_AGREEMENT))
    return play


def outcome_on_its_way() -> Play:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Both sides agree."))
    return play


def reconsidered() -> Play:
    play = resolved()
    play.writes(OPENER, "New papers.")
    play.happen(OutcomeRecorded("U2", "paid", "They settle it."))
    play.wait("61 seconds")
    return play


def window_over(play: Play) -> Play:
    play.wait("20 business days")
    return play


def incomplete() -> Play:
    play = opened(Kind.PAYMENT)
    play.wait("8 business days")
    return play


def settling(play: Play) -> Play:
    play.writes(OPENER, "It is settled.", intent="resolved")
    return play


def settled(play: Play) -> Play:
    settling(play).wait("2 business days")
    return play


def dismissed(into: int | None, kind: Kind | None) -> Play:
    play = opened(kind)
    play.happen(Dismissed("U1", into, ""))
    return play


def situations() -> tuple[Callable[[], Play], ...]:
    """Ways to make a case that stands somewhere; each is made anew for every happening."""
    open_stages: tuple[Callable[[], Play], ...] = (
        *(lambda kind=kind: opened(kind) for kind in Kind),
        *(lambda kind=kind: supplied(kind) for kind in Kind),
        *(lambda kind=kind: complete(kind) for kind in Kind),
        *(lambda kind=kind: answered_early(kind) for kind in Kind),
        *(lambda kind=kind: noticed(kind) for kind in Kind),
        *(lambda kind=kind: waits_for_staff(kind) for kind in Kind),
        *(unsure, asleep, released_by_person, late_part),
        *(in_talks, agreeing, at_impasse, no_agreement, in_review),
        lambda: at_impasse(Kind.RATING),
    )
    return (
        lambda: opened(None),
        *open_stages,
        *(lambda make=make: settling(make()) for make in open_stages),
        *(outcome_on_its_way, resolved, reconsidered),
        *(lambda make=make: window_over(make()) for make in (resolved, reconsidered)),
        incomplete,
        *(lambda make=make: settled(make()) for make in open_stages),
        *(lambda into=into, kind=kind: dismissed(into, kind) for into in (7, None) for kind in (None, *Kind)),
    )


# --- Happenings -----------------------------------------------------------------------------------------------------

CLOCKS = {
    Topic.REQUEST: "the last date passed without an answer",
    Topic.PARTIAL: "the extra time for the rest passed",
    Topic.NOTICE: "the pause is over and the case is sure",
    Topic.SLEEP: "the date that the case waited for came and the case is sure",
    Topic.COMMENT: "the time to comment is over",
    Topic.AGREE: "the time to agree is over",
    Topic.CLOSING: "said to be settled or withdrawn, and nobody objected",
    Topic.OUTCOME: "the outcome left, its undo is over",
    Topic.WINDOW: "the time to ask for another look is over",
}


def complete_mail(play: Play) -> None:
    items = found(ItemName.TIMELINE, OWN[OPENER])
    play.writes(OPENER, "Everything.", items=items, assignment_ids=(ID,), listings=(LISTING,))


def item(play: Play, role: Role) -> ItemName:
    """The item that is this side's own story."""
    if play.case.kind is Kind.RATING:
        return OWN[role]
    return ItemName.TIMELINE if role is OPENER else ItemName.ANSWER


def sort(play: Play, kind: Kind, whole: bool) -> None:
    facts = mail(assignment_ids=(ID,), listings=(LISTING,), items=found(ItemName.TIMELINE, OWN[OPENER]))
    play.happen(Sorted("U1", kind, OPENER, facts if whole else None))


HAPPENINGS: tuple[tuple[str, Callable[[Play], object]], ...] = (
    ("the opener sent all that was missing", complete_mail),
    ("the other side answered", lambda play: play.answers(RESPONDENT)),
    ("the other side said no", lambda play: play.writes(RESPONDENT, "No.", intent="refuses")),
    ("the opener said no", lambda play: play.writes(OPENER, "No.", intent="refuses")),
    ("the opener wrote", lambda play: play.writes(OPENER, "One more thing.")),
    (
        "the other side wrote",
        lambda play: play.writes(RESPONDENT, "It is complicated."),
    ),
    ("a person sorted it, something is missing", lambda play: sort(play, Kind.PAYMENT, whole=False)),
    ("a person sorted it, everything is here", lambda play: sort(play, Kind.PAYMENT, whole=True)),
    ("a person said it is no dispute", lambda play: play.happen(Dismissed("U1", None, ""))),
    ("a person said it belongs to another case", lambda play: play.happen(Dismissed("U1", 7, ""))),
    ("a person accepted the opener's item", lambda play: play.happen(ItemAccepted("U1", item(play, OPENER)))),
    ("a person asked the opener again", lambda play: play.happen(ItemRejected("U1", item(play, OPENER), "Unclear."))),
    ("a person sent the notice", lambda play: play.happen(NoticeReleased("U1"))),
    ("a person took the notice back in time", lambda play: play.happen(Undone("U1", play.case.letters))),
    ("a person accepted or waived the answer", lambda play: play.happen(ItemWaived("U1", item(play, RESPONDENT), "x"))),
    ("a person skipped the talks", lambda play: play.happen(TalksSkipped("U1", "Clear."))),
    *(("a person proposed it", lambda play, why=why: play.happen(ImpasseProposed("U1", why))) for why in Impasse),
    ("a person confirmed it", lambda play: play.happen(ImpasseConfirmed("U1"))),
)


def arrows() -> tuple[Arrow, ...]:
    """Every way from stage to stage that was seen, in the order of the procedure; None: there was no case yet."""
    seen = {arrow for make in situations() for arrow in _from(make)}
    seen |= set(_openings())
    order = [None, *Stage]
    return tuple(sorted(seen, key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1]), arrow[2])))


def _openings() -> Iterator[Arrow]:
    for words, play in (
        ("a mail that a machine cannot place", opened(None)),
        ("a dispute, something is missing", opened(Kind.PAYMENT)),
        ("a dispute, everything is here", complete(Kind.PAYMENT)),
    ):
        yield (None, play.case.stage, words)


def _from(make: Callable[[], Play]) -> Iterator[Arrow]:
    for words, happening in HAPPENINGS:
        play = make()
        before = play.case
        happening(play)
        if play.case.stage is not before.stage and not play.case.closing:
            yield (before.stage, play.case.stage, _in_words(words, before, play.case))
    for topic, words in CLOCKS.items():
        play = make()
        before = play.case
        _fire(play, topic)
        if play.case.stage is not before.stage:
            yield (before.stage, play.case.stage, _in_words(words, before, play.case))


def _in_words(words: str, before: Case, after: Case) -> str:
    """What happened; after the end any mail is a reply, and at an impasse any words may be the answer."""
    by_person = words.startswith("a person")
    if before.stage is Stage.CLOSED:
        return f"a reply (it was closed as {_plain(before.closed)})"
    if after.closed:
        return f"{words} ({_plain(after.closed)})"
    if before.stage is Stage.RESOLVED and not by_person:
        return "one side wrote something new, for the first time"
    if before.stage is Stage.IMPASSE and after.stage is Stage.ANSWERING:
        return "the other side wrote something that may be the answer"
    return words


def _plain(closed: Closing | None) -> str:
    return str(closed).replace("_", " ")


def _fire(play: Play, topic: Topic) -> None:
    """Let the case's clocks of a topic come due, each at its time; of a ladder, only its end."""
    due = [clock for clock in play.case.clocks if clock.topic is topic and not clock.held_by]
    for clock in sorted(due, key=lambda clock: clock.due_at):
        if topic is Topic.REQUEST and clock.what is not What.LAPSE:
            clock = replace(clock, what=What.LAPSE, due_at=clock.end_at or clock.due_at)
            play.case = replace(play.case, clocks=(clock,))
        play.now = max(play.now, clock.due_at)
        play.happen(ClockDue(clock.who, clock.what, clock.topic, clock.due_at))


# --- The drawing ----------------------------------------------------------------------------------------------------

HEAD = """# The stages of a case

Drawn by running the bot's own decisions (`.venv/bin/python -m tests.draw_stages` draws it anew; a test compares). An
arrow is something that moved a case when it happened; much else happens without moving it.
“The opener” wrote first, “the other side” is the one the notice goes to; who of them is the worker makes no difference.

"""


def drawing() -> str:
    """The whole file: the diagram, and the same arrows as a table."""
    found = arrows()
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {before or '[*]'} --> {after} : {words}" for before, after, words in found]
    lines += ["```", "", "| from | to | when |", "|---|---|---|"]
    lines += [f"| {before or 'nothing yet'} | {after} | {words} |" for before, after, words in found]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
