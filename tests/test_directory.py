"""The import of the assignments' table: all of it or nothing, and every wrong line named."""

from datetime import date
from pathlib import Path

import pytest

from bot.directory import Directory, ImportRefused, read_csv
from bot.storage.schema import migrate
from bot.storage.store import Store

HEAD = "assignment_id,worker_name,worker_email,client_name,client_email"
ROW = "4471829360,Wanda Worker,Wanda@Worker.example,Carl Client,carl@client.example"


def refused(text: str) -> str:
    with pytest.raises(ImportRefused) as wrong:
        read_csv(text)
    return str(wrong.value)


def test_a_table_with_the_five_columns_is_read_and_addresses_are_lower_cased() -> None:
    (found,) = read_csv(f"{HEAD}\n{ROW}\n")
    assert found.listing.assignment_id == "4471829360"
    assert found.listing.worker_email == "wanda@worker.example"
    assert (found.listing.worker_zone, found.listing.due_on, found.amount) == (None, None, None)


def test_optional_columns_semicolons_and_a_byte_order_mark_are_understood() -> None:
    head, row = HEAD.replace(",", ";"), ROW.replace(",", ";")
    text = f"\ufeff{head};due_on;worker_zone;amount\n{row};2026-03-09;Europe/Berlin;120,00\n"
    (found,) = read_csv(text)
    assert (found.listing.due_on, found.listing.worker_zone) == (date(2026, 3, 9), "Europe/Berlin")
    assert found.amount == "120,00"


def test_every_wrong_line_is_named_with_what_would_be_right() -> None:
    text = f"{HEAD},worker_zone,due_on\n12,A,a@b.example,B,nobody,Europe/Berlinn,9.3.2026\n{ROW},,\n{ROW},,\n"
    said = refused(text)
    assert 'line 2: assignment_id "12": it should be 6 to 10 digits' in said
    assert 'client_email "nobody": it should be one mail address' in said
    assert "did you mean Europe/Berlin?" in said
    assert "it should be a date such as 2026-03-09" in said
    assert "line 4: assignment 4471829360 is there twice" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the column assignment_id is missing"),
        (f"{HEAD},phone\n", 'there is no column "phone"'),
        (f"{HEAD},client_name\n", "the column client_name is there twice"),
        (f"{HEAD}\n{ROW},more\n", "more cells than columns"),
        (f"{HEAD}\n4471829360,,w@x.example,C,c@x.example\n", "it should not be empty"),
        (f"{HEAD}\n4471829360,W,w@x.example,C,W@x.example\n", "the two sides need different addresses"),
        (f"{HEAD}\n4471829360,{'W' * 501},w@x.example,C,c@x.example\n", "at most 500 characters"),
        (HEAD + "\n" + "\n".join(["x"] * 40), "the reading stopped here"),
        (f'{HEAD}\n"{"x" * 200_000}', "not CSV"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(text: str, says: str) -> None:
    assert says in refused(text)


def test_an_import_replaces_known_rows_keeps_others_and_a_refused_one_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    migrate(url)
    store = Store(url)
    directory = Directory(store)
    assert directory.take_in(f"{HEAD}\n{ROW}\n8812345678,A,a@x.example,B,b@x.example\n") == 2
    assert directory.take_in(f"{HEAD}\n{ROW.replace('Carl', 'Carla')}\n") == 1
    with pytest.raises(ImportRefused):
        directory.take_in(f"{HEAD}\n8812345678,Z,z@x.example,B,b@x.example\n1,A,a@x.example,B,b@x.example\n")
    names = [
        (each.worker_name, each.client_name) for each in directory.look_up(("8812345678", "4471829360", "9999999"))
    ]
    assert names == [("A", "B"), ("Wanda Worker", "Carla Client")]
    store.close()
