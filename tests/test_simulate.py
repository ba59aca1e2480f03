"""The simulator: synthetic parties through the real procedure, alike for every policy, on any number of processes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.flows.case import Role
from bot.flows.policy import Policy
from bot.reports.simulate import Measures, Plan, measure, run
from bot.reports.simulate.history import replay
from bot.reports.simulate.page import page
from bot.reports.simulate.people import Draw, People, WrongPeople, load
from bot.settings import load_policy
from tests.play import at_impasse, in_talks

pytest_plugins = ["tests.commands"]

PLAN = Plan(load(None), cases=120)
POLICY = load_policy(None)


@pytest.fixture
def shorter(tmp_path: Path) -> Policy:
    path = tmp_path / "shorter.toml"
    path.write_text('[request]\nremind = ["1 business day"]\ndeadline = "2 business days"\nend = "3 business days"\n')
    return load_policy(path)


def measured(policy: Policy, plan: Plan = PLAN) -> Measures:
    return measure(run(policy, plan), policy, plan)


def test_the_same_seed_gives_the_same_figures_and_another_seed_other_ones() -> None:
    assert run(POLICY, PLAN) == run(POLICY, PLAN)
    assert run(POLICY, replace(PLAN, seed=2)) != run(POLICY, PLAN)


def test_two_processes_give_what_one_gives_and_tell_how_far_they_are() -> None:
    told: list[int] = []
    plan = replace(PLAN, cases=150)
    assert run(POLICY, plan, 2, told.append) == run(POLICY, plan)
    assert sum(told) == 150


def test_a_shorter_ladder_ends_cases_sooner_and_more_often_without_an_answer(shorter: Policy) -> None:
    long, short = measured(POLICY), measured(shorter)
    assert short.days_median < long.days_median
    assert short.impasse_share > long.impasse_share
    assert short.letters_a_case < long.letters_a_case


def test_every_case_comes_to_an_end() -> None:
    figures = run(POLICY, PLAN)
    assert {each.ended for each in figures} >= {"settled", "incomplete"}
    assert [each for each in figures if each.ended == "open"] == []


def silent(people: People, role: Role) -> People:
    habits = replace(people.worker, silent=1.0, stirred=0.0, bounce=0.0)
    return replace(people, worker=habits) if role is Role.WORKER else replace(people, client=habits)


def test_a_silent_side_gets_its_ladder_and_no_more() -> None:
    plan = replace(PLAN, people=silent(PLAN.people, Role.CLIENT), cases=60)
    for each in run(POLICY, plan):
        assert each.client.reminders <= 3 * (1 + (each.opener == "client"))


def test_two_sides_with_the_same_habits_are_given_the_same() -> None:
    """Mirrored: every case opened by the worker is one opened by the client, with the habits exchanged."""
    cases = replace(PLAN.people.cases, client_opens=0.0, unsure=0.0)
    mirrored = replace(cases, client_opens=1.0)
    there = run(POLICY, replace(PLAN, people=replace(PLAN.people, cases=cases)))
    back = run(POLICY, replace(PLAN, people=replace(PLAN.people.mirrored(), cases=mirrored)))
    pairs = zip(there, back, strict=True)
    assert [(a.worker, a.client, a.days) for a, _ in pairs] == [(b.client, b.worker, b.days) for b in back]


def test_own_cases_are_played_again_and_a_shorter_ladder_ends_them_sooner(shorter: Policy) -> None:
    play = at_impasse()
    events = [(1042, play.events), (1043, in_talks().events)]
    same = replay(events, POLICY, play.now)
    other = replay(events, shorter, play.now)
    assert same.refused == other.refused == 0
    assert same.figures[0].impasse
    assert other.figures[0].client.given_s <= same.figures[0].client.given_s


def test_what_was_drawn_for_a_case_does_not_depend_on_what_else_was_drawn() -> None:
    assert Draw(1, 7).share("opener:silent") == Draw(1, 7).share("opener:silent")
    assert Draw(1, 7).share("opener:silent") != Draw(1, 8).share("opener:silent")


def test_a_file_of_parties_is_refused_with_every_wrong_line(tmp_path: Path) -> None:
    path = tmp_path / "parties.toml"
    path.write_text('[cases]\npayment = 2\n[worker]\nsilent = "often"\nanswers = [[0.5, "soon"]]\n[boss]\n')
    with pytest.raises(WrongPeople) as wrong:
        load(path)
    said = str(wrong.value)
    for words in (
        "[boss] is unknown",
        "payment: should be a share",
        "silent: should be",
        "answers:",
        "[client] is",
    ):
        assert words in said
    with pytest.raises(WrongPeople, match="cannot be read"):
        load(tmp_path / "nowhere.toml")


def test_the_page_stands_alone_and_compares_both(shorter: Policy) -> None:
    played = [run(each, replace(PLAN, cases=30)) for each in (POLICY, shorter)]
    figures = [measure(each, POLICY, PLAN) for each in played]
    html = page(("now", "<shorter>"), figures, played, "A note.")
    assert html.count("<svg") == 2
    assert "&lt;shorter&gt;" in html
    assert "<shorter>" not in html
    assert "src=" not in html
    assert "Days to the end, median" in html


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_command_compares_two_policies_and_writes_a_page(parley, tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('[request]\nend = "6 business days"\n')
    said = parley("simulate", "--cases", "40", "--against", "quick.toml", "--html", "out.html", "--json")
    assert said.status == 0, said.err
    first, second = said.objects
    assert (first["policy"], second["policy"]) == ("the policy in force", "quick")
    assert first["cases"] == second["cases"] == 40
    assert "<svg" in (tmp_path / "out.html").read_text("utf-8")
    table = parley("simulate", "--cases", "40").out
    assert "Days to the end, median" in table
    assert "Assumptions: parties.toml as shipped" in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cases", "0"), "should be from 1 to"),
        (("--parties", "none.toml"), "cannot be read"),
        (("--policy", "none.toml"), "cannot be read"),
        (("--history",), "There is no database"),
    ],
)
def test_what_cannot_be_played_is_said(parley, arguments: tuple[str, ...], said: str, monkeypatch) -> None:
    answer = parley("simulate", "--cases", "5", *arguments)
    assert answer.status in (1, 2)
    assert said in answer.err


def test_a_page_that_cannot_be_written_leaves_nothing_behind(parley, tmp_path: Path) -> None:
    answer = parley("simulate", "--cases", "5", "--html", "no/such/folder.html")
    assert (answer.status, "cannot be written" in answer.err) == (1, True)
    assert json.dumps(sorted(each.name for each in tmp_path.iterdir() if each.suffix == ".part")) == "[]"
