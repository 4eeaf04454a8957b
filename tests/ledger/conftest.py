from __future__ import annotations

from itertools import count

import pytest

from embedded.postgres import Postgres

_numbers = count()


@pytest.fixture
def empty_database_url(postgres: Postgres) -> str:
    """A database without any tables."""
    name = f"empty_{next(_numbers)}"
    postgres.create_database(name)
    return postgres.url(name)
