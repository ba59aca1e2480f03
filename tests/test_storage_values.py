"""Values go into the store and come back equal: every fact, whole cases, moments."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from itertools import count
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from bot.flows.case import Case, Clock, Contact, Item, Kind, Party, Role, Stage, Statement
from bot.flows.effects import Because
from bot.flows.events import Claimed, Event, Fact, Free, StaffReplied
from bot.storage import tables as t
from bot.storage.cases import Stale
from bot.storage.codec import FACTS, Unreadable, because_text, event_body, read_because, read_event
from bot.storage.events import Versions
from bot.storage.inbox import MAIL

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
VERSIONS = Versions("p", "w")
WORD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PLAIN: Mapping[object, st.SearchStrategy[Any]] = {
    str: WORD,
    int: st.integers(0, 2**31 - 1),
    float: st.floats(0, 1),
    bool: st.booleans(),
    datetime: st.integers(0, 2 * 10**15).map(lambda n: datetime(1970, 1, 2, tzinfo=UTC) + timedelta(microseconds=n)),
    date: st.dates(date(1970, 1, 2), date(2190, 1, 1)),
    type(None): st.none(),
}
SHARED = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
_ids = count(1)


def values(hint: Any, **given_fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """All values of a type that the core uses; `given_fields` replace those of a dataclass."""
    if hint in PLAIN:
        return PLAIN[hint]
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([values(each) for each in get_args(hint)])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    assert isinstance(hint, type)
    assert is_dataclass(hint)
    hints = get_type_hints(hint)
    parts = {each.name: values(hints[each.name]) for each in fields(hint)} | given_fields
    return st.builds(hint, **parts)


def recorded(event: Event) -> dict[str, str]:
    return {"id": event.id, "by": event.by, "kind": type(event.fact).__name__, "body": event_body(event)}


@pytest.mark.parametrize("kind", get_args(Fact), ids=lambda kind: kind.__name__)
@settings(max_examples=5)  # Of each of some thirty facts, whose fields are alike.
@given(st.data())
def test_every_fact_comes_back_as_it_went_in(kind, data):
    event = data.draw(values(Event, fact=values(kind)))
    assert read_event(recorded(event)) == event


@given(values(Because))
def test_a_reason_comes_back_as_it_went_in(because):
    assert read_because(because_text(because)) == because


def test_a_field_added_later_is_read_with_its_default():
    event = Event("e", MONDAY, "U1", Claimed("U1"), Free(MONDAY, MONDAY))
    old = recorded(event)
    old["body"] = old["body"].replace(',"braked":[]', "").replace('"braked":[],', "")
    assert "braked" not in old["body"]
    assert read_event(old) == event


def test_a_fact_of_a_later_version_is_named():
    with pytest.raises(Unreadable, match="Teleported"):
        read_event({"id": "e", "by": "U1", "kind": "Teleported", "body": "{}"})
    assert len(FACTS) == len(get_args(Fact))


def test_nul_is_kept_in_the_record():
    event = Event("e", MONDAY, "U1", StaffReplied("U1", Role.WORKER, "a\0b"), Free(MONDAY, MONDAY))
    assert "\0" not in event_body(event)
    assert read_event(recorded(event)) == event


def test_lone_surrogates_are_left_out_rather_than_refused():
    assert read_because(because_text(Because("a\ud83d b"))) == Because("a b")


# --- Whole cases -----------------------------------------------------------------------------------------------------


def unique(items: list[Any], *names: str) -> tuple[Any, ...]:
    return tuple({tuple(getattr(each, name) for name in names): each for each in items}.values())


def parties(role: Role) -> st.SearchStrategy[Party]:
    contacts = st.lists(values(Contact), max_size=3).map(lambda found: unique(found, "address"))
    return values(Party, role=st.just(role), contacts=contacts)


def cases(number: int, version: int) -> st.SearchStrategy[Case]:
    clocks = st.lists(values(Clock, letter=st.none()), max_size=5).map(
        lambda each: unique(each, "who", "what", "topic")
    )
    statements = st.lists(values(Statement, mail_id=st.just(1)), max_size=3)
    return values(
        Case,
        number=st.just(number),
        version=st.just(version),
        worker=parties(Role.WORKER),
        client=parties(Role.CLIENT),
        items=st.lists(values(Item, mail_id=st.sampled_from([None, 1])), max_size=3).map(tuple),
        statements=statements.map(lambda found: tuple(replace(each, number=n) for n, each in enumerate(found, 1))),
        clocks=clocks,
    )


@pytest.fixture
def numbers(store):
    """Case numbers of one test; the mail that its statements name is in the inbox."""
    with store.begin() as tx:
        tx.inbox.put(MAIL, "mail 1", b"mail", MONDAY)
    return count(t.FIRST_CASE)


@SHARED
@given(data=st.data())
def test_a_case_comes_back_as_it_was_saved_and_as_it_was_changed(store, numbers, data):
    number = next(numbers)
    first, second = data.draw(cases(number, 1)), data.draw(cases(number, 2))
    kept = {statement.number: statement for statement in (*first.statements, *second.statements)}
    second = replace(second, statements=tuple(kept.values()))  # Statements are only ever added.
    with store.begin() as tx:
        tx.cases.save(first, None, MONDAY)
        tx.cases.save_clocks(first, None)
    with store.begin() as tx:
        assert tx.cases.lock((number,)) == {number: first}
        tx.cases.save(second, first, MONDAY)
        tx.cases.save_clocks(second, first)
    with store.read() as tx:
        assert tx.cases.get(number) == second


def test_a_case_changed_behind_our_back_is_not_overwritten(store):
    with store.begin() as tx:
        tx.cases.save(Case(1001, version=2), None, MONDAY)
    with store.begin() as tx, pytest.raises(Stale, match="D-1001 is not at version 1"):
        tx.cases.save(Case(1001, version=2), Case(1001, version=1), MONDAY)


def test_cases_are_found_by_number_stage_address_and_assignment(store):
    client = Party(Role.CLIENT, contacts=(Contact("carl@client.example", "directory"),))
    with store.begin() as tx:
        assert tx.cases.new_numbers(0) == ()
        assert tx.cases.new_numbers(2) == (1001, 1002)
        tx.cases.save(Case(1001, 1, Kind.RATING, assignment_ids=("1", "2"), client=client), None, MONDAY)
        tx.cases.save(Case(1002, 1, stage=Stage.CLOSED, assignment_ids=("2",), client=client), None, MONDAY)
        tx.cases.link(1001, 1002, "the same dispute")
    with store.read() as tx:
        assert (tx.cases.numbers(), tx.cases.numbers(open_only=True)) == ((1001, 1002), (1001,))
        assert [case.number for case in tx.cases.all(open_only=True)] == [1001]
        assert tx.cases.stages()[Stage.CLOSED] == 1
        assert tx.cases.with_address("Carl@client.example") == ((1002, Role.CLIENT), (1001, Role.CLIENT))
        assert (tx.cases.with_assignment(("2",)), tx.cases.with_assignment(())) == ((1002, 1001), ())
        assert list(tx.cases.many((1002, 7, 1001))) == [1002, 1001]
        assert (tx.cases.links(1002), tx.cases.links(1001)) == (
            ((1001, "the same dispute"),),
            ((1002, "the same dispute"),),
        )
        assert tx.cases.known((1001,))[0].client == ("carl@client.example",)


# --- Moments and words -----------------------------------------------------------------------------------------------


@SHARED
@given(
    st.lists(PLAIN[datetime], min_size=1, max_size=8),
    st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
def test_moments_come_back_in_utc_and_are_ordered_as_moments(store, moments, zone):
    names = {f"beat {next(_ids)}": moment.astimezone(zone) for moment in moments}
    with store.begin() as tx:
        for name, moment in names.items():
            tx.beats.beat(name, moment)
        found = tx.beats.all()
    assert {name: found[name] for name in names} == names
    assert all(moment.tzinfo is UTC for moment in found.values())
    with store.engine.connect() as connection:
        rows = connection.execute(
            select(t.beats.c.name).where(t.beats.c.name.in_(names)).order_by(t.beats.c.at)
        ).scalars()
        assert [names[name] for name in rows] == sorted(moments)


def test_a_moment_without_zone_is_refused(store):
    with pytest.raises(Exception, match="has no time zone"), store.begin() as tx:
        tx.beats.beat("naive", datetime(2026, 1, 1))  # noqa: DTZ001


def test_words_that_no_database_takes_are_cleaned(store):
    with store.begin() as tx:
        put = tx.inbox.put(MAIL, "a\0b\ud800c", b"raw \0 bytes", MONDAY)
        row = tx.inbox.get(put.id)
    assert row is not None
    assert (row.external_key, row.raw) == ("abc", b"raw \0 bytes")


# --- The record ------------------------------------------------------------------------------------------------------


@pytest.fixture
def record(store):
    """A case with three events."""
    with store.begin() as tx:
        tx.knowledge.remember_version("policy", "p", "the policy")
        tx.knowledge.remember_version("wording", "w", "the wording")
        tx.cases.save(Case(1001, version=3), None, MONDAY)
        for n in range(1, 4):
            event = Event(f"e{n}", MONDAY, "U1", Claimed(f"U{n}"), Free(MONDAY, MONDAY))
            tx.events.append(1001, event, Because(f"reason {n}"), MONDAY, VERSIONS)
    return store


def test_the_record_of_a_case_is_a_chain(record):
    with record.read() as tx:
        assert tx.events.verify(1001) == ()
        assert [(each.seq, each.because) for each in tx.events.history(1001)] == [
            (n, Because(f"reason {n}")) for n in (1, 2, 3)
        ]
        assert tx.events.claimed(["e1", "e9"]) == {"e1": 1001}
        assert tx.events.counts() == {"Claimed": 3}
        assert tx.knowledge.version("p") == "the policy"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        ({"body": '{"fact":{"by":"U9"},"event":{}}'}, "the words of event 2 were changed"),
        ({"because": "{}"}, "the words of event 2 were changed"),
        ({"by": "U9"}, "event 2 was changed"),
        ({"at": MONDAY + timedelta(seconds=1)}, "event 2 was changed"),
        ({"hash": "0"}, "event 3 does not follow"),
        (None, "event 2 is missing"),
    ],
)
def test_whatever_is_changed_in_the_record_is_seen(record, tamper, said):
    row = t.events.c
    with record.engine.begin() as connection:
        if tamper is None:
            connection.execute(t.events.delete().where(row.id == "e2"))
        else:
            connection.execute(t.events.update().where(row.id == "e2").values(tamper))
    with record.read() as tx:
        assert any(said in problem for problem in tx.events.verify(1001))


def test_an_event_cut_off_the_end_is_missed(record):
    with record.engine.begin() as connection:
        connection.execute(t.events.delete().where(t.events.c.id == "e3"))
    with record.read() as tx:
        assert tx.events.verify(1001) == ("D-1001: 3 decisions were made, and 2 are recorded",)


def test_an_event_id_is_recorded_once(record):
    event = Event("e1", MONDAY, "U1", Claimed("U1"), Free(MONDAY, MONDAY))
    with pytest.raises(Exception, match=r"(?i)unique"), record.begin() as tx:
        tx.events.append(1001, event, Because(""), MONDAY, VERSIONS)


def test_rows_that_refer_to_nothing_are_refused(store):
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.engine.begin() as connection:
        connection.execute(insert(t.links).values(case_id=1, other_id=2, why=""))
