"""What the Temporal UI shows of an account that waits for an allocation: whole, short, harmless, ready to send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account_facts import Occasion
from domain.account_process import ALIGNMENT_UPDATES, AlignmentRound, AlignmentView
from domain.alignment_texts import (
    INPUT_BYTES_MAX,
    NAME_CHARS_SHOWN_MAX,
    TABLE_BYTES_MAX,
    alignment_details,
    alignment_static_details,
    alignment_summary,
    waiting_summary,
)
from domain.allocation import SHARES_MAX
from domain.hierarchy import NODE_NAME_CHARS_MAX, NodePath, node_name_problem
from domain.process_texts import REFUSAL_CHARS_MAX, SUMMARY_BYTES_MAX
from domain.schedule_texts import DETAILS_BYTES_MAX
from tests.domain.alignment_texts_given import ID, ROUND, SINCE, VIEW, details_of, inputs_of

WAITING = """### shop\\-prod

AWS account 100000000001, occasion 2. **ALIGNED**. It was moved to another organizational unit. It is the turn of the \
**financial admin**, since 2026-05-04 10:12 UTC.

In `/Workloads/Production`, ACTIVE; joined 2026-04-04 10:12 UTC.

- Next reminder: 2026-05-06 10:12 UTC (2 so far).
- Waits until 2026-05-11 10:12 UTC: the cloud engineers have the task, too, from then on.

**Allocated from 2026-04-04, Production**

| Product | % |
| --- | ---: |
| Retail/Digital/Web/Checkout | 60 |
| Retail/Digital/Web/Search | 40 |

**Proposal 3 by the rule web, Pre\\-Production**

| Product | % |
| --- | ---: |
| Retail/Digital/Web/Checkout | 66.6667 |
| Retail/Digital/Web/Search | 33.3333 |

Last look: There is nothing new to propose.

Decide with `allot account`, or where signals are accepted, by one of these:

Signal `accept`: the account is allocated as proposed

```json
{
  "actor": "you@example.com",
  "proposal": 3
}
```

Signal `decline`: it is not, with a reason

```json
{
  "actor": "you@example.com",
  "proposal": 3,
  "reason": "Why it is not allocated like that"
}
```

Signal `allocate`: a Financial Admin, or for the first time a Cloud Engineer, allocates the account

```json
{
  "actor": "you@example.com",
  "account_type": "Pre-Production",
  "shares": [
    {
      "product": "Retail/Digital/Web/Checkout",
      "percent": "66.6667"
    },
    {
      "product": "Retail/Digital/Web/Search",
      "percent": "33.3333"
    }
  ]
}
```

Signal `propose`: either of them suggests an allocation, for somebody else to decide on

```json
{
  "actor": "you@example.com",
  "account_type": "Pre-Production",
  "shares": [
    {
      "product": "Retail/Digital/Web/Checkout",
      "percent": "66.6667"
    },
    {
      "product": "Retail/Digital/Web/Search",
      "percent": "33.3333"
    }
  ]
}
```

**Refused messages: 7**, the last ones first:

