"""The dialect of Trino, which Athena (engine version 3) speaks.

Differs from DuckDB in a few names, and in how a double becomes a decimal: Trino would round all digits of the binary
number, so each goes by its text, which is the shortest one that stands for it. For costs of at most 12 decimals (AWS
documents 10) that is what DuckDB comes to, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from activities.cost_dialect import COST_TYPE


class Trino:
    """Athena, engine version 3."""

    def matches(self, text: str, pattern: str) -> str:
        # Without anchors it would look for a part that matches; `$` would let a line break at the end pass.
        return f"regexp_like({text}, '\\A(?:{pattern.removeprefix("'").removesuffix("'")})\\z')"

    def only(self, text: str, characters: str) -> str:
        return f"regexp_like({text}, '\\A[{characters}]*\\z')"

    def is_printable(self, text: str) -> str:
        return f"NOT regexp_like({text}, '[\\x00-\\x1f]')"

    def has_nul(self, text: str) -> str:
        return f"strpos({text}, chr(0)) > 0"

    def is_finite(self, number: str) -> str:
        return f"is_finite({number})"

    def money_of_text(self, text: str) -> str:
        return f"TRY_CAST({text} AS {COST_TYPE})"

    def money_of_double(self, number: str) -> str:
        return f"TRY_CAST(CAST({number} AS VARCHAR) AS {COST_TYPE})"

    def ratio(self, amount: str, numerator: str, denominator: str) -> str:
        as_double = f"CAST({amount} AS DOUBLE) * CAST({numerator} AS DOUBLE) / CAST(NULLIF({denominator}, 0) AS DOUBLE)"
        return self.money_of_double(f"({as_double})")

    def utc_date(self, instant: str) -> str:
        return f"CAST({instant} AT TIME ZONE 'UTC' AS DATE)"

    def json_text(self, text: str) -> str:
        return f"json_format(CAST({text} AS JSON))"

    def joined(self, texts: Sequence[str]) -> str:
        return f"concat_ws(',', {', '.join(texts)})"

    def tags_of_map(self, tags: str) -> str:
        """Trino casts a map to JSON with its keys in order."""
        filled = f"map_filter({tags}, (name, value) -> value <> '')"
        user = f"transform_keys({filled}, (name, value) -> regexp_replace(name, '(?i)^user[_:]', ''))"
        return f"NULLIF(json_format(CAST({user} AS JSON)), '{{}}')"

    def tags_of_json(self, tags: str) -> str:
        return self.tags_of_map(f"TRY_CAST(TRY(json_parse({tags})) AS MAP(VARCHAR, VARCHAR))")


TRINO = Trino()
