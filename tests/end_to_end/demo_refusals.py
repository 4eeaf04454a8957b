"""Commands that the demo's company refuses: exit status and words, by arguments."""

from __future__ import annotations

ALLOCATE = ("account", "allocate", "--type", "Shared", "--as", "ingrid.solberg@example.com")
INGRID = ALLOCATE[-2:]
REFUSED: dict[tuple[str, ...], tuple[int, str]] = {
    (
        "schedule",
        "approve",
        "Retail/Digital Commerce/Checkout/Paymnts",
        "--year",
        "2026",
        "--as",
        "mei.tanaka@example.com",
    ): (
        5,
        "Did you mean 'Retail/Digital Commerce/Checkout/Payments'",
    ),
    ("tasks", "--as", "mei.tanka@example.com"): (5, "Did you mean 'mei.tanaka@example.com'"),
    ("person", "grant", "mei.tanka@example.com", "vendor_manager", "--as", "ingrid.solberg@example.com"): (
        5,
        "Did you mean 'mei.tanaka@example.com'",
    ),
    (*ALLOCATE, "000000000000", "Logistics/Technology/Platform/Data Lake=100"): (5, "000000000000"),
    (*ALLOCATE, "123456789012", "Logistics/Technology/Platform/Data Lake=99.9999"): (3, "exactly 100 %"),
    ("audit", "nothing like it"): (5, "nothing like it"),
    ("rollup", "Nowhere", "--year", "2026"): (5, "Nowhere"),
    ("rollup", "--year", "2031"): (5, "2026"),
    ("cost", "import", ".", "--as", "tomas.reyes@example.com"): (5, "manifest"),
    ("demo",): (21, "already running"),
    ("up",): (21, "already running"),
}
