"""Bugs planted on purpose, one at a time, into a copy of the core: the stories and histories must see each of them.

A suite that never fails proves nothing. Each bug is one that somebody could really write.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUITES = (
    "tests/test_decide_stories.py",
    "tests/test_decide_crossings.py",
    "tests/test_decide_corners.py",
    "tests/test_decide_histories.py",
)
TIMEOUT_S = 900

BUGS: dict[str, tuple[str, str, str]] = {
    "the reminder is counted from now, not from the request": (
        "asking.py",
        "turn.after(role, reminders[clock.step], clock.asked_at)",
        "turn.after(role, reminders[clock.step])",
    ),
    "a late final notice does not move the end": (
        "asking.py",
        "end = max(end, calendar.plus_working(leaves, calendar.working_between(deadline, end)))",
        "end = max(end, deadline)",
    ),
    "a new request cuts short what was announced": (
        "asking.py",
        "deadline, end = max(deadline, deadline_at or deadline), max(end, end_at or end)",
        "deadline, end = max(deadline, deadline), max(end, end)",
    ),
    "an unsent rung is not taken back by the next": (
        "asking.py",
        'turn.cancel((clock.last_letter,), "the next step of its ladder came due")',
        'turn.cancel((None,), "the next step of its ladder came due")',
    ),
    "a held clock fires": ("clocks.py", " or clock.held_by:\n        turn.because", ":\n        turn.because"),
    "an impasse is confirmed by the clock": (
        "clocks.py",
        "stages.propose_impasse(turn, Impasse.NO_RESPONSE, role)",
        "stages.propose_impasse(turn, Impasse.NO_RESPONSE, role)\n        stages.review_impasse(turn)",
    ),
    "an impasse is proposed although one side still has time": (
        "clocks.py",
        "    if turn.ladder(role.other):\n",
        "    if False:\n",
    ),
    "an unsure case sends its notice by itself": (
        "clocks.py",
        "    if stages.needs_person(turn.case, turn.policy):\n",
        "    if False:\n",
    ),
    "time under a hold is not given back": (
        "turn.py",
        "return replace(pushed(clock, calendar, clock.held_since, stood), held_by=(), held_since=None)",
        "return replace(clock, held_by=(), held_since=None)",
    ),
    "a hold does not take letters back": (
        "turn.py",
        "for role in hold.roles if hold.silences else ():",
        "for role in ():",
    ),
    "danger does not stop answers to the other side": (
        "turn.py",
        "return not danger and self.case.party(role).address is not None",
        "return self.case.party(role).address is not None",
    ),
    "unasked letters leave at any hour": (
        "turn.py",
        "free = max(self.event.free.of(role), self.now)",
        "free = self.now",
    ),
    "a zone learned with a mail does not count for the letter that follows": (
        "turn.py",
        "return free if zone == self.came.party(role).zone else self.calendar(role).next_working(free)",
        "return free",
    ),
    "the worker is always the one who claims money": (
        "turn.py",
        '"claims_money": case.kind is Kind.PAYMENT and role is Role.WORKER',
        '"claims_money": case.kind is Kind.PAYMENT and role is case.opener',
    ),
    "relayed words count as the other side's answer": (
        "reading.py",
        "(item.role is role or (by_opener and _may_be_relayed(item)))",
        "True",
    ),
    "an unsure item is accepted by the machine": (
        "reading.py",
        "sure = own and found.confidence >= turn.policy.triage.accept_above",
        "sure = own",
    ),
    "another assignment redirects letters": (
        "reading.py",
        "    if party.contacts and not party.knows(email):\n        return party\n",
        "    party = replace(party, contacts=())\n",
    ),
    "a threat holds the writer instead of the other side": (
        "reading.py",
        "held = (role.other,) if role else turn.case.sides",
        "held = (role,) if role else turn.case.sides",
    ),
    "a receipt carries the other side's words": (
        "said.py",
        'turn.answer("filed", role, {"stage": str(turn.case.stage), "person": person})',
        'turn.answer("filed", role, {"stage": str([s.text for s in turn.case.statements]), "person": person})',
    ),
    "thanks reopen a case": ("said.py", 'if mail.intent in ("thanks", "auto") and not brought:', "if False:"),
    "the answer does not stop the ladder": (
        "stages.py",
        "        if clock and clock.topic in (Topic.REQUEST, Topic.PARTIAL) and not turn.case.wanted_from(role):\n",
        "        if False:\n",
    ),
    "the other side alone closes a case as settled": (
        "said.py",
        "    elif role is opener:\n        turn.note",
        "    elif True:\n        turn.note",
    ),
    "the first reviewer reconsiders": (
        "staff.py",
        "if case.reconsidered and fact.by in case.reviewers:",
        "if False:",
    ),
    "an outcome needs no grounds": ("staff.py", "if not fact.grounds.strip():", "if False:"),
    "a release cannot be taken back": (
        "staff.py",
        "        stages.take_back_release(turn, armed)\n",
        "        pass\n",
    ),
    "the notice names nobody's role, but goes to the opener": (
        "stages.py",
        'ask(turn, role, "notice", sending, {"opener_role": str(role.other)})',
        'ask(turn, role.other, "notice", sending, {"opener_role": str(role.other)})',
    ),
    "the worker's calendar serves both": (
        "turn.py",
        "return self.policy.calendar(self.case.party(role).zone if role else None)",
        "return self.policy.calendar(self.case.worker.zone if role else None)",
    ),
    "a closing forgets a threat nobody looked at": (
        "stages.py",
        '("danger", "mail:", "subject:", "bounce:")',
        '("mail:", "subject:", "bounce:")',
    ),
    "what waits for staff has no clock": (
        "waiting.py",
        "    _arrange_staff_clock(turn)\n\n",
        "    pass\n\n",
    ),
}


def copy_to(folder: Path) -> Path:
    """The package and its tests, as they are, in `folder`."""
    skip = shutil.ignore_patterns("__pycache__", ".*", "mails", "letters", "triage")
    shutil.copytree(ROOT / "bot", folder / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def suites_pass(folder: Path) -> bool:
    """Whether the stories and histories pass there, against the package there."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SUITES]
    environ = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, check=False, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.slow
def test_without_a_bug_the_suites_pass(tmp_path: Path) -> None:
    assert suites_pass(copy_to(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_seen(bug: str, tmp_path: Path) -> None:
    name, right, wrong = BUGS[bug]
    file = copy_to(tmp_path) / "bot" / "flows" / "decide" / name
    source = file.read_text(encoding="utf-8")
    assert source.count(right) >= 1, f"the bug no longer fits {name}: {right}"
    file.write_text(source.replace(right, wrong, 1), encoding="utf-8")
    assert not suites_pass(tmp_path), f"nobody sees it: {bug}"


def test_the_planted_bugs_still_fit_the_source() -> None:
    folder = ROOT / "bot" / "flows" / "decide"
    lost = [bug for bug, (name, right, _) in BUGS.items() if right not in (folder / name).read_text(encoding="utf-8")]
    assert not lost
