"""The card and the notes as staff see them: one snapshot a stage, and what people wrote stays text."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.flows.case import Case, Hold, Impasse, ItemName, Kind, Role, Suggested
from bot.flows.events import (
    ImpasseConfirmed,
    ImpasseProposed,
    ItemRejected,
    LetterBounced,
    MailSuggested,
    NoticeReleased,
    OutcomeRecorded,
)
from bot.handlers import cards
from bot.handlers.cards import ACTIONS, Block, NoteLine
from bot.sandbox.slack import checks
from tests.play import ID, MONDAY, POLICY, Play, mail

SNAPSHOTS = Path(__file__).parent / "cards"
EVIL = "<!channel> <@U0ANA00001> <https://evil.example|support> @here *bold* :tada: https://evil.example &amp;"


def sorting() -> Case:
    play = Play()
    play.opens(None, None, text=f"My card is 4242 4242 4242 4242. {EVIL}")
    return play.case


def gathering() -> Case:
    play = Play()
    play.opens(Kind.RATING)
    return play.case


def notice() -> Case:
    play = Play()
    play.complete_payment()
    return play.case


def answering() -> Case:
    play = Play()
    play.complete_payment()
    play.happen(NoticeReleased("Sam"), "Sam")
    return play.case


def unconfirmed() -> Case:
    play = Play()
    play.complete_payment()
    play.happen(NoticeReleased("Sam"), "Sam")
    play.happen(MailSuggested(Role.CLIENT, mail(Role.CLIENT, mail_id=7, sender="c@other.example"), "not known"))
    play.happen(LetterBounced(Role.WORKER, None, "wanda@worker.example", "no such user"))
    return play.case


def talks() -> Case:
    play = Play()
    play.complete_payment()
    play.happen(NoticeReleased("Sam"), "Sam")
    play.wait("2 minutes")
    play.answers()
    return play.case


def impasse() -> Case:
    play = Play()
    play.complete_payment()
    play.happen(NoticeReleased("Sam"), "Sam")
    play.happen(ImpasseProposed("Sam", Impasse.NO_RESPONSE), "Sam")
    return play.case


def reviewed() -> Play:
    play = Play()
    play.case = impasse()
    play.happen(ImpasseConfirmed("Sam"), "Sam")
    return play


def review() -> Case:
    return reviewed().case


def outcome() -> Case:
    play = reviewed()
    play.happen(OutcomeRecorded("Sam", "scheduled", "The client pays on Friday."), "Sam")
    return play.case


def resolved() -> Case:
    play = reviewed()
    play.happen(OutcomeRecorded("Sam", "scheduled", "The client pays on Friday."), "Sam")
    play.wait("2 minutes")
    return play.case


STAGES = (
    *(sorting, gathering, notice, answering, unconfirmed),
    *(talks, impasse, review, outcome, resolved),
)


def drawn(blocks: tuple[Block, ...]) -> str:
    """The blocks as a person reads them, and what each button would send."""
    return "\n".join(line for block in wire(blocks) for line in lines(block)) + "\n"


def wire(blocks: tuple[Block, ...]) -> list:
    """The blocks as Slack gets them."""
    parsed: list = json.loads(json.dumps(blocks))
    return parsed


def lines(block: dict) -> Iterator[str]:
    match str(block["type"]):
        case "header":
            yield f"# {block['text']['text']}"
        case "section":
            yield f"{block['text']['text']}{button(block['accessory']) if 'accessory' in block else ''}"
        case "actions":
            yield f"{block['block_id']}: {' '.join(button(each) for each in block['elements'])}"
        case "rich_text":
            for part in block["elements"]:
                mark = {"rich_text_list": "- ", "rich_text_quote": "> "}.get(part["type"], "")
                parts = part["elements"] if part["type"] == "rich_text_list" else [part]
                for each in parts:
                    yield mark + "".join(leaf.get("text", f"<{leaf['type']}>") for leaf in each["elements"])
        case other:
            raise AssertionError(other)


def button(element: dict) -> str:
    return f" [{element['text']['text']} | {element['action_id']} {element['value']}]"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_the_card_of_each_stage_reads_as_it_did(stage: Callable[[], Case]) -> None:
    path, now = SNAPSHOTS / f"{stage.__name__}.txt", drawn(cards.card(replace(stage(), letters=3), POLICY))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(now, "utf-8")
    assert now == path.read_text("utf-8")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_slack_takes_the_card_of_each_stage_and_knows_its_buttons(stage: Callable[[], Case]) -> None:
    blocks = cards.card(stage(), POLICY)
    assert not checks.message_blocks(wire(blocks))
    actions = [element["action_id"] for block in wire(blocks) for element in checks.elements_of(block)]
    assert set(actions) <= set(ACTIONS)
    assert {"reply_worker", "reply_client"} <= set(actions)
    assert all(cards.case_of(str(block["block_id"])) == 1042 for block in blocks if "block_id" in block)


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {stage.__name__ for stage in STAGES}


def leaves(value: object) -> Iterator[dict]:
    match value:
        case dict():
            yield value
            for each in value.values():
                yield from leaves(each)
        case list() | tuple():
            for each in value:
                yield from leaves(each)
        case _:
            pass


def assert_inert(blocks: tuple[Block, ...]) -> None:
    kinds = {leaf["type"] for leaf in leaves(blocks) if isinstance(leaf.get("type"), str)}
    assert not kinds & {"mrkdwn", "markdown", "link", "user", "usergroup", "channel", "broadcast", "emoji"}
    assert all(leaf["emoji"] is False for leaf in leaves(blocks) if leaf.get("type") == "plain_text")


def test_what_a_party_wrote_neither_mentions_nor_links_nor_formats() -> None:
    case = replace(
        answering(),
        subject=EVIL,
        assignment_ids=(EVIL,),
        holds=(Hold("staff", (Role.WORKER,), EVIL, MONDAY, EVIL),),
        suggested=(Suggested(7, None, EVIL, EVIL, MONDAY),),
    )
    case = case.with_party(replace(case.worker, name=EVIL))
    assert_inert(cards.card(case, POLICY))
    assert_inert(cards.note(case, NoteLine(EVIL, EVIL, letters=(EVIL,), undo=3)))
    assert cards.fallback(EVIL).startswith("&lt;!channel&gt; &lt;@U0ANA00001&gt;")


def test_a_mail_of_two_hundred_thousand_characters_is_cut_and_says_so() -> None:
    case = answering()
    blocks = cards.note(case, NoteLine("The client wrote.", "word " * 40_000))
    assert not checks.message_blocks(wire(blocks))
    assert checks.text_length(wire(blocks)) <= cards.QUOTE_CHARS_MAX + 100
    assert "199,999 characters in all" in drawn(blocks)


@given(st.text(max_size=60), st.integers(0, 30))
def test_however_much_there_is_slack_takes_the_card(text: str, count: int) -> None:
    case = answering()
    long = text * 200
    case = replace(
        case,
        assignment_ids=(text,) * count,
        doubts=(long,) * count,
        holds=tuple(Hold(f"mail:{n}", (Role.WORKER,), long, MONDAY, text) for n in range(count)),
        waits=tuple(replace(case.waits[0], text=long) for _ in range(count)) if case.waits else (),
        suggested=tuple(Suggested(n, None, text, long, MONDAY) for n in range(count)),
        items=tuple(replace(item, reason=long) for item in case.items),
    )
    for blocks in (cards.card(case, POLICY), cards.note(case, NoteLine(long, long, letters=(long,) * count))):
        assert not checks.message_blocks(wire(blocks))
        assert checks.text_length(wire(blocks)) <= checks.BLOCKS_TEXT_MAX


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 4242 4242 4242 4242 ok", "card [card number] ok"),
        ("4242424242424242", "[card number]"),
        ("amex 3782 822463 10005.", "amex [card number]."),
        ("4242 4242 4242 4241", "4242 4242 4242 4241"),
        ("my ssn is 123-45-6789", "my ssn is [social security number]"),
        ("SSN: 123456789", "SSN: [social security number]"),
        ("IBAN GB29 NWBK 6016 1331 9268 19 please", "IBAN [account number] please"),
        ("account number 000123456789, routing 021000021", "account number [account number], routing [account number]"),
        (f"assignment {ID} on 2026-03-02", f"assignment {ID} on 2026-03-02"),
        (f"WM{ID}", f"WM{ID}"),
        (f"my account, {ID}", f"my account, {ID}"),
        ("call +1 415 555 0100", "call +1 415 555 0100"),
        (f"{ID} 4471829361", f"{ID} 4471829361"),
    ],
)
def test_numbers_that_should_not_be_in_slack_are_masked(text: str, shown: str) -> None:
    assert cards.masked(text, (ID,)) == shown


def test_a_note_mentions_whom_it_should_and_offers_to_take_a_letter_back() -> None:
    case = answering()
    blocks = cards.note(case, NoteLine("Waiting: look.", mention=("U0ANA00001",), here=True, undo=2))
    kinds = [leaf["type"] for leaf in leaves(blocks) if "type" in leaf]
    assert kinds.count("user") == kinds.count("broadcast") == 1
    assert "[Undo | undo 2]" in drawn(blocks)
    assert not checks.message_blocks(wire(blocks))


def test_an_item_that_came_can_be_asked_for_again() -> None:
    play = Play()
    play.complete_payment()
    assert "reject_item" in [button.action for button in cards.buttons(play.case)]
    play.happen(ItemRejected("Sam", ItemName.TIMELINE, "No dates."), "Sam")
    assert "waive" in [button.action for button in cards.buttons(play.case)]
