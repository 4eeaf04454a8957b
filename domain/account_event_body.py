"""The body of a message about an account: what it is wrapped in, and its CloudTrail record, read without trust.

the record itself     eventSource, eventName, eventTime …
in EventBridge        detail-type, source, time, and the record as `detail`
in SNS                Type is Notification, and either of the above as text in `Message`
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, TypeGuard

from domain.calendar import YEAR_MAX, YEAR_MIN

BODY_BYTES_MAX = 1_048_576
"""Bytes of UTF-8: the largest message of Amazon SQS."""
WRAPPINGS_MAX = 4
"""Envelopes around a record; AWS's own ways need two, EventBridge in SNS."""
REASON_CHARS_MAX = 500
SHOWN_CHARS_MAX = 40
"""Characters of a wrong value that a reason quotes."""
EVENT_NAME_CHARS_MAX = 128

RECORD_SOURCES = ("organizations.amazonaws.com", "controltower.amazonaws.com")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that steer terminals, break lines or cannot be stored; as in `domain.decision.plain_line`."""

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_JAVA_TIME = re.compile(
    r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}),? (\d{1,2}):(\d\d):(\d\d)"
    r"[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]([AP])M",
    re.ASCII,
)
"""As Java's medium format prints it; newer releases put a narrow space before AM and PM, or a comma after the year."""
_MONTHS = {name: 1 + index for index, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())}
"""A table and not `strptime`, whose month names and AM and PM depend on the locale of the process."""
_HALF_DAY_HOURS = 12


class NotUnderstood(Exception):
    """A body that says nothing certain; `reason` tells a person what was expected and what was found instead."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason, REASON_CHARS_MAX)
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Record:
    """A CloudTrail record. Paths name its fields with dots, such as `requestParameters.accountId`."""

    source: str
    """One of `RECORD_SOURCES`."""
    name: str
    fields: Mapping[str, object]
    sent_at: object = None
    """EventBridge's `time`, None where there was none."""

    def at(self, path: str) -> object:
        """None where there is nothing."""
        value: object = self.fields
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def text(self, path: str, chars_max: int) -> str:
        """On one line; empty where there is nothing, or no text."""
        value = self.at(path)
        return one_line(value, chars_max) if isinstance(value, str) else ""

    def told_account_id(self, path: str) -> str:
        """Empty where there is no account id of 12 digits."""
        value = self.at(path)
        return value if is_account_id(value) else ""

    def account_id(self, path: str) -> str:
        """Raises NotUnderstood where there is no account id of 12 digits."""
        found = self.told_account_id(path)
        return found or self.fail(f"an account id of 12 digits at {path}", self.at(path))

    def when(self, *paths: str) -> datetime:
        """The first usable time of these, then `eventTime`, then EventBridge's; raises NotUnderstood without any.

        AWS prints no example of some of these fields, so that one in another form must not lose the event.
        """
        for value in (*(self.at(path) for path in paths), self.at("eventTime"), self.sent_at):
            if isinstance(value, str) and (found := instant(value)):
                return found
        return self.fail("a time such as 2022-03-18T18:17:06Z at eventTime", self.at("eventTime"))

    def fail(self, expected: str, found: object) -> NoReturn:
        """Raises NotUnderstood."""
        raise NotUnderstood(f"{self.name}: expected {expected}, found {shown(found)}.")


def record_in(body: str) -> Record:
    """The CloudTrail record in a body; raises NotUnderstood."""
    value = _parsed(body)
    sent_at: object = None
    for _ in range(WRAPPINGS_MAX + 1):
        if not isinstance(value, dict):
            raise NotUnderstood(f"Expected a JSON object with a CloudTrail record in it, found {_kind(value)}.")
        if "eventSource" in value or "eventName" in value:
            return _record(value, sent_at)
        if "detail-type" in value:
            sent_at = value.get("time", sent_at)
            value = value.get("detail")
        elif value.get("Type") == "Notification" and isinstance(message := value.get("Message"), str):
            value = _parsed(message)
        else:
            raise NotUnderstood(
                "Expected a CloudTrail record, alone or within EventBridge's detail or an SNS notification, found an "
                "object without eventSource and eventName."
            )
    raise NotUnderstood(f"Expected at most {WRAPPINGS_MAX} envelopes around a CloudTrail record, found more.")


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether it is a text of 12 digits; a number has lost its leading zeros."""
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


def instant(text: str) -> datetime | None:
    """A moment in UTC, which also holds where no zone is named; None where the text is no time of our calendar."""
    try:
        moment = _moment(text.strip())
        if moment is None:
            return None
        in_utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # such as 30 February, hour 25, or an offset that leads out of the first year
    return in_utc if YEAR_MIN <= in_utc.year <= YEAR_MAX else None


def one_line(text: str, chars_max: int) -> str:
    """Without what steers terminals or cannot be stored, and cut where it is long."""
    start = text.strip()[: chars_max + 1]
    line = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNPRINTABLE else c for c in start)
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def shown(value: object) -> str:
    """The wrong value of one known field as a reason names it: a text is quoted, and only its beginning."""
    return repr(one_line(value, SHOWN_CHARS_MAX)) if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
    """What may be told of a value that could be anything, a secret too."""
    match value:
        case None:
            return "nothing"
        case str():
            return "a text"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def _record(fields: Mapping[str, object], sent_at: object) -> Record:
    source, name = fields.get("eventSource"), fields.get("eventName")
    if not (isinstance(source, str) and source in RECORD_SOURCES):
        raise NotUnderstood(f"Expected an eventSource of {' or '.join(RECORD_SOURCES)}, found {shown(source)}.")
    if not (isinstance(name, str) and name.strip()):
        raise NotUnderstood(f"Expected an eventName, found {shown(name)}.")
    return Record(source, one_line(name, EVENT_NAME_CHARS_MAX), fields, sent_at)


def _parsed(text: str) -> object:
    """The value of a JSON text. A key may come twice, as in AWS's own sample: its last value counts."""
    try:
        if len(text) > BODY_BYTES_MAX or len(text.encode()) > BODY_BYTES_MAX:
            raise NotUnderstood(f"Expected at most {BODY_BYTES_MAX:,} bytes, found more.")
        value: object = json.loads(text, parse_constant=_refuse_constant)
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise NotUnderstood(f"Expected JSON, found a text that is none at {place}.") from None
    except UnicodeEncodeError:
        raise NotUnderstood("Expected whole characters, found half of one (a lone surrogate).") from None
    except ValueError:
        raise NotUnderstood("Expected JSON, found a number that is none or has too many digits.") from None
    except RecursionError:
        raise NotUnderstood("Expected JSON, found too many lists or objects within each other.") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    """For NaN and Infinity, which Python reads although JSON has no such numbers."""
    raise ValueError(name)


def _moment(text: str) -> datetime | None:
    """Raises ValueError; without a zone where none is named."""
    if _ISO_TIME.fullmatch(text):
        return datetime.fromisoformat(text)
    found = _JAVA_TIME.fullmatch(text)
    if found is None or found[1] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(number) for number in found.group(2, 3, 4, 5, 6))
    if not 1 <= hour <= _HALF_DAY_HOURS:
        return None
    hour = hour % _HALF_DAY_HOURS + (_HALF_DAY_HOURS if found[7] == "P" else 0)
    return datetime(year, _MONTHS[found[1]], day, hour, minute, second)  # noqa: DTZ001 - UTC is added by `instant`
