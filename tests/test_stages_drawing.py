"""docs/stages.md is what `decide` does: drawn anew, it must be the same."""

from bot.flows.case import Stage
from tests.draw_stages import FILE, arrows, drawing


def test_the_stage_diagram_in_the_docs_is_what_decide_does() -> None:
    assert FILE.read_text(encoding="utf-8") == drawing(), "draw it anew: .venv/bin/python -m tests.draw_stages"


def test_the_diagram_shows_every_stage_with_a_way_in_and_a_way_out() -> None:
    found = arrows()
    assert {after for _, after, _ in found} == set(Stage)
    assert {before for before, _, _ in found} == {None, *Stage}


def test_only_a_person_the_answer_or_settling_leaves_an_impasse() -> None:
    ways = {(after, words.split()[0]) for before, after, words in arrows() if before is Stage.IMPASSE}
    assert {word for _, word in ways} <= {"a", "said", "the"}
    assert (Stage.REVIEW, "the") not in {way for way in ways if way[0] is Stage.CLOSED}
