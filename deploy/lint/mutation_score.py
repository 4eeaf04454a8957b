"""Prints how many planted faults the tests found, module by module, from what `mutmut run` left behind.

python deploy/lint/mutation_score.py [DIRECTORY]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

SCORE_MIN_PERCENT = 85
OUTCOMES: dict[int | None, str] = {
    **dict.fromkeys((0, 35), "survived"),  # 35: every test passed, suspiciously slowly
    **dict.fromkeys((5, 33), "uncovered"),  # no test runs that code
    **dict.fromkeys((1, 3, 37), "found"),  # a test failed, or could not even be collected; or the types did not fit
    **dict.fromkeys((24, -24, 36, 152, 255), "found"),  # it never came to an end
}
"""By the exit codes that mutmut keeps; whatever was interrupted, skipped or killed from outside was not tried."""


def outcome(exit_code: int | None) -> str:
    return OUTCOMES.get(exit_code, "untried")


def percent(counts: Counter[str]) -> float:
    tried = counts.total() - counts["untried"]
    return 100 * counts["found"] / tried if tried else 0.0


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path("mutants")
    whole: Counter[str] = Counter()
    print(f"{'module':<28}{'found':>8}{'survived':>10}{'uncovered':>11}{'untried':>9}{'score':>8}")  # noqa: T201
    for path in sorted(root.rglob("*.py.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        counts = Counter(outcome(code) for code in codes.values())
        whole += counts
        if codes:
            _print(path.name.removesuffix(".py.meta"), counts)
    _print("all", whole)
    return 0 if percent(whole) >= SCORE_MIN_PERCENT else 1


def _print(name: str, counts: Counter[str]) -> None:
    found, survived, uncovered, untried = (counts[key] for key in ("found", "survived", "uncovered", "untried"))
    print(f"{name:<28}{found:>8,}{survived:>10,}{uncovered:>11,}{untried:>9,}{percent(counts):>7.1f}%")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
