"""docs/rights.md and rights/policies.cedar say the same; a policy that is wrong is found."""

from __future__ import annotations

import re
from pathlib import Path

import cedarpy
import pytest

from domain.actor import Action, Actor, Persona, PersonId
from domain.decision import Context
from domain.errors import Forbidden
from domain.people import Person, acting, require
from domain.people_commands import DELEGATION_DAYS_MAX, DELEGATIONS_MAX
from rights.cedar import CedarRights, packaged_policies
from tests.domain.specs import CHECKOUT, LEAD, NOW, ORGANIZATION, OWNER
from tests.rights.rights_table import PAGE, actions_of, differences, rows

TEXT = PAGE.read_text(encoding="utf-8")
POLICIES = packaged_policies()
SCHEMA = (Path(__file__).parents[2] / "rights" / "schema.cedarschema").read_text(encoding="utf-8")
EACH_POLICY = re.findall(r'^@id\("(.+?)"\)\n(.+?^\}?.*?;)$', POLICIES, re.MULTILINE | re.DOTALL)


def first_difference(policies: str, actions: list[Action], text: str = TEXT) -> str | None:
    return next(differences(text, CedarRights(policies), actions), None)


def test_the_page_and_the_policies_agree_in_every_case() -> None:
    assert set(rows(TEXT)) == set(Action)
    assert list(differences(TEXT, CedarRights())) == []


@pytest.mark.parametrize(("name", "body"), EACH_POLICY, ids=[name for name, _ in EACH_POLICY])
def test_each_policy_would_be_missed(name: str, body: str) -> None:
    without = POLICIES.replace(f'@id("{name}")\n{body}', "")
    assert len(without) < len(POLICIES)
    assert first_difference(without, actions_of(body))


SOME_ACTIONS = [Action.DECIDE_SCHEDULE, Action.DECIDE_RESCHEDULE, Action.CLOSE_MONTH, Action.VIEW_WORKLOAD]
"""One of each kind; they differ wherever one of these policies is wrong."""
WRONG = [
    ("every permit without its conditions", r"(permit [^;]+?)\nwhen \{.+?\};", r"\1;"),
    ("a delegate with the rights of an office", r"!context\.delegated && ", ""),
    ("a stand-in who need not wait", r"context\.stand_in && ", ""),
    ("a portfolio owner without a portfolio", r"resource in principal\.portfolio_owner", "true"),
    ("only one's own node", r"resource in principal\.(\w+)", r"principal.\1.contains(resource)"),
    ("another persona", r"principal\.department_owner", "principal.bu_owner"),
    ("a submitter who decides through a delegate", r"context\.submitted_by\.contains\(principal\) \|\| ", ""),
    ("a delegate who decides on what they submitted", r" \|\| context\.submitted_by\.contains\(context\.actor\)", ""),
    ("decisions on one's own reschedule", r'    Action::"decide_reschedule",\n', ""),
    ("another action", r'Action::"close_month"', 'Action::"manage_credits"'),
]


@pytest.mark.parametrize(("pattern", "planted"), [wrong[1:] for wrong in WRONG], ids=[wrong[0] for wrong in WRONG])
def test_a_wrong_policy_would_be_found(pattern: str, planted: str) -> None:
    policies, count = re.subn(pattern, planted, POLICIES, flags=re.DOTALL)
    assert count
    assert first_difference(policies, SOME_ACTIONS)


def test_a_wrong_cell_would_be_found() -> None:
    row = next(line for line in TEXT.splitlines() if "`close_month`" in line)
    wrong = TEXT.replace(row, row[::-1].replace("–", "yes"[::-1], 1)[::-1])
    assert first_difference(POLICIES, [Action.CLOSE_MONTH], wrong)
    with pytest.raises(ValueError, match="does not explain"):
        rows(TEXT.replace(row, row.replace("yes", "perhaps")))


@pytest.mark.parametrize(
    ("by", "submitted_by"), [(OWNER, ()), (LEAD, (LEAD.person_id,))], ids=["NotGranted", "OwnSubmission"]
)
def test_refusals_read_as_the_page_says(by: Actor, submitted_by: tuple[PersonId, ...]) -> None:
    context = Context(NOW, by, ORGANIZATION, {}, CedarRights())
    with pytest.raises(Forbidden) as refused:
        require(context, Action.DECIDE_SCHEDULE, CHECKOUT, submitted_by=submitted_by)
    assert f"| `{refused.value.code}` | `{refused.value.message}` |" in TEXT


def test_the_refusal_of_somebody_deactivated_reads_as_the_page_says() -> None:
    with pytest.raises(Forbidden) as refused:
        acting(OWNER.person_id, Person(deactivated=True))
    assert f"| `{refused.value.code}` | `{refused.value.message}` |" in TEXT


def test_the_page_states_the_limits_of_delegation() -> None:
    limits = f"at most {DELEGATION_DAYS_MAX} days long, and a person may have at most {DELEGATIONS_MAX} of them"
    assert limits in " ".join(TEXT.split())


def test_every_policy_of_the_file_was_looked_at() -> None:
    assert (
        len(EACH_POLICY) == POLICIES.count("@id(") == len(re.findall(r"^(?:permit|forbid) \(", POLICIES, re.MULTILINE))
    )
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name, _ in EACH_POLICY)


def test_the_policies_keep_to_their_schema() -> None:
    result = cedarpy.validate_policies(POLICIES, SCHEMA)
    assert result.errors == []
    assert result.validation_passed
    declared = set(re.findall(r'"(\w+)"', SCHEMA.split("\naction\n", 1)[1]))
    assert declared == set(Action)
    assert set(re.findall(r"^  (\w+): Set<Node>,$", SCHEMA, re.MULTILINE)) == set(Persona)


@pytest.mark.parametrize(
    ("right", "misspelt"),
    [
        ('Action::"close_month"', 'Action::"close_months"'),
        ("principal.product_owner", "principal.product_owners"),
        ("context.stand_in", "context.standin"),
        ("resource in", "resource =="),
    ],
)
def test_a_misspelt_policy_breaks_the_schema(right: str, misspelt: str) -> None:
    assert right in POLICIES
    assert not cedarpy.validate_policies(POLICIES.replace(right, misspelt), SCHEMA).validation_passed
