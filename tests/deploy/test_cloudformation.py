"""The CloudFormation templates: valid, no wider than what the code calls, and in step with docs/aws-setup.md."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from embedded.process import ROOT
from tests.support.cloudformation import (
    ACCOUNT_TEMPLATES,
    TEMPLATES,
    Content,
    Deployment,
    Statement,
    statements,
    template,
)

SETUP = (ROOT / "docs" / "aws-setup.md").read_text(encoding="utf-8")
CFN_LINT = Path(sys.executable).parent / "cfn-lint"
REGIONS = ("us-east-1", "eu-west-1")
SETTINGS = {
    "ALLOT_ORGANIZATIONS_ROLE_ARN",
    "ALLOT_ORGANIZATIONS_EXTERNAL_ID",
    "ALLOT_ACCOUNT_EVENTS_QUEUE_URL",
    "ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL",
}
WITHOUT_RESOURCES = {
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "organizations:ListRoots",
}
"""AWS lists no resource types for these: a statement that names a resource would never allow them."""
ORGANIZATIONS_ACTIONS = WITHOUT_RESOURCES | {
    "organizations:DescribeAccount",
    "organizations:DescribeOrganizationalUnit",
    "organizations:ListAccountsForParent",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListParents",
    "organizations:ListTagsForResource",
}
QUEUE_ACTIONS = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}
TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}
each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


def lint(*paths: Path) -> list[str]:
    command = [str(CFN_LINT), "--format", "json", "--regions", *REGIONS, "--template", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return [f"{found['Rule']['Id']}: {found['Message']}" for found in json.loads(done.stdout)]


def test_the_linter_finds_nothing_to_say() -> None:
    assert (len(ACCOUNT_TEMPLATES), len(TEMPLATES)) == (5, 9)
    assert lint(*TEMPLATES) == []


def test_a_planted_error_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.yaml"
    planted.write_text(TEMPLATES[0].read_text(encoding="utf-8").replace("VisibilityTimeout:", "VisibilityTimeuot:", 1))
    assert any("VisibilityTimeuot" in found for found in lint(planted))


@pytest.mark.parametrize("path", ACCOUNT_TEMPLATES, ids=lambda path: path.stem)
def test_a_template_says_what_it_wants_and_what_it_gives(path: Path) -> None:
    content = template(path.stem)
    assert "docs/aws-setup.md" in content["Description"]
    for name, parameter in content["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues"} & parameter.keys(), name
    assert all(output["Description"] for output in content["Outputs"].values())
    assert f"`{path.name}`" in SETUP


def test_outputs_and_the_page_name_the_settings() -> None:
    descriptions = [
        output["Description"] for path in ACCOUNT_TEMPLATES for output in template(path.stem)["Outputs"].values()
    ]
    assert set(re.findall(r"ALLOT_\w+", " ".join(descriptions))) == SETTINGS
    assert set(re.findall(r"ALLOT_\w+", SETUP)) == SETTINGS


def test_every_parameter_that_the_page_names_exists() -> None:
    rows = re.findall(r"^\| \d \|.*\| `([a-z-]+)\.yaml` \| (.+) \|$", SETUP, re.MULTILINE)
    assert len(rows) == 4
    for name, cell in rows:
        named = set(re.findall(r"`(\w+)`", cell))
        parameters = template(name)["Parameters"]
        assert {key for key, value in parameters.items() if "Default" not in value} <= named <= parameters.keys(), name


def too_wide(statement: Statement) -> bool:
    """Whether it allows more than it names. A deny narrows, but only the one that asks for TLS is expected."""
    actions = set(statement.actions)
    if statement.effect == "Deny":
        return bool(statement.condition != TLS_ONLY)
    if statement.principal == "*" or not all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in actions):
        return True
    if "*" in statement.resources:
        return not actions <= WITHOUT_RESOURCES
    if statement.principal is not None and not statement.condition:
        return not actions <= ORGANIZATIONS_ACTIONS  # a delegation names its account and needs no condition
    return False


@each_template
def test_no_statement_allows_more_than_it_names(path: Path) -> None:
    found = list(statements(template(path.stem)))
    assert found
    assert [statement for statement in found if too_wide(statement)] == []


@pytest.mark.parametrize(
    "planted",
    [
        {"Effect": "Allow", "Action": "organizations:*", "Resource": "*"},
        {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:Receive*"], "Resource": {"Ref": "Queue"}},
        {"Effect": "Allow", "Action": "organizations:ListParents", "Resource": "*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Principal": "*", "Condition": {"Bool": {}}},
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "*", "Principal": "*"},
        {"Fn::If": ["Wide", {"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Ref": "AWS::NoValue"}]},
    ],
)
def test_a_planted_wide_statement_is_found(planted: Content) -> None:
    assert [too_wide(statement) for statement in statements({"Policies": [{"Statement": [planted]}]})] == [True]


def test_the_reader_s_role_is_for_the_worker_with_the_external_id_only() -> None:
    content = template("organizations-reader-role")
    role = content["Resources"]["Role"]["Properties"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert trust.principal == {"AWS": {"Ref": "WorkerRoleArn"}}
    assert trust.condition == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    assert (role["RoleName"], role["MaxSessionDuration"]) == ("AllotOrganizationsReader", 3600)
    external_id = content["Parameters"]["ExternalId"]
    assert (external_id["NoEcho"], external_id["MinLength"]) == (True, 16)


def actions_of(content: Content) -> set[str]:
    return {action for statement in statements(content) for action in statement.actions}


def test_the_role_and_the_delegation_allow_the_same_calls_which_the_page_lists() -> None:
    role = template("organizations-reader-role")["Resources"]["Role"]["Properties"]["Policies"]
    assert actions_of({"Policies": role}) == ORGANIZATIONS_ACTIONS
    assert actions_of(template("organizations-delegation")) == ORGANIZATIONS_ACTIONS
    assert all(f"`{action.split(':')[1]}`" in SETUP for action in ORGANIZATIONS_ACTIONS)


def test_the_worker_may_take_on_the_role_or_read_the_organization_but_not_both() -> None:
    with_role = Deployment("worker-policy", OrganizationsRoleArn="arn:aws:iam::111111111111:role/R")
    with_delegation = Deployment("worker-policy")
    assert actions_of(with_role.resources()) == {"sts:AssumeRole", "sqs:SendMessage"} | QUEUE_ACTIONS
    assert actions_of(with_delegation.resources()) == {"sqs:SendMessage"} | QUEUE_ACTIONS | ORGANIZATIONS_ACTIONS


def test_the_worker_s_permissions_are_on_that_role_and_these_queues_only() -> None:
    resources = {action: found.resources for found in statements(template("worker-policy")) for action in found.actions}
    assert resources["sts:AssumeRole"] == ({"Ref": "OrganizationsRoleArn"},)
    assert resources["sqs:SendMessage"] == ({"Ref": "DeadLetterQueueArn"},)
    assert all(resources[action] == ({"Ref": "EventsQueueArn"},) for action in QUEUE_ACTIONS)


def test_without_a_role_the_worker_s_policy_asks_for_the_organization() -> None:
    assert len(Deployment("worker-policy").refusals()) == 2
    given = {"OrganizationId": "o-exampleorgid", "ManagementAccountId": "111111111111"}
    assert Deployment("worker-policy", **given).refusals() == []
    assert Deployment("worker-policy", OrganizationsRoleArn="arn:aws:iam::111111111111:role/R").refusals() == []


def calls(service: str, source: str) -> set[str]:
    """Every operation of an AWS service that Python code names, as a method or as a paginator, as IAM names it."""
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name): name for name in model.operation_names}
    nodes = ast.walk(ast.parse(source))
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None) for node in nodes}
    found = {operations[name] for name in names if isinstance(name, str) and name in operations}
    return {f"{service}:{name.removesuffix('Batch')}" for name in found}  # IAM has one action for one and for many


def test_every_call_to_organizations_is_allowed() -> None:
    found = calls_of_activities("organizations")
    assert found >= WITHOUT_RESOURCES
    assert found <= ORGANIZATIONS_ACTIONS


def test_every_call_to_queues_is_allowed() -> None:
    found = calls_of_activities("sqs")
    assert "sqs:ReceiveMessage" in found
    assert found <= QUEUE_ACTIONS | {"sqs:SendMessage"}


def calls_of_activities(service: str) -> set[str]:
    """In the modules that speak of the service."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "activities").glob("*.py")]
    speaking = [source for source in sources if re.search(rf"\b{service}\b", source, re.IGNORECASE)]
    return set().union(*(calls(service, source) for source in speaking))


def test_a_call_that_nobody_allowed_is_found() -> None:
    assert calls("organizations", "client.get_paginator('list_policies')") == {"organizations:ListPolicies"}
    assert calls("organizations", "client.move_account(AccountId='1')") == {"organizations:MoveAccount"}
    found = calls("sqs", "client.delete_message_batch()\nclient.purge_queue()")
    assert found == {"sqs:DeleteMessage", "sqs:PurgeQueue"}
