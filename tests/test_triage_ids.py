"""Assignment IDs: every way people write one, and every number that only looks like one."""

import pytest

from bot.flows.triage import read
from tests.triage.corpus import mail_of


def ids(text: str, subject: str = "", **headers: str) -> list[str]:
    return list(read(mail_of(text, subject, **headers)).assignment_ids)


@pytest.mark.parametrize(
    "written",
    [
        "4412338890",
        "#4412338890",
        "WM4412338890",
        "WM-4412338890",
        "WM 441 233 8890",
        "WO#4412338890",
        "WO# 4412-338-890",
        "wo:4412338890",
        "W.O. 4412338890",
        "assignment 44 1233 8890",
        "assigment id: 4412338890.",
        "(4412338890)",
        "Assignment Number 4412338890,",
        "work order #4412338890!",
        "4412 338 890",
        "job nr. 4412338890",
        "https://market.example/assignments/details/4412338890?tab=1",
        "https://track.example/c?u=https%3A%2F%2Fmarket.example%2Fassignments%2Fdetails%2F4412338890",
        "el trabajo 4412338890",
        "Auftrag Nr. 4412338890",
    ],
)
def test_an_id_is_found_however_it_is_written(written: str) -> None:
    assert ids(f"They have not paid me for {written} and do not answer") == ["4412338890"]


@pytest.mark.parametrize(
    "written",
    [
        "my phone 4412338890",
        "call me at 441-233-8890",
        "(441) 233-8890",
        "441-233-8890",
        "441.233.8890",
        "+1 441 233 8890",
        "1-441-233-8890",
        "invoice 4412338890",
        "Invoice #4412338",
        "PO number is 4412338890",
        "order 4412338890",
        "case 4412338",
        "ticket #4412338890",
        "[Ticket: 4412338890]",
        "tracking number 4412338890",
        "zip 606011234",
        "60601-1234",
        "2026-03-12",
        "03-12-2026",
        "20260312",
        "$4412338",
        "4412338.50",
        "1,250,000",
        "4412338 dollars",
        "44123",
        "44123388901",
        "account 998877665",
        "SSN 123-45-6789",
        "sam4412338890@mail.example",
        "https://files.example/4412338890.zip",
        "serial 4412338890",
        "D-1042",
        "IMG_20260302_101455",
    ],
)
def test_other_numbers_are_no_ids(written: str) -> None:
    assert ids(f"They have not paid me and do not answer, {written} thanks") == []


def test_a_list_of_ids_is_read_whole() -> None:
    assert ids("assignments 4412338890, 4412338891 and 4412338892 are unpaid") == [
        "4412338890",
        "4412338891",
        "4412338892",
    ]


def test_a_list_of_invoices_is_left_alone_whole() -> None:
    assert ids("Invoices 441233, 441234 and 441235 are unpaid") == []


def test_what_people_call_a_work_order_is_an_id_and_a_purchase_order_is_none() -> None:
    assert ids("Work order 4412338890, purchase order 4412338891") == ["4412338890"]


def test_an_id_is_found_in_the_subject_a_link_a_quote_and_a_file_name() -> None:
    assert ids("not paid", "Re: 4412338890") == ["4412338890"]
    assert ids("not paid", link="https://market.example/assignments/details/4412338890") == ["4412338890"]
    assert ids("not paid\n| assignment 4412338890") == ["4412338890"]
    assert ids("not paid", attachment="WM_4412338890_signed.pdf") == ["4412338890"]


def test_the_date_in_a_file_name_is_no_id() -> None:
    assert ids("not paid", attachment="IMG_20260302_101455.jpg") == []


def test_an_id_written_twice_counts_once_and_says_where_it_stood_first() -> None:
    reading = read(mail_of("not paid: WM-4412338890", "4412338890"))
    assert reading.assignment_ids == ("4412338890",)
    assert [reason.where for reason in reading.reasons if reason.about == "assignment_ids"] == ["subject"]


def test_numbers_in_spam_are_no_ids() -> None:
    text = "We offer SEO services and backlinks, limited time, reference 4412338890. Schedule a call: 4412338891"
    assert ids(text) == []
