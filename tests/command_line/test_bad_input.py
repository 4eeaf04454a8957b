"""A foreseeable fault is told in a few lines on stderr, with the exit status of its class, and nothing on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line.conftest import Allot

PRODUCT = "Retail/Digital/Web/Checkout"
WRONG = {
    ("schedule", "submit", PRODUCT, "--even"): "--as EMAIL",
    ("schedule", "submit", PRODUCT, "--as", "a@example.com"): "one of --even, --amounts or --file",
    ("schedule", "submit", PRODUCT, "--even", "--amounts", "1", "--as", "a@example.com"): "one of --even",
    ("schedule", "submit", "Retail/Digital", "--even", "--as", "a@example.com"): "4 names",
    ("schedule", "submit", "Retail//Web/Checkout", "--even", "--as", "a@example.com"): "needs a name",
    ("schedule", "submit", PRODUCT, "--year", "2026", "--amounts", "1,2", "--as", "a@example.com"): "2 were given",
    ("schedule", "submit", PRODUCT, "--amounts", ",".join(["x"] * 12), "--as", "a@example.com"): "decimal number",
    ("schedule", "submit", PRODUCT, "--file", "none.csv", "--as", "a@example.com"): "none.csv cannot be read",
    ("schedule", "show", PRODUCT, "--year", "abc"): "--year",
    ("schedule", "reject", PRODUCT, "--as", "a@example.com"): "--reason",
    ("account", "allocate", "1", f"{PRODUCT}=100", "--type", "Shared", "--as", "a@example.com"): "12 digits",
    ("account", "allocate", "1" * 12, PRODUCT, f"{PRODUCT}=1", "--type", "Shared", "--as", "a@b"): "PRODUCT=PERCENT",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=x", "--type", "Shared", "--as", "a@example.com"): "decimal number",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=100", "--type", "Zoo", "--as", "a@example.com"): "Production",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=1", "--type", "Shared", "--from", "May", "--as", "a@b"): "YYYY-MM-DD",
    ("person", "add", "a@example.com", "Ann", "--grant", "king:Retail", "--as", "b@example.com"): "financial_admin",
    ("budget", "load", "none.csv", "--as", "a@example.com"): "none.csv cannot be read",
    ("budget", "load", "none.csv", "--override", "--as", "a@example.com"): "--year and --from",
    ("cost", "import", "folder", "--period", "May", "--as", "a@example.com"): "YYYY-MM",
    ("tasks", "--as", "system", "--nonsense"): "--nonsense",
    ("schedule", "show", PRODUCT, "--year", "2000"): "2001",
    ("budget", "load", "x.csv", "--year", "2199", "--from", "2199-01-01", "--as", "a@b"): "2198",
    ("person", "add", "a@example.com", "A\x1bnn", "--as", "b@example.com"): "name: ",
    ("schedule", "reject", PRODUCT, "--version", "1", "--reason", "a\x07b", "--as", "a@b"): "control characters",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=100", "--type", "Shared", "--from", "1999-12-31", "--as", "a@b"): (
        "effective-on"
    ),
    ("schedule", "submit", PRODUCT, "--even", "--as", "system"): "name a person",
    ("schedule", "submit", PRODUCT, "--even", "--as", "x" * 400): "320",
    ("setup", "--name", "Ann"): "--admin EMAIL",
    ("tasks",): "--as EMAIL, or --all",
    ("schedule", "request", PRODUCT, "--as", "a@b"): "--reason",
    ("schedule", "request", PRODUCT, "--reason", " ", "--as", "a@b"): "reason",
    ("schedule", "request", PRODUCT, "--reason", "x", "--even", "--amounts", "1", "--as", "a@b"): "one of --even",
    ("schedule", "deny", PRODUCT, "--as", "a@b"): "--reason",
    ("month", "reopen", "2026-05", "--reason", "", "--as", "a@b"): "reason: must not be empty.",
    ("month", "close", "2026-05", "--note", "x" * 3_000, "--as", "a@b"): "note: has more than",
    ("schedule", "deny", PRODUCT, "--reason", "a\x07b", "--as", "a@b"): "control characters",
    ("schedule", "grant", PRODUCT, "--version", "0", "--as", "a@b"): "--version",
    ("schedule", "withdraw", "Retail/Digital", "--as", "a@b"): "4 names",
    ("schedule", "revise", PRODUCT): "--as EMAIL",
    ("person", "withdraw", "b@example.com", "king", "--as", "a@b"): "financial_admin",
    ("person", "delegate", "--to", "b@example.com", "--as", "a@b"): "--until",
    ("person", "delegate", "--to", "b@example.com", "--until", "May", "--as", "a@b"): "YYYY-MM-DD",
    ("person", "delegate", "--to", "b@example.com", "--until", "2026-12-31", "--from", "x", "--as", "a@b"): "--from",
    ("person", "delegate", "--to", "b@example.com", "--until", "9999-12-31", "--as", "a@b"): "last-day",
    ("person", "import", "none.csv", "--as", "a@example.com"): "none.csv cannot be read",
    ("month", "close", "May", "--as", "a@b"): "YYYY-MM",
    ("month", "reopen", "2026-05", "--as", "a@b"): "--reason",
    ("account", "show", "1" * 11): "12 digits",
    ("account", "list", "--state", "LOST"): "VENDED",
    ("account", "allocate", "1" * 12, "--type", "Shared", "--as", "a@b"): "PRODUCT=PERCENT",
    ("account", "allocate", "1" * 12, "Retail/Web=100", "--type", "Shared", "--preview"): "4 names",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=", "--type", "Shared", "--preview"): "such as 60 or 33.3333",
    ("account", "allocate", "1" * 12, f"{PRODUCT}=100", "--as", "a@b"): "--type",
    ("account", "propose", "1" * 12, f"{PRODUCT}=100", "--type", "Shared"): "--as EMAIL",
    ("account", "accept", "1" * 12, "--as", "a@b"): "--proposal",
    ("account", "accept", "1" * 12, "--proposal", "0", "--as", "a@b"): "--proposal",
    ("account", "decline", "1" * 12, "--proposal", "1", "--as", "a@b"): "--reason",
    ("account", "decline", "1" * 12, "--proposal", "1", "--reason", " ", "--as", "a@b"): "must not be empty",
    ("account", "expect", PRODUCT, "--type", "Shared", "--as", "a@b"): "--email, or --name",
    ("account", "expect", PRODUCT, "--type", "Shared", "--email", " ", "--as", "a@b"): "--email, or --name",
    ("account", "expect", PRODUCT, "--type", "Shared", "--name", "x" * 51, "--as", "a@b"): "50",
    ("account", "unexpect", "--reason", "x", "--as", "a@b"): "--email or --name",
    ("account", "unexpect", "--name", "x", "--as", "a@b"): "--reason",
    ("account", "import", "none.csv", "--as", "a@b"): "none.csv cannot be read",
    ("account", "expect-file", "none.tf", "--as", "a@b"): "none.tf cannot be read",
    ("account", "rules", "set", "none.toml", "--as", "a@b"): "none.toml cannot be read",
    ("account", "rules", "test", "none.toml"): "none.toml cannot be read",
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.items(), ids=lambda value: " ".join(value)[:70])
def test_wrong_input_is_said_with_what_would_be_right(allot: Allot, arguments: tuple[str, ...], said: str) -> None:
    answer = allot(*arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert said in answer.err
    assert "Traceback" not in answer.err


BAD_FILES = {
    "2026-01,1\n2026-01,2\n": "is there twice",
    "2026-01,1\n": "needs all 12",
    "2026-13,1\n": "line 1",
    "2026-01;1\n": "a month and an amount",
    '2026-01,"1,000.00"\n': "decimal number",
    "\xff": "needs all 12 | a month and an amount",
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.items())
def test_a_bad_file_of_amounts_is_said_with_its_line(allot: Allot, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "amounts.csv").write_text(content, encoding="utf-8")
    answer = allot("schedule", "submit", PRODUCT, "--file", "amounts.csv", "--as", "a@example.com")
    assert answer.status == 2
    assert any(part in answer.err for part in said.split(" | "))


def test_a_wrong_setting_is_named_but_not_its_value(allot: Allot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_CURRENCY", "doubloon-5f3a")
    answer = allot("tasks", "--all")
    assert answer.status == 2
    assert "ALLOT_CURRENCY" in answer.err
    assert "docs/settings.md" in answer.err


def test_what_was_not_foreseen_is_told_without_a_traceback(allot: Allot, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the roof fell in")

    monkeypatch.setattr("command_line.tasks.Session.open", broken)
    answer = allot("tasks")
    assert answer.status == 1
    assert "the roof fell in" in answer.err
    assert "Traceback" not in answer.err
    monkeypatch.setenv("ALLOT_TRACE", "1")
    assert "Traceback" in allot("tasks").err
