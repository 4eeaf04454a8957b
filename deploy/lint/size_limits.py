"""Fails when a function or a file has grown too long to be understood in one go.

python deploy/lint/size_limits.py [DIRECTORY]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
SKIPPED = frozenset({"__pycache__", "build", "mutants", "node_modules"})
"""Directories that are not ours; so are those whose name starts with a dot."""


def sources(root: Path) -> Iterator[Path]:
    """Every Python file of the project."""
    for path in sorted(root.rglob("*.py")):
        parents = path.relative_to(root).parts[:-1]
        if not any(part in SKIPPED or part.startswith(".") for part in parents):
            yield path


def breaches(path: Path) -> Iterator[str]:
    """What is too long in one file."""
    text = path.read_text(encoding="utf-8")
    if (lines := len(text.splitlines())) > FILE_LINES_MAX:
        yield f"{path}: {lines} lines, at most {FILE_LINES_MAX} are allowed: split the module by subject"
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{path}:{node.lineno}: {node.name}() has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed"


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path()
    found = [breach for path in sources(root) for breach in breaches(path)]
    sys.stderr.writelines(f"{breach}\n" for breach in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
