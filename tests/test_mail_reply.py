"""The sender's new words: what the golden mails of `tests/mails` do not already show."""

import pytest

from bot.mail.reply import split


def new(text: str, subject: str = "Re: [D-1042] Rating", html: str | None = None) -> str | None:
    return split(text, html, subject)


def test_nothing_quoted_gives_nothing_even_with_a_signature():
    assert new("Hello\n\nDana\n-- \nTel. 555-201-4433") is None


def test_only_quotes_are_kept_whole():
    assert new("> all of it\n> is quoted") == "> all of it\n> is quoted"


@pytest.mark.parametrize(
    "introduction",
    [
        "On Mon, Feb 2, 2026 at 8:00 AM Parley <support@parley.example> wrote:",
        "On 2026-02-02 08:00, Parley wrote:",
        "On Mon, Feb 2, 2026 at 8:00 AM Parley Support\n<support@parley.example>\nwrote:",
        "Parley <support@parley.example> wrote on Mon, 2 Feb 2026:",
        "2026-02-02 8:00 GMT+01:00 Parley <support@parley.example>:",
        "Am 02.02.2026 um 08:00 schrieb Parley:",
        "Parley <support@parley.example> schrieb am Mo., 2. Feb. 2026, 08:00:",
        "Le 2 février 2026 à 08:00, Parley <support@parley.example> a écrit :",
        "El 2 de febrero de 2026, 8:00, Parley <support@parley.example> escribió:",
        "Il giorno 2 feb 2026, alle ore 08:00, Parley <support@parley.example> ha scritto:",
        "Op 2 februari 2026 om 08:00 schreef Parley <support@parley.example>:",
        "Em 2 de fev. de 2026 08:00, Parley <support@parley.example> escreveu:",
        "Den 2 feb. 2026 08:00 skrev Parley <support@parley.example>:",
        "-----Original Message-----\nFrom: Parley\nSent: Monday\nTo: Dana\nSubject: x",
        "-----Ursprüngliche Nachricht-----\nVon: Parley\nGesendet: Montag\nAn: Dana\nBetreff: x",
        "-------- Original message --------\nFrom: Parley <support@parley.example>\nDate: 2/2/26 8:00 AM (GMT-05:00)",
        "________________________________\nFrom: Parley\nSent: Monday\nTo: Dana\nSubject: x",
        "*From:* Parley\n*Sent:* Monday\n*To:* Dana\n*Subject:* x",
        "De : Parley\nEnvoyé : lundi\nÀ : Dana\nObjet : x",
        "De: Parley\nEnviado el: lunes\nPara: Dana\nAsunto: x",
        "Da: Parley\nInviato: lunedì\nA: Dana\nOggetto: x",
        "Van: Parley\nVerzonden: maandag\nAan: Dana\nOnderwerp: x",
        "Begin forwarded message:\n\nFrom: Parley\nSubject: x\nDate: Monday\nTo: Dana",
    ],
)
def test_what_stands_below_an_introduction_is_the_quote(introduction):
    assert new(f"My words.\n\n{introduction}\n\nTheir words.\nMore of them.") == "My words."


def test_answers_between_and_below_the_quotes_are_kept():
    assert new("> one?\nYes.\n\n> two?\nNo.\n\n> three") == "Yes.\n\nNo."


def test_an_old_style_header_block_above_marked_quotes_leaves_the_answer_below_them():
    text = "----- Original Message -----\nFrom: Parley\nTo: Dana\nSent: Monday\nSubject: x\n\n> words\n\nMy answer."
    assert new(text) == "My answer."


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from Yahoo Mail on Android <https://mail.example>",
        "Get Outlook for iOS<https://aka.example/o0ukef>",
        "Von meinem iPhone gesendet",
        "Gesendet von Outlook für Android",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da Outlook per iOS",
        "Verstuurd vanaf mijn iPhone",
        "Enviado do meu iPhone",
        "Sent with Proton Mail secure email.",
        "[cid:image001.png@01DA.A1B2]",
    ],
)
def test_what_a_mail_program_adds_is_left_out(line):
    assert new(f"My words.\n\n{line}\n\n> old") == "My words."


@pytest.mark.parametrize(
    "line",
    [
        "Sent from our warehouse on January 5, see the tracking.",
        "Call me at (555) 201-4433 before noon.",
        "4471829360",
        "https://market.example/assignments/details/4471829360",
        "01/15/2026",
        "the tech signed out at noon",
    ],
)
def test_what_a_person_may_well_have_typed_is_kept(line):
    assert new(f"Thanks,\nDana\n{line}\n\n> old") == f"Thanks,\nDana\n{line}"


def test_contact_lines_under_a_name_are_left_out_and_the_company_stays():
    signature = "Pat Lee\nRegional Manager\nLee Retail Inc.\n+1 555 201 4433\npat@client.example"
    text = f"It is paid.\n\nBest regards,\n{signature}\n\n> old"
    assert new(text) == "It is paid.\n\nBest regards,\nPat Lee\nLee Retail Inc."


def test_html_marks_win_over_the_lines_of_the_text_part():
    html = '<div>Mine.</div><blockquote type="cite">Theirs, without any mark in the text part.</blockquote>'
    assert new("Mine.\nTheirs, without any mark in the text part.", html=html) == "Mine."


def test_a_list_of_labels_in_the_senders_own_words_is_no_header_block():
    text = "Date: January 5\nTo: the client\nAmount: 250\n\n> old"
    assert new(text) == "Date: January 5\nTo: the client\nAmount: 250"
