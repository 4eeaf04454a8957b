"""Lists of one type as PostgreSQL arrays, packed directly.

The driver's own way looks at every element to find out what the list holds, which costs as much time as the INSERT.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_EMPTY = Struct(">iiI").pack  # dimensions, has nulls, element type
_HEADER = Struct(">iiIii").pack  # … and of the only dimension: size, first index
_LENGTH = Struct(">i").pack
_BIGINT = Struct(">q").pack


class Uuids(list[UUID]):
    """uuid[]"""


class Bigints(list[int]):
    """bigint[]"""


class Texts(list[str]):
    """text[]"""


class Byteas(list[bytes]):
    """bytea[]"""


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element_oid: ClassVar[int]
    pack: ClassVar[Callable[[Any], bytes]]

    def dump(self, obj: list[Any]) -> bytes:
        if not obj:
            return _EMPTY(0, 0, self.element_oid)
        parts = [_HEADER(1, 0, self.element_oid, len(obj), 1)]
        for item in map(type(self).pack, obj):
            parts += (_LENGTH(len(item)), item)
        return b"".join(parts)


def _register(list_class: type, element: str, pack: Callable[[Any], bytes]) -> None:
    info = psycopg.adapters.types[element]
    attributes = {"oid": info.array_oid, "element_oid": info.oid, "pack": staticmethod(pack)}
    psycopg.adapters.register_dumper(list_class, type(f"{list_class.__name__}Dumper", (_ArrayDumper,), attributes))


_register(Uuids, "uuid", lambda value: value.bytes)
_register(Bigints, "int8", _BIGINT)
_register(Texts, "text", str.encode)
_register(Byteas, "bytea", bytes)
