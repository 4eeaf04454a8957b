"""The setting of the channels: read whole or refused, and never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.errors import BadInput
from notifications.config import CHANNELS_MAX, AppriseChannel, SesChannel, read_channels
from notifications.messages import TOLD

TEXT = """
[mail]
kind = "apprise"
url = "mailto://user:s3cr3t@smtp.example.com?to={email}"

[room]
kind = "apprise"
url = "slack://T0ken/T0ken/T0ken/"
events = ["schedule.Submitted"]

[ses]
kind = "ses"
from = "allot@example.com"
region = "eu-west-1"
"""


def read(text: str) -> object:
    return read_channels(SecretStr(text))


@pytest.mark.parametrize("as_file", [False, True])
def test_channels_are_read_from_the_setting_or_a_file(tmp_path: Path, as_file: bool) -> None:
    text = TEXT
    if as_file:
        (tmp_path / "channels.toml").write_text(TEXT)
        text = str(tmp_path / "channels.toml")
    found = read_channels(SecretStr(text))
    assert list(found) == ["mail", "room", "ses"]
    mail, room, ses = found.values()
    assert isinstance(mail, AppriseChannel)
    assert isinstance(ses, SesChannel)
    assert (mail.per_person, room.per_person, ses.per_person) == (True, False, True)
    assert room.tells_of("schedule.Submitted")
    assert not room.tells_of("schedule.Approved")
    assert all(mail.tells_of(kind) for kind in TOLD)
    assert "s3cr3t" not in repr(found)


@pytest.mark.parametrize("setting", [None, SecretStr(""), SecretStr(" \n")])
def test_without_the_setting_there_is_no_channel(setting: SecretStr | None) -> None:
    assert read_channels(setting) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mail]\nkind = 'apprise'\nurl = 's3cr3t", "not TOML"),
        ("[mail]\nkind = 'pigeon'\nurl = 's3cr3t'", "mail"),
        ("[mail]\nurl = 's3cr3t'", "mail"),
        ("[mail]\nkind = 'apprise'", "mail.apprise.url"),
        ("[mail]\nkind = 'apprise'\nurl = 's3cr3t'\nevent = ['x']", "mail.apprise.event"),
        ("[mail]\nkind = 'apprise'\nurl = 's3cr3t'\nevents = ['schedule.Nonsense']", "schedule.Nonsense"),
        ('["Mail Box"]\nkind = "apprise"\nurl = "s3cr3t"', "should match"),
        ("[ses]\nkind = 'ses'", "ses.ses.from"),
        ("mail = 's3cr3t'", "neither the path"),
        ("/no/such/s3cr3t.toml", "neither the path"),
        ("s3cr3t\0", "neither the path"),
        ("\n".join(f"[c{n}]\nkind = 'apprise'\nurl = 's3cr3t'" for n in range(CHANNELS_MAX + 1)), "at most 20"),
    ],
)
def test_what_is_wrong_is_said_without_repeating_it(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        read(text)
    assert said in error.value.message
    assert "ALLOT_NOTIFICATIONS" in error.value.message
    assert "s3cr3t" not in error.value.message
