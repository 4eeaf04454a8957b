"""A table for the time of a query: files in S3 that Athena is told the columns of.

It is entered into the Glue catalogue by its API, and not by a statement, so that no name of a report can be read as
SQL; and it has just the columns that are read. Which files count is not up to the table, whose place is a folder, but
to the query, which names them (`"$path" IN (…)`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import boto3

from activities.athena import client_config
from activities.aws_errors import AwsService, Told, errors_of
from activities.aws_organizations import REGION

_INPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_SERVICE = AwsService(
    name="AWS Glue",
    permissions="glue",
    granted="on the catalogue and on the database that ALLOT_COST_ATHENA_DATABASE names",
    how_to_configure="give the worker credentials (AWS_PROFILE, or a role)",
    told={
        "EntityNotFoundException": Told(
            "There is no database of the name in ALLOT_COST_ATHENA_DATABASE: make one in AWS Glue, for Allot alone.",
            "NoDatabase",
        )
    },
)


def glue_client() -> Any:
    session = boto3.Session()
    return session.client("glue", region_name=session.region_name or REGION, config=client_config())


@contextmanager
def registered(
    database: str, name: str, location: str, columns: Mapping[str, str], connect: Callable[[], Any] = glue_client
) -> Iterator[None]:
    """A table of Parquet files below a place, by the types of Hive. One that a killed import has left is replaced."""
    with errors_of(_SERVICE):
        client = connect()
        table = _table(name, location, columns)
        try:
            client.create_table(DatabaseName=database, TableInput=table)
        except client.exceptions.AlreadyExistsException:
            client.update_table(DatabaseName=database, TableInput=table)
    try:
        yield
    finally:
        tidied_up = client.exceptions.EntityNotFoundException  # by somebody else
        with errors_of(_SERVICE), suppress(tidied_up):
            client.delete_table(DatabaseName=database, Name=name)


def _table(name: str, location: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Name": name,
        "Description": "Read by Allot while it imports a cost report; may be deleted at any other time.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": type_} for column, type_ in columns.items()],
            "Location": f"{location.rstrip('/')}/",
            "InputFormat": _INPUT,
            "OutputFormat": _OUTPUT,
            "SerdeInfo": {"SerializationLibrary": _SERDE},
        },
    }
