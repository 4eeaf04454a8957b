"""The base of what is stored or sent: frozen pydantic models, and small values written as text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema


class Model(BaseModel):
    """Frozen. Fields are only ever added, with a default, so that old histories and events still read.

    Unknown fields are ignored, because during a deployment an older worker meets newer messages. Inputs are kept out
    of error texts, because those end in logs and Temporal histories.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


TEXTS_REMEMBERED_MAX = 20_000
"""Texts of each kind of value that were read already; a subject's events name the same few over and over."""


class TextValue:
    """A value with one text form, in which it is stored, sent and typed: `parse(str(value)) == value`."""

    __slots__ = ()
    text_example: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, naming what is wrong."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        parse = lru_cache(TEXTS_REMEMBERED_MAX)(cls.parse)  # values are frozen, so they can be shared
        from_text = core_schema.no_info_after_validator_function(parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(when_used="always"),
        )
