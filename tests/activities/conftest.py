from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.decision import Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.importing import Here


@pytest.fixture
def here(database_url: str) -> Iterator[Here]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield Here(ledger, database_url)
