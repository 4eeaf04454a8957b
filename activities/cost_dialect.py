"""What differs between the engines that read cost reports, in SQL; the rest of our statements is the same in all.

Everything else keeps to what DuckDB and Trino (Athena) both know: CASE, COALESCE, NULLIF, CAST, TRY_CAST, LIKE, trim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.cost_metric import COST_SCALE
from domain.money import AMOUNT_DIGITS_MAX

COST_TYPE = f"DECIMAL({AMOUNT_DIGITS_MAX}, {COST_SCALE})"
"""Of the cost of each line; what is finer is rounded half away from zero, once."""

FAST_DOUBLE_MAX = 512
"""Below it, a double of at most 12 decimals becomes the same decimal by a plain cast as by way of its text: times 10^12
it is off the whole number by less than a tenth. Above it, DuckDB's cast shows digits that nobody wrote."""


class Dialect(Protocol):
    """All arguments and answers are SQL expressions."""

    def matches(self, text: str, pattern: str) -> str:
        """Whether the whole text matches a regular expression (a quoted literal)."""

    def only(self, text: str, characters: str) -> str:
        """Whether a text has no other characters than those."""

    def is_printable(self, text: str) -> str:
        """Whether a text is without control characters."""

    def has_nul(self, text: str) -> str: ...

    def is_finite(self, number: str) -> str:
        """Whether a double is neither NaN nor infinite."""

    def money_of_double(self, number: str) -> str:
        """The shortest decimal that stands for a double, rounded to the scale of costs; NULL where there is none."""

    def ratio(self, amount: str, numerator: str, denominator: str) -> str:
        """amount × numerator / denominator, rounded to the scale of costs; NULL for a denominator of zero."""

    def utc_date(self, instant: str) -> str:
        """The UTC date of a timestamp with time zone."""

    def json_text(self, text: str) -> str:
        """A text as JSON, in quotes."""

    def joined(self, texts: Sequence[str]) -> str:
        """Those that are not NULL, with commas between them."""

    def tags_of_map(self, tags: str) -> str:
        """JSON text of a map from text to text, by key; values that are empty are left out."""

    def tags_of_json(self, tags: str) -> str:
        """The same, of a JSON object in a text; NULL for any other text."""


class DuckDb:
    """DuckDB 2.

    Parquet keeps each text once for thousands of lines, and plain functions are computed once for each of them, but
    regular expressions for each line. They are therefore left to the texts of CSV and to numbers.
    """

    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_full_match({text}, {pattern})"

    def only(self, text: str, characters: str) -> str:
        return f"ltrim({text}, '{characters}') = ''"

    def is_printable(self, text: str) -> str:
        # Control characters become %00 to %1F, a percent sign %25, and the bytes of all others begin with 8 or more.
        return f"NOT contains(url_encode({text}), '%0') AND NOT contains(url_encode({text}), '%1')"

    def has_nul(self, text: str) -> str:
        return f"contains({text}, chr(0))"

    def is_finite(self, number: str) -> str:
        return f"isfinite({number})"

    def money_of_double(self, number: str) -> str:
        return (
            f"CASE WHEN abs({number}) < {FAST_DOUBLE_MAX} THEN TRY_CAST({number} AS {COST_TYPE}) "
            f"ELSE TRY_CAST(CAST({number} AS VARCHAR) AS {COST_TYPE}) END"
        )

    def ratio(self, amount: str, numerator: str, denominator: str) -> str:
        as_double = f"CAST({amount} AS DOUBLE) * CAST({numerator} AS DOUBLE) / CAST(NULLIF({denominator}, 0) AS DOUBLE)"
        return f"TRY_CAST({as_double} AS {COST_TYPE})"

    def utc_date(self, instant: str) -> str:
        return f"CAST(make_timestamp(epoch_us({instant})) AS DATE)"  # a cast would ask for the session's time zone

    def json_text(self, text: str) -> str:
        return f"CAST(to_json({text}) AS VARCHAR)"

    def joined(self, texts: Sequence[str]) -> str:
        return f"concat_ws(',', {', '.join(texts)})"

    def tags_of_map(self, tags: str) -> str:
        user = "regexp_replace(tag.key, '^user[_:]', '', 'i')"  # as `tag_key` does
        filled = f"list_filter(map_entries({tags}), lambda tag: tag.value <> '')"
        renamed = f"list_transform({filled}, lambda tag: {{'key': {user}, 'value': tag.value}})"
        # Two keys may become one; the last of them counts, as in JSON.
        pairs = f"list_transform(list_sort({renamed}), lambda tag: to_json(tag.key) || ':' || to_json(tag.value))"
        return f"NULLIF('{{' || array_to_string({pairs}, ',') || '}}', '{{}}')"

    def tags_of_json(self, tags: str) -> str:
        return self.tags_of_map(f"TRY_CAST(TRY_CAST({tags} AS JSON) AS MAP(VARCHAR, VARCHAR))")


DUCKDB = DuckDb()
