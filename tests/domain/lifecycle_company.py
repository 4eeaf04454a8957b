"""The company of the lifecycle machine: its products and people, and what is drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from domain.business_days import BusinessCalendar
from domain.calendar import FiscalCalendar
from domain.decision import Grant, Organization, Persona
from domain.hierarchy import NodePath
from tests.domain.lifecycle_model import OFFICE, YEAR
from tests.domain.lifecycle_recorder import RememberedRights
from tests.domain.specs import RIGHTS

ORGANIZATION = Organization(
    "USD", FiscalCalendar(), business=BusinessCalendar(OFFICE, reminder_days=2, year_grace_days=5)
)
MONTHS = ORGANIZATION.calendar.months(YEAR)
WEB, APP = NodePath(("Retail", "Digital", "Web")), NodePath(("Retail", "Digital", "App"))
DIGITAL = WEB.parent
CHECKOUT, SEARCH, CART = (NodePath((*p.parts, name)) for p, name in ((WEB, "Checkout"), (WEB, "Search"), (APP, "Cart")))
PRODUCTS = (CHECKOUT, SEARCH, CART)
"""Two portfolios, of which one has two products."""
RIGHTS_OF_ALL = RememberedRights(RIGHTS)
FIN = "fin"
HELD: dict[str, tuple[Grant, ...]] = {
    FIN: (Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT),),
    "ann": (
        Grant(Persona.PRODUCT_OWNER, CHECKOUT),
        Grant(Persona.PRODUCT_OWNER, SEARCH),
        Grant(Persona.PORTFOLIO_OWNER, WEB),
    ),
    "bob": (Grant(Persona.PORTFOLIO_OWNER, WEB), Grant(Persona.PRODUCT_OWNER, CHECKOUT)),
    "cat": (Grant(Persona.PRODUCT_OWNER, CART), Grant(Persona.PORTFOLIO_OWNER, APP)),
    "dan": (Grant(Persona.DEPARTMENT_OWNER, DIGITAL), Grant(Persona.PORTFOLIO_OWNER, APP)),
    "eve": (),
}
NAMES = tuple(HELD)
GRANTS = tuple(dict.fromkeys(grant for grants in HELD.values() for grant in grants))
ANNUALS = (0, 300, 600, 900, 960, 1200, 1320)

admins = st.sampled_from((FIN, FIN, FIN, FIN, "dan", "eve"))
anybody = st.sampled_from(NAMES)
deciders = st.sampled_from((*NAMES, *[""] * len(NAMES)))
"""Anybody, or (nobody named) whoever may."""
delegators = st.sampled_from(("ann", "bob", "bob", "cat", "dan", "eve"))
delegates = st.sampled_from((*NAMES, "eve", "eve", "eve"))
products = st.sampled_from((CHECKOUT, CHECKOUT, SEARCH, CART))
through = st.sampled_from((None, None, None, 0, 0, 1, -1))
"""Which round's process: none, the right one, the next, the one before."""
behind = st.sampled_from((0, 0, 0, 1, 2, 5, -1))
choices = st.lists(st.integers(0, 23), min_size=1, max_size=3)
LAST_MODE = 9
"""Of a load: some change, some override, one is another first load, and what is above loads the same bytes again."""
COMMANDS_BEFORE_THE_END = 40
"""After which a life may come to the end of the year, where little can happen any more."""
