"""CloudFormation templates as data: what they allow, and what they decide by their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from embedded.process import ROOT

TEMPLATES = sorted((ROOT / "deploy" / "cloudformation").glob("*.yaml"))
COST_TEMPLATES = [path for path in TEMPLATES if path.stem.startswith("cost-")]
ACCOUNT_TEMPLATES = [path for path in TEMPLATES if path not in COST_TEMPLATES]
NO_VALUE = {"Ref": "AWS::NoValue"}

Content = dict[str, Any]
"""A template or a part of one, intrinsic functions in their long form: `{"Ref": "Queue"}`."""


class Statement(NamedTuple):
    """One statement of a policy."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[Any, ...]
    """Texts or intrinsic functions; none in a role's trust policy."""
    principal: Any
    condition: Any


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as `{"Ref": "x"}` and `!Sub x` as `{"Fn::Sub": "x"}`, as CloudFormation does."""


def _intrinsic(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Content:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = node.value
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def path_of(name: str) -> Path:
    return ROOT / "deploy" / "cloudformation" / f"{name}.yaml"


def template(name: str) -> Content:
    content: Content = yaml.load(path_of(name).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    return content


def listed(value: Any) -> tuple[Any, ...]:
    """What AWS takes as one thing or as a list of things."""
    return tuple(value) if isinstance(value, list) else () if value is None else (value,)


def statements(content: Any) -> Iterator[Statement]:
    """Of every policy below, both branches of an `!If` included."""
    if isinstance(content, list):
        for item in content:
            yield from statements(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key == "Statement":
                yield from map(_statement, _branches(value))
            else:
                yield from statements(value)


def _branches(value: Any) -> Iterator[Content]:
    for item in listed(value):
        if "Fn::If" in item:
            yield from _branches(item["Fn::If"][1:])
        elif item != NO_VALUE:
            yield item


def _statement(content: Content) -> Statement:
    known = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
    assert content.keys() <= known, "NotAction and the like allow what nobody has listed"
    return Statement(
        content["Effect"],
        listed(content["Action"]),
        listed(content.get("Resource")),
        content.get("Principal"),
        content.get("Condition"),
    )


class Deployment:
    """A template with parameters, in a region: what comes of its conditions. Missing parameters have their defaults."""

    def __init__(self, name: str, region: str = "eu-west-1", **parameters: str) -> None:
        self._content = template(name)
        defaults = {key: value.get("Default", "given") for key, value in self._content["Parameters"].items()}
        assert parameters.keys() <= defaults.keys()
        self._values: Mapping[str, str] = {**defaults, **parameters, "AWS::Region": region}

    def refusals(self) -> list[str]:
        """What the template's rules say against it; CloudFormation then makes nothing."""
        return [
            assertion["AssertDescription"]
            for rule in self._content.get("Rules", {}).values()
            if "RuleCondition" not in rule or self._holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._holds(assertion["Assert"])
        ]

    def resources(self) -> Content:
        """Those that are made, by name, their `!If`s decided."""
        return {
            name: self._decided(resource)
            for name, resource in self._content["Resources"].items()
            if "Condition" not in resource or self._holds(self._content["Conditions"][resource["Condition"]])
        }

    def _holds(self, condition: Content) -> bool:
        ((function, arguments),) = condition.items()
        if function == "Fn::Not":
            return not self._holds(arguments[0])
        assert function == "Fn::Equals", f"{function}: not used so far"
        left, right = (self._values[item["Ref"]] if isinstance(item, dict) else item for item in arguments)
        return left == right

    def _decided(self, part: Any) -> Any:
        if isinstance(part, list):
            return [value for item in part if (value := self._decided(item)) != NO_VALUE]
        if not isinstance(part, dict):
            return part
        if "Fn::If" in part:
            name, then, otherwise = part["Fn::If"]
            return self._decided(then if self._holds(self._content["Conditions"][name]) else otherwise)
        return {key: self._decided(value) for key, value in part.items()}
