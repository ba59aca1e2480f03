"""What the stand-in thinks of blocks, views and mrkdwn: it refuses and counts as Slack does."""

import pytest

from bot.sandbox.slack import checks, forms, mrkdwn
from bot.sandbox.slack.shapes import Json, Obj, objs


def plain(words: str) -> Obj:
    return {"type": "plain_text", "text": words}


def section(words: str = "x", **more) -> Obj:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words}, **more}


def button(action: str = "go", **more) -> Obj:
    return {"type": "button", "action_id": action, "text": plain("Go"), **more}


def option(value: str) -> Obj:
    return {"text": plain(value), "value": value}


def select(**more) -> Obj:
    return {"type": "static_select", "action_id": "pick", "options": [option("a"), option("b")], **more}


def field(element: Obj, **more) -> Obj:
    return {"type": "input", "label": plain("Label"), "element": element, **more}


def rich(*leaves: dict) -> Obj:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(leaves)}]}


def modal(*blocks: dict, **more) -> Obj:
    return {"type": "modal", "title": plain("Title"), "submit": plain("Send"), "blocks": list(blocks), **more}


GOOD: dict[str, Json] = {
    "section": section("x" * 3000),
    "fields": {"type": "section", "fields": [plain("x")] * 10},
    "accessory": section(accessory=select(placeholder=plain("Choose"))),
    "header": {"type": "header", "text": plain("x" * 150)},
    "actions": {"type": "actions", "elements": [button(str(n), value="v" * 2000) for n in range(25)]},
    "context": {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 10},
    "image": {"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x"},
    "overflow": section(accessory={"type": "overflow", "action_id": "o", "options": [option("a")]}),
    "rich": rich({"type": "text", "text": "x", "style": {"bold": True}}, {"type": "user", "user_id": "U1"}),
    "list": {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "x"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x"}], "border": 0},
        ],
    },
    "divider": {"type": "divider", "block_id": "d"},
}
BAD: dict[str, tuple[Json, str]] = {
    "no type": ({"text": plain("x")}, "missing required field: type [json-pointer:/blocks/0]"),
    "odd type": ({"type": "banner"}, "unsupported type: banner"),
    "section too long": (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    "empty text": (section(""), "must be more than 0 characters"),
    "section of nothing": ({"type": "section"}, "missing required field: text or fields"),
    "field too long": ({"type": "section", "fields": [plain("x" * 2001)]}, "must be less than 2001 characters"),
    "eleven fields": ({"type": "section", "fields": [plain("x")] * 11}, "no more than 10 items allowed"),
    "header of mrkdwn": ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "unsupported type: mrkdwn"),
    "header too long": ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters"),
    "button text": ({"type": "actions", "elements": [{**button(), "text": plain("x" * 76)}]}, "less than 76"),
    "button value": ({"type": "actions", "elements": [button(value="v" * 2001)]}, "less than 2001 characters"),
    "button style": ({"type": "actions", "elements": [button(style="green")]}, "must be one of: primary, danger"),
    "action id": ({"type": "actions", "elements": [button("a" * 256)]}, "must be less than 256 characters"),
    "block id": ({"type": "divider", "block_id": "b" * 256}, "must be less than 256 characters"),
    "same action twice": ({"type": "actions", "elements": [button(), button()]}, "`action_id` already exists: go"),
    "26 actions": ({"type": "actions", "elements": [button(str(n)) for n in range(26)]}, "no more than 25 items"),
    "no actions": ({"type": "actions", "elements": []}, "must have at least 1 item"),
    "11 in context": ({"type": "context", "elements": [plain("x")] * 11}, "no more than 10 items allowed"),
    "input in actions": (
        {"type": "actions", "elements": [{"type": "plain_text_input", "action_id": "t"}]},
        "unsupported type: plain_text_input for actions block",
    ),
    "button in input": (field(button()), "unsupported type: button for input block"),
    "101 options": (field(select(options=[option(str(n)) for n in range(101)])), "no more than 100 items allowed"),
    "no options": (field({"type": "static_select", "action_id": "p"}), "exactly one of options and option_groups"),
    "option value": (field(select(options=[option("v" * 151)])), "must be less than 151 characters"),
    "same value twice": (field(select(options=[option("a"), option("a")])), "option values must be unique"),
    "odd initial": (field(select(initial_option=option("c"))), "initial option must match one of the options"),
    "placeholder": (field(select(placeholder=plain("x" * 151))), "must be less than 151 characters"),
    "odd property": (section(colour="red"), "invalid additional property: colour"),
    "emoji in mrkdwn": (
        {"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}},
        "invalid additional property: emoji",
    ),
    "rich without type": (rich({"text": "x"}), "missing required field: type"),
    "rich of blocks": ({"type": "rich_text", "elements": [section()]}, "unsupported type: section"),
    "rich empty text": (rich({"type": "text", "text": ""}), "must be more than 0 characters"),
    "not an object": ("words", "must be an object"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_blocks_pass(name: str) -> None:
    assert checks.message_blocks([GOOD[name]]) == ()


@pytest.mark.parametrize("name", BAD)
def test_bad_blocks_are_refused_with_the_place(name: str) -> None:
    block, said = BAD[name]
    problems = checks.message_blocks([block])
    assert any(said in problem for problem in problems), problems


def test_a_message_has_fifty_blocks_and_a_block_id_once() -> None:
    assert checks.message_blocks([section()] * 50) == ()
    assert "no more than 50 items allowed" in checks.message_blocks([section()] * 51)[0]
    twice: list[Json] = [{"type": "divider", "block_id": "d"}] * 2
    assert "`block_id` already exists: d" in checks.message_blocks(twice)[0]


def test_the_same_action_id_may_stand_in_two_blocks() -> None:
    assert checks.message_blocks([{"type": "actions", "elements": [button()]}] * 2) == ()


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (modal(section()), ""),
        (modal(*[section()] * 100), ""),
        (modal(*[section()] * 101), "no more than 100 items allowed"),
        ({"title": plain("T"), "blocks": []}, "missing required field: type [json-pointer:/view]"),
        ({"type": "modal", "blocks": []}, "missing required field: title"),
        (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(close=plain("x" * 25)), "must be less than 25 characters"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters"),
        (modal(callback_id="x" * 256), "must be less than 256 characters"),
        (modal(hash="1"), "invalid additional property: hash"),
        ({"type": "home", "blocks": []}, "unsupported type: home"),
        (
            {"type": "modal", "title": plain("T"), "blocks": [field({"type": "plain_text_input", "action_id": "t"})]},
            "missing required field: submit",
        ),
        (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown"),
    ],
)
def test_modals_are_held_to_their_shape(view: Obj, said: str) -> None:
    problems = checks.view(view, "modal")
    assert any(said in problem for problem in problems) if said else problems == ()


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"event_type": "outbox", "event_payload": {"key": "k"}}, ""),
        ({"event_type": "outbox"}, "invalid_metadata_format"),
        ({"event_type": "outbox", "event_payload": "k"}, "invalid_metadata_format"),
        ({"event_type": "outbox", "event_payload": {}, "extra": 1}, "invalid_metadata_format"),
        ({"event_type": "outbox", "event_payload": {"key": "k" * 20_000}}, "metadata_too_large"),
    ],
)
def test_metadata_is_a_type_and_a_payload(metadata: Obj, error: str) -> None:
    assert checks.metadata(metadata) == error


