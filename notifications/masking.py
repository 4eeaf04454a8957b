"""What may be shown of an error: no password or token of a channel's address, and nobody's e-mail address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

SECRET_CHARS_MIN = 4
"""Shorter parts of an address are no secrets, and words would be made unreadable."""
MASK = "***"
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;]+")
_HOST = re.compile(r"localhost|.*[.:].*")


def masked(text: str, secrets: Iterable[str]) -> str:
    """On one line, the secrets and all e-mail addresses taken out."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for secret in sorted(secrets, key=len, reverse=True):  # a part of another one must not be taken out first
        line = line.replace(secret, MASK)
    return _ADDRESS.sub("(address)", line)


def secrets_of(url: str) -> frozenset[str]:
    """Every part of an address of apprise that could be a secret, as written and as meant."""
    parts = urlsplit(url)
    found = [url, parts.username, parts.password, parts.fragment, *parts.path.split("/")]
    found += [value for _, value in parse_qsl(parts.query)]
    host = parts.netloc.rpartition("@")[2]
    if not _HOST.fullmatch(host):  # what is no host's name is a token, as in slack://token/…
        found.append(host)
    texts = {text for part in found if part for text in (part, unquote(part))}
    return frozenset(text for text in texts if len(text) >= SECRET_CHARS_MIN)