- six
- five
- four
- three
- two \\<b\\>"""


def test_details_of_an_account_that_waits_for_a_decision_on_a_proposal() -> None:
    assert details_of("one", "two <b>", "three", "four", "five", "six") == WAITING


FIRST = {
    "reason": Occasion.FIRST_SIGHT,
    "lifecycle": "VENDED",
    "allocated": False,
    "proposal": 0,
    "proposed_type": "",
    "proposed_shares": {},
    "proposed_by_rule": "",
    "reminders": 0,
    "refusals": 0,
}


def test_details_of_a_new_account_that_no_rule_takes() -> None:
    details = details_of(**FIRST, looked="No rule takes this account; somebody has to allocate it.")

    assert "**VENDED**. It is new. It is the turn of the **financial admin**, since 2026-05-04 10:12 UTC." in details
    assert "- Next reminder: 2026-05-06 10:12 UTC.\n" in details
    assert "Last look: No rule takes this account; somebody has to allocate it." in details
    assert "Proposal" not in details
    assert "Allocated from" not in details
    assert "Refused" not in details
    assert inputs_of(details) == {
        name: {
            "actor": "you@example.com",
            "account_type": "Production",
            "shares": [{"product": "Business Unit/Department/Portfolio/Product", "percent": "100"}],
        }
        for name in ("allocate", "propose")
    }


def test_what_is_proposed_by_somebody_names_nobody() -> None:
    assert "**Proposal 3, Pre\\-Production**" in details_of(proposed_by_rule="")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Occasion.FIRST_SIGHT, "It is new."),
        (Occasion.MOVED, "It was moved to another organizational unit."),
        (Occasion.RETURNED, "It came back into the organization."),
        (Occasion.TAGS_CHANGED, "Its tags were changed."),
        (Occasion.PROPOSED, "Another allocation was proposed."),
        (Occasion.SPENDING, "It spends, and the money belongs to nobody's budget."),
        ("of *later*", "of \\*later\\*."),
    ],
)
def test_each_occasion_says_why_somebody_is_asked(reason: str, words: str) -> None:
    assert f"**ALIGNED**. {words} It is the turn" in details_of(reason=reason)


def test_every_occasion_has_its_words() -> None:
    assert not [reason for reason in Occasion if f"**ALIGNED**. {reason}." in details_of(reason=reason)]


def test_an_occasion_that_is_over_says_so_and_takes_nothing() -> None:
    closed = details_of(open=False, lifecycle="CLOSED", state="CLOSED", since=None, awaiting="", proposal=0)
    gone_on = alignment_details(VIEW, (), AlignmentRound(account_id=ID, occasion=1))
    for details, occasion, state in ((closed, 2, "CLOSED"), (gone_on, 1, "ALIGNED")):
        assert f"occasion {occasion}. Occasion {occasion} is over. The account is **{state}**." in details
        assert "**Allocated from 2026-04-04, Production**" in details
        assert "**Refused messages: 7**" in details
        for word in ("turn", "Signal", "Proposal", "reminder", "Waits until", "Last look"):
            assert word not in details, word


def test_before_the_ledger_was_asked_nothing_is_claimed() -> None:
    unknown = AlignmentView(account_id=ID, occasion=2, refusals=1)
    assert alignment_details(unknown, ["odd"], ROUND) == (
        "### an account\n\nAWS account 100000000001, occasion 2. How it stands is being asked of the ledger.\n\n"
        "**Refused messages: 1**, the last ones first:\n\n- odd"
    )


def test_an_account_that_only_its_bill_knows() -> None:
    unseen = {"name": "", "state": "", "ou_path": "", "joined_at": None, "known": False}
    details = details_of(**FIRST | unseen | {"reason": Occasion.SPENDING, "lifecycle": "UNKNOWN_TO_ORGANIZATIONS"})

    assert details.startswith("### an account\n\nAWS account 100000000001, occasion 2. **UNKNOWN_TO_ORGANIZATIONS**.")
    assert "AWS Organizations has never shown this account: only its bill is known." in details
    assert "has never shown this account.\n" in details_of(known=False, open=False)


def test_an_account_at_the_root_of_which_no_more_is_known() -> None:
    assert "In `/`, UNKNOWN." in details_of(ou_path="", state="UNKNOWN", joined_at=None)


def test_times_of_an_account_that_has_waited_too_long() -> None:
    escalated = details_of(escalated=True, escalate_at=None)
    assert (
        "- Next reminder: 2026-05-06 10:12 UTC (2 so far).\n- Escalated: the cloud engineers have the task, too.\n"
        in (escalated)
    )
    assert "Waits until" not in escalated
    assert "- Reminded 400 times.\n" in details_of(reminders=400, remind_at=None)
    assert "eminde" not in details_of(reminders=0, remind_at=None)


def test_a_turn_of_which_the_beginning_is_not_known() -> None:
    assert "It is the turn of the **financial admin**.\n" in details_of(since=None)
    assert "turn" not in details_of(awaiting="").partition("Decide with")[0]


# Summaries, and what stands there for good


def test_each_process_says_what_it_is_about() -> None:
    assert alignment_summary(ROUND) == "Align account 100000000001 with a budget, occasion 2"
    assert alignment_static_details(ROUND) == (
        "Which products does the spend of AWS account **100000000001** belong to? Asked for the second time.\n\n"
        "An account that was expected is allocated at once; else the first rule that fits suggests an allocation, or "
        "applies it; else a Financial Admin has the task, with reminders and escalation. *Current details* say how it "
        "stands and what can be sent. All of it stands in the ledger: `allot audit 100000000001`."
    )


@pytest.mark.parametrize(
    ("occasion", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (20, "20th"),
        (21, "21st"),
        (22, "22nd"),
        (23, "23rd"),
        (101, "101st"),
        (111, "111th"),
    ],
)
def test_occasions_are_counted_in_english(occasion: int, words: str) -> None:
    details = alignment_static_details(AlignmentRound(account_id=ID, occasion=occasion))
    assert f"Asked for the {words} time." in details


def test_what_time_does_is_announced_in_one_line() -> None:
    assert waiting_summary("remind", SINCE, 3) == "2026-05-04 10:12 UTC: remind the financial admins (reminder 3)"
    escalate = waiting_summary("escalate", SINCE, 0)
    assert escalate == "2026-05-04 10:12 UTC: ask the cloud engineers, too, because nobody has allocated it"
    assert len(escalate.encode()) <= SUMMARY_BYTES_MAX


# Limits, and text of others


def products(number: int, name: str = "a product with a name of usual length") -> dict[str, str]:
    """Shares of so many products; the first one has the most."""
    paths = [NodePath(("Retail", "Digital", "Web", f"{name} {one:03}"[-NODE_NAME_CHARS_MAX:])) for one in range(number)]
    return {str(path): "1" for path in paths[1:]} | {str(paths[0]): str(101 - number)}


def test_of_many_products_the_largest_are_shown_and_the_rest_is_counted() -> None:
    details = details_of(shares=products(SHARES_MAX), proposal=0)
    rows = [line for line in details.splitlines() if line.startswith("| Retail")]
    more = SHARES_MAX - len(rows)

    assert len(rows) > 20
    assert sum(len(row.encode()) for row in rows) <= TABLE_BYTES_MAX
    assert f"| *and {more} more* | {more} |" in details
    few = details_of(shares=products(20), proposal=0)
    assert sum(line.startswith("| Retail") for line in few.splitlines()) == 20
    assert "more*" not in few
    first = details_of(shares=products(60, "x") | {"A/B/C/D": "50.5"}, proposal=0).partition("| ---: |\n")[2]
    assert first.startswith("| A/B/C/D | 50.5 |")


def test_one_product_is_shown_whatever_its_name_takes() -> None:
    longest = str(NodePath(("\N{SNOWMAN}" * NODE_NAME_CHARS_MAX,) * 4))
    details = details_of(shares={longest: "99.9999", "A/B/C/D": "0.0001"})
    assert f"| {longest[: REFUSAL_CHARS_MAX - 1]}… | 99.9999 |\n| A/B/C/D | 0.0001 |" in details


def test_a_split_that_is_too_long_to_be_shown_is_to_be_filled_in() -> None:
    fits = inputs_of(details_of(proposed_shares=products(10)))
    too_long = inputs_of(details_of(proposed_shares=products(SHARES_MAX)))

    assert len(fits["allocate"]["shares"]) == 10
    for name in ("allocate", "propose"):
        assert too_long[name]["shares"] == [{"product": "Business Unit/Department/Portfolio/Product", "percent": "100"}]
    assert too_long["accept"] == {"actor": "you@example.com", "proposal": 3}


@pytest.mark.parametrize("text", ["<" * 2_000, "\N{SNOWMAN}" * 2_000, "\U0001f600" * 2_000, "`" * 2_000, "x" * 2_000])
@pytest.mark.parametrize("number", [1, 2, SHARES_MAX])
def test_details_never_exceed_what_the_server_keeps(text: str, number: int) -> None:
    name = text[: NODE_NAME_CHARS_MAX - 4]
    longest = {str(NodePath((name, name, name, f"{name}{one:03}"))): "99.9999" for one in range(number)}
    details = details_of(
        *([text] * 9),
        name=text,
        ou_path=text,
        state=text,
        reason=text,
        looked=text,
        shares=longest,
        proposed_shares=longest,
        proposed_by_rule=text[:100],
        refusals=9_999,
        escalated=True,
    )

    assert len(details.encode()) <= DETAILS_BYTES_MAX
    assert set(inputs_of(details)) == {"accept", "decline", "allocate", "propose"}


def test_the_limits_leave_room_for_everything_else() -> None:
    assert 2 * (TABLE_BYTES_MAX + INPUT_BYTES_MAX) < DETAILS_BYTES_MAX / 2


def test_names_of_others_cannot_format_the_page() -> None:
    details = details_of(
        name="<b>|shop|",
        ou_path="/`x`/<i>\n# y",
        state="[A](http://bad.example)",
        proposed_by_rule="*web*",
        shares={"R/D/W/a|b": "100"},
        looked="# no",
    )

    assert details.startswith("### \\<b\\>\\|shop\\|\n\n")
    assert "In `/\N{REPLACEMENT CHARACTER}x\N{REPLACEMENT CHARACTER}/<i>\N{REPLACEMENT CHARACTER}# y`, " in details
    assert "\\[A\\]\\(http\\://bad.example\\); joined" in details
    assert "by the rule \\*web\\*, " in details
    assert "| R/D/W/a\\|b | 100 |" in details
    assert "Last look: \\# no" in details


def test_names_are_cut_where_they_are_too_long() -> None:
    assert f"### {'x' * NAME_CHARS_SHOWN_MAX}\n" in details_of(name="x" * NAME_CHARS_SHOWN_MAX)
    assert f"### {'x' * (NAME_CHARS_SHOWN_MAX - 1)}…\n" in details_of(name="x" * (NAME_CHARS_SHOWN_MAX + 1))
    assert f"In `{'y' * 300}`" in details_of(ou_path="y" * 301)


NAMES = (
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)
    .map(str.strip)
    .filter(lambda name: node_name_problem(name) is None)
)


@given(NAMES, NAMES)
def test_whatever_a_product_is_called_its_json_can_be_read(name: str, rule: str) -> None:
    product = str(NodePath(("Retail", "Digital", "Web", name)))
    inputs = inputs_of(details_of(proposed_shares={product: "100"}, proposed_by_rule=rule, name=name, looked=name))

    assert set(inputs) == set(ALIGNMENT_UPDATES)
    assert inputs["allocate"]["shares"] == [{"product": product, "percent": "100"}]
