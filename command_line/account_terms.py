"""What people type about accounts: an account's id, shares of products; and the account as the views know it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from command_line.decisions import suggestion
from command_line.session import Session, product_path
from domain.account_facts import AccountSeen
from domain.allocation import AccountType, Share
from domain.errors import BadInput, NotFound
from domain.money import exact, plain
from views.account_models import AccountDetail, ShareDetail
from views.queries import Views

_ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id of the account, 12 digits.")]
SharesArgument = Annotated[
    list[str],
    typer.Argument(metavar="PRODUCT=PERCENT…", help="Shares that add up to exactly 100; a product alone gets all."),
]
TypeOption = Annotated[
    AccountType, typer.Option("--type", metavar="TYPE", help=f"What the account is for: {', '.join(AccountType)}.")
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="DATE",
        help="First day, YYYY-MM-DD; default: the vending date or the 1st of last month, whichever is later; for a "
        "remap, the 1st of this month.",
    ),
]
WhyOption = Annotated[str, typer.Option("--note", help="Why; needed where it reaches further back than usual.")]


def account_id(text: str) -> str:
    """Raises BadInput for what is no account's id."""
    if not _ACCOUNT_ID.fullmatch(text):
        raise BadInput(f"{text!r} is not an account id, which has 12 digits: see `allot account list`.")
    return text


def shares(texts: Sequence[str]) -> tuple[Share, ...]:
    """Raises BadInput for what is no share; whether they are a whole is decided where they are recorded."""
    if len(texts) == 1 and "=" not in texts[0]:
        return (Share(product=product_path(texts[0]), percent=exact("100")),)
    return tuple(_share(text) for text in texts)


def _share(text: str) -> Share:
    product, sign, percent = text.rpartition("=")
    if not sign:
        raise BadInput(f"{text!r} is not a share: write PRODUCT=PERCENT, such as 'Retail/Digital/Web/Checkout=60'.")
    try:
        return Share(product=product_path(product), percent=exact(percent.strip().removesuffix("%").strip()))
    except ValueError:
        raise BadInput(
            f"{text!r}: {percent!r} is not a percentage: write a decimal number such as 60 or 33.3333."
        ) from None


def told(parts: Sequence[Share | ShareDetail]) -> list[str]:
    """`60 % Retail/Digital/Web/Checkout`, a line each."""
    return [f"{plain(part.percent)} % {part.product}" for part in parts]


def known_account(views: Views, session: Session, wanted: str) -> AccountDetail:
    """Raises NotFound, with similar ids, for an account that nobody has seen."""
    found = views.accounts(account_id(wanted), session.today())
    if not found:
        raise NotFound(
            f"Account {wanted} is not known: neither AWS Organizations nor a cost report has shown it."
            f"{suggestion([wanted], list(views.known_accounts()))}",
            code="UnknownAccount",
        )
    return found[0]


def seen(account: AccountDetail) -> AccountSeen:
    """As Organizations has shown it."""
    return AccountSeen.model_validate({name: getattr(account, name) for name in AccountSeen.model_fields})
