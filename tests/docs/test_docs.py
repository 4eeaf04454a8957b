"""What the documentation says of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

from activities.cost_formats_page import page
from domain.catalogue import catalogue
from settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def documented_settings(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| `(ALLOT_\w+)` \| (.+?) \|", text, re.MULTILINE))


def real_settings() -> dict[str, str]:
    found = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        text = str(default).lower() if isinstance(default, bool) else str(default)
        found[f"ALLOT_{name.upper()}"] = "none" if default is None or default == () else f"`{text}`"
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    assert documented_settings((DOCS / "settings.md").read_text(encoding="utf-8")) == real_settings()


def test_a_setting_that_is_not_documented_would_be_found() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert documented_settings(text.replace("| `ALLOT_CURRENCY` |", "| ALLOT_CURRENCY |")) != real_settings()


def test_the_event_catalogue_is_up_to_date() -> None:
    assert (DOCS / "events.md").read_text(encoding="utf-8") == catalogue(), "run `make docs`"


def test_the_page_of_cost_formats_is_up_to_date() -> None:
    assert (DOCS / "cost-formats.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [ROOT / "README.md", *DOCS.rglob("*.md")]
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