@pytest.mark.parametrize(
    ("words", "parse", "who"),
    [
        ("hello", "full", []),
        ("&lt;!channel&gt;", "full", []),
        ("<!channel> and <!here|here>", "none", ["channel", "here"]),
        ("<@U1> <!subteam^S1|@staff>", "none", ["U1", "S1"]),
        ("@here @ana", "none", []),
        ("@here @ana", "full", ["here", "U0ANA"]),
        ("@everyone", "client", ["everyone"]),
        ("mail ana@here.example", "full", []),
        ("<https://a.example|@channel>", "none", []),
    ],
)
def test_who_is_notified_by_a_text(words: str, parse: str, who: list[str]) -> None:
    assert [m.who for m in mrkdwn.mentions(words, parse=parse, names={"ana": "U0ANA"})] == who


def test_plain_text_and_rich_text_words_notify_nobody_and_link_nowhere() -> None:
    words = "<!channel> <@U1> @here <https://evil.example|bank>"
    blocks: list[Json] = [{"type": "section", "text": plain(words)}, rich({"type": "text", "text": words})]
    assert mrkdwn.mentions_in_blocks(blocks, {"ana": "U1"}) == ()
    assert mrkdwn.links_in_blocks(blocks) == ()


def test_mrkdwn_and_rich_text_mentions_notify() -> None:
    blocks: list[Json] = [
        section("<!here>"),
        rich({"type": "broadcast", "range": "channel"}, {"type": "user", "user_id": "U1"}),
    ]
    assert [m.who for m in mrkdwn.mentions_in_blocks(blocks, {})] == ["here", "channel", "U1"]
    assert mrkdwn.links_in_blocks([section("<https://evil.example|bank>")])[0].label == "bank"


