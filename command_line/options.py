"""Options that every command shares, so that they read alike everywhere."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN

ANSWER_WITHIN_S = 10.0
"""How long a person waits for the answer to a decision; nothing is lost when it comes later."""
ANSWER_WITHIN_MAX_S = 3_600.0
WORK_WITHIN_S = 600.0
"""How long a command waits for work that takes its time: a load, a synchronisation, an import."""
WORK_WITHIN_MAX_S = 86_400.0

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; amounts are text.")]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="EMAIL", envvar="ALLOT_AS", help="Who acts: an e-mail address known to Allot."),
]
CommandId = Annotated[
    UUID | None,
    typer.Option(
        metavar="UUID",
        help="Id of this command. Repeating a command with its id is safe: it is answered, not done again.",
    ),
]
AnswerWithin = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1, max=ANSWER_WITHIN_MAX_S, help="How long to wait for the answer."
    ),
]
WorkWithin = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=1,
        max=WORK_WITHIN_MAX_S,
        help="How long to wait for the work to be done; it goes on without us.",
    ),
]
Year = Annotated[
    int | None,
    typer.Option(
        "--year",
        metavar="YEAR",
        min=FISCAL_YEAR_MIN,
        max=FISCAL_YEAR_MAX,
        help="Fiscal year, named by the year it ends in; default: this one.",
    ),
]
ProductArgument = Annotated[
    str, typer.Argument(metavar="PRODUCT", help="Path of the product, such as 'Retail/Digital/Web/Checkout'.")
]
EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address, by which the person is known.")]
Note = Annotated[str, typer.Option(help="Kept with the event.")]
