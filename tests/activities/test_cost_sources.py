"""Where reports are delivered: what the setting may say, whose role reads a place, and what is never told."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import SecretStr
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.testing import ActivityEnvironment

from activities.cost_delivery import find_deliveries
from activities.cost_files import Folder
from activities.cost_reports import CostReports
from activities.cost_sources import CONFIG_BYTES_MAX, SOURCES_MAX, ConfiguredSource, CostPlaces, read_sources
from domain.calendar import Month
from domain.cost import period_stream
from domain.decision import SYSTEM_ID, Channel, Organization
from domain.errors import BadInput
from domain.process import CostSource
from tests.activities.importing import Here
from tests.activities.test_aws_access import Sts, refusal, session, sts
from tests.support.cost_reports import PAYER, MadeReport, line

__all__ = ["sts"]

CANARY = "canary+external=id,41"
ROLE = "arn:aws:iam::111122223333:role/AllotCostReader"
TOML = f"""
[[source]]
name = "main"
place = "s3://reports/main/"
role_arn = "{ROLE}"
external_id = "{CANARY}"
payer = "{PAYER}"
region = "eu-west-1"

[[source]]
name = "copied"
place = "/srv/reports"
"""


def given(text: str) -> tuple[ConfiguredSource, ...]:
    return read_sources(SecretStr(text))


def one(**fields: str) -> str:
    return "[[source]]\n" + "\n".join(f'{name} = "{value}"' for name, value in fields.items())


def test_sources_are_read_from_the_text_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(TOML)
    sources = given(TOML)
    assert sources == given(str(file)) == given(f"# ours\n{TOML}")
    assert [(source.name, source.place) for source in sources] == [
        ("main", "s3://reports/main"),
        ("copied", "/srv/reports"),
    ]
    assert sources[0].external_id
    assert sources[0].external_id.get_secret_value() == CANARY
    assert read_sources(None) == given(" ") == ()


ODD = "x" * 41
WRONG = [
    ("[source", "is not TOML"),
    ("/no/such/file", "neither the path of a TOML file that can be read nor TOML itself"),
    ("[other]", "there is 'other', and only [[source]] is known"),
    ("[source]\nname = 'x'", "write each source as [[source]]"),
    (one(name="a"), "source 1 ('a'), place: Field required"),
    (one(name="A b", place="/x"), "source 1 ('A b'), name: String should match pattern"),
    (one(name="a", place="/x", extra="y"), "source 1 ('a'), extra: Extra inputs are not permitted"),
    (one(name="a", place="relative"), "source 1 ('a'), place: it is neither s3://bucket/prefix nor the whole path"),
    (one(name="a", place="gs://b/x"), "source 1 ('a'), place: it is neither s3://bucket/prefix nor the whole path"),
    (one(name="a", place="s3:///x"), "source 1 ('a'), place: it names no bucket"),
    (one(name="a", place="s3://b", role_arn="role/x"), "source 1 ('a'), role_arn: String should match pattern"),
    (one(name="a", place="s3://b", payer="12"), "source 1 ('a'), payer: String should match pattern"),
    (one(name="a", place="s3://b", region="Europe"), "source 1 ('a'), region: String should match pattern"),
    (one(name="a", place="s3://b", external_id=CANARY), "source 1 ('a'): external_id belongs to a role: give role_arn"),
    (
        one(name="a", place="s3://b", role_arn=ROLE, external_id=f"{CANARY} "),
        "source 1 ('a'), external_id: it has 2 to",
    ),
    (one(name="a", place="/b", role_arn=ROLE), "source 1 ('a'): role_arn and region belong to a bucket"),
    (one(name="a", place="s3://b") + "\n" + one(name="a", place="s3://c"), "two sources are named 'a'"),
    (
        one(name="a", place="s3://b") + "\n" + one(name="c", place="s3://b/d"),
        "the places of 'a' and 'c' are the same, or",
    ),
    ("\n".join(one(name=f"s{n}", place=f"/r/{n}") for n in range(SOURCES_MAX + 1)), f"at most {SOURCES_MAX} of them"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_cannot_be_meant_names_the_entry_and_the_field_and_repeats_no_value(text: str, said: str) -> None:
    with pytest.raises(BadInput) as wrong:
        given(text)
    assert wrong.value.message.startswith("ALLOT_COST_SOURCES")
    assert said in wrong.value.message
    assert CANARY not in "".join(traceback.format_exception(wrong.value))


def test_as_many_sources_as_there_may_be(tmp_path: Path) -> None:
    assert len(given("\n".join(one(name=f"s{n}", place=f"/r/{n}") for n in range(SOURCES_MAX)))) == SOURCES_MAX
    file = tmp_path / "large.toml"
    file.write_text("#" * (CONFIG_BYTES_MAX + 1))
    with pytest.raises(BadInput, match="the file has more than 100,000 bytes"):
        given(str(file))
    file.write_text("#" * CONFIG_BYTES_MAX)
    assert given(str(file)) == ()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("main", "main"),
        ("s3://reports/main", "main"),
        ("s3://reports/main/cur/x-Manifest.json", "main"),
        ("s3://reports/mains", None),
        ("s3://reports", None),
        ("/srv/reports/a", "copied"),
        ("/srv/reports2", None),
    ],
)
def test_a_place_belongs_to_the_source_that_it_is_or_lies_below(place: str, name: str | None) -> None:
    found = CostPlaces(given(TOML)).at(place)
    assert (found and found.name) == name


def test_an_address_must_lie_below_its_source(tmp_path: Path) -> None:
    places = CostPlaces(given(TOML))
    places.require_below("main", "s3://reports/main/a/x-Manifest.json")
    places.require_below(str(tmp_path), str(tmp_path / "a" / "x"))
    for source, address in (
        ("main", "s3://reports/mains/x"),
        ("main", "s3://other/main/x"),
        (str(tmp_path), "/etc/x"),
        (str(tmp_path), f"{tmp_path}/../x"),
    ):
        with pytest.raises(BadInput, match="is not below"):
            places.require_below(source, address)


def test_an_unknown_name_is_told_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="There is no source named 'payer-b' in ALLOT_COST_SOURCES of the worker"):
        CostPlaces(given(TOML)).open("payer-b")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "payer-b").mkdir()
    assert isinstance(CostPlaces().open("payer-b"), Folder)


def laid(tmp_path: Path, prefix: str = "main/") -> CostPlaces:
    client = boto3.client("s3")
    client.create_bucket(Bucket="reports")
    MadeReport([[line()]]).write(tmp_path)
    for path in tmp_path.rglob("*.*"):
        client.upload_file(str(path), "reports", f"{prefix}{path.relative_to(tmp_path)}")
    return CostPlaces(given(TOML))


def test_a_source_is_read_by_its_role_and_its_external_id(sts: Sts, tmp_path: Path) -> None:
    places = laid(tmp_path)
    wanted = CostSource(source="main", actor="system", channel=Channel.WORKFLOW)
    (delivery,) = find_deliveries(wanted, lambda _: None, places).deliveries
    assert (sts.asked[0]["RoleArn"], sts.asked[0]["ExternalId"]) == (ROLE, CANARY)
    assert (delivery.source, delivery.manifest.startswith("s3://reports/main/cur/")) == ("main", True)
    assert CANARY not in delivery.model_dump_json()
    assert ROLE not in delivery.model_dump_json()
    by_place = wanted.model_copy(update={"source": "s3://reports/main/cur"})
    assert len(find_deliveries(by_place, lambda _: None, places).deliveries) == 1
    assert sts.asked[1]["ExternalId"] == CANARY
    elsewhere = wanted.model_copy(update={"source": "s3://reports/mai"})
    assert find_deliveries(elsewhere, lambda _: None, places).deliveries == ()
    assert len(sts.asked) == 2


def test_credentials_that_expire_are_renewed_in_the_middle_of_a_reading(sts: Sts, tmp_path: Path) -> None:
    expired = session(1)[1].replace("2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z")
    places = laid(tmp_path)
    sts.answers = [(200, expired), session(2)]
    (source, _) = places.sources
    client = source.s3()
    keys: list[str] = []

    def look(request: Any, **_: object) -> None:
        value = request.headers["Authorization"]
        text = value.decode() if isinstance(value, bytes) else value
        keys.append(text.partition("Credential=")[2].partition("/")[0])

    client.meta.events.register("before-send", look)
    client.list_objects_v2(Bucket="reports")
    client.list_objects_v2(Bucket="reports")
    assert keys == ["ASIAEXAMPLE000000002"] * 2
    assert len(sts.asked) == 2


def test_a_report_of_another_payer_is_told_and_not_imported(tmp_path: Path) -> None:
    MadeReport([[line()]]).write(tmp_path)
    other = ConfiguredSource(name="other", place=str(tmp_path), payer="111122223333")
    wanted = CostSource(source="other", actor="system")
    found = find_deliveries(wanted, lambda _: None, CostPlaces((other,)))
    assert [(problem.code, found.deliveries) for problem in found.problems] == [("OtherPayer", ())]
    assert f"is of payer {PAYER}, and the source 'other' is of 111122223333" in found.problems[0].message
    right = ConfiguredSource(name="other", place=str(tmp_path), payer=PAYER)
    assert len(find_deliveries(wanted, lambda _: None, CostPlaces((right,))).deliveries) == 1


def test_a_refused_role_ends_the_activity_and_the_external_id_is_nowhere(
    sts: Sts, here: Here, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reports = CostReports(here.ledger, here.url, Organization(), 128, laid(tmp_path))
    sts.answers = [(403, refusal(403, "AccessDenied")[1].replace("Value '", f"Value '{CANARY} "))]
    wanted = CostSource(source="main", actor="system", scheduled=True)
    with pytest.raises(BaseException) as failed:
        ActivityEnvironment().run(reports.find_deliveries, wanted)
    assert f"The role {ROLE} cannot be assumed: check its trust policy, the external id (external_id of the " in str(
        failed.value
    )
    assert "source 'main' in ALLOT_COST_SOURCES)" in str(failed.value)
    failure, converter = Failure(), DataConverter.default
    converter.failure_converter.to_failure(failed.value, converter.payload_converter, failure)
    told = "\n".join([str(failure), *traceback.format_exception(failed.value), caplog.text])
    assert CANARY in sts.asked[0]["ExternalId"]
    assert CANARY not in told


def test_an_unasked_look_is_of_allot_itself_and_of_configured_sources_only(here: Here, tmp_path: Path) -> None:
    MadeReport([[line()]]).write(tmp_path / "in")
    places = CostPlaces((ConfiguredSource(name="main", place=str(tmp_path / "in")),))
    reports = CostReports(here.ledger, here.url, Organization(), 128, places)
    asked = CostSource(source="main", actor="somebody@example.com", channel=Channel.SIGNAL, scheduled=True)
    (delivery,) = ActivityEnvironment().run(reports.find_deliveries, asked).deliveries
    assert (delivery.scheduled, delivery.source) == (True, "main")
    result = ActivityEnvironment().run(
        reports.import_delivery, delivery.model_copy(update={"actor": "other@example.com"})
    )
    assert result.status == "imported"
    (event,) = here.ledger.read(period_stream(Month(2026, 5)))
    assert (event.actor, event.channel) == (SYSTEM_ID, Channel.WORKFLOW)
    for message, activity in (
        (asked.model_copy(update={"source": str(tmp_path / "in")}), reports.find_deliveries),
        (delivery.model_copy(update={"source": str(tmp_path)}), reports.import_delivery),
    ):
        with pytest.raises(BaseException, match="There is no source named") as refused:
            ActivityEnvironment().run(activity, message)  # type: ignore[arg-type] # each with its own message
        assert "give all workers the same settings" in str(refused.value)
    moved = delivery.model_copy(update={"manifest": delivery.manifest.replace("/in/", "/out/")})
    with pytest.raises(BaseException, match="is not below"):
        ActivityEnvironment().run(reports.import_delivery, moved)