def test_what_a_person_types_is_escaped_and_linked() -> None:
    body, block = mrkdwn.typed("@ana: a<b, see https://a.example/x or w@a.example", {"ana": "U1"})
    assert body == "<@U1>: a&lt;b, see <https://a.example/x> or <mailto:w@a.example|w@a.example>"
    leaves = objs(objs(block, "elements")[0], "elements")
    assert [leaf["type"] for leaf in leaves] == ["user", "text", "link", "text", "link"]


@pytest.mark.parametrize(
    ("element", "value", "state"),
    [
        ({"type": "plain_text_input"}, "hi", {"value": "hi"}),
        ({"type": "number_input", "is_decimal_allowed": False}, 4, {"value": "4"}),
        (select(), "b", {"selected_option": option("b")}),
        ({"type": "radio_buttons", "options": [option("a")]}, "a", {"selected_option": option("a")}),
        ({"type": "checkboxes", "options": [option("a")]}, ["a"], {"selected_options": [option("a")]}),
        ({"type": "users_select"}, "U1", {"selected_user": "U1"}),
        ({"type": "multi_users_select"}, ["U1"], {"selected_users": ["U1"]}),
        ({"type": "conversations_select"}, "C1", {"selected_conversation": "C1"}),
        ({"type": "datepicker"}, "2027-01-31", {"selected_date": "2027-01-31"}),
        ({"type": "timepicker"}, "09:30", {"selected_time": "09:30"}),
        ({"type": "datetimepicker"}, 1_800_000_000, {"selected_date_time": 1_800_000_000}),
        ({"type": "plain_text_input"}, "", {"value": None}),
    ],
)
def test_values_become_states(element: Obj, value: Json, state: Obj) -> None:
    assert forms.fill(element, value) == {"type": element["type"], **state}


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"type": "plain_text_input", "max_length": 3}, "long"),
        ({"type": "plain_text_input", "min_length": 3}, "a"),
        ({"type": "number_input", "is_decimal_allowed": False}, "4.5"),
        ({"type": "email_text_input"}, "nobody"),
        ({"type": "url_text_input"}, "nowhere"),
        (select(), "c"),
        ({"type": "datepicker"}, "31.1.2027"),
        ({"type": "timepicker"}, "25:00"),
        ({"type": "multi_static_select", "options": [option("a"), option("b")], "max_selected_items": 1}, ["a", "b"]),
    ],
)
def test_values_that_do_not_fit_are_refused(element: Obj, value: Json) -> None:
    with pytest.raises(forms.Unfit):
        forms.fill(element, value)
