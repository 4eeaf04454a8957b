"""What an installation on AWS has for account events, in the stand-in: a rule of EventBridge that leads to a queue.

On AWS the templates in `deploy/cloudformation` make it. Organizations sends nothing by itself in the stand-in, so
whoever wants an event puts it onto the bus.
"""

from __future__ import annotations

import json

from embedded.aws_server import ACCESS_KEY, REGION

QUEUE_VARIABLE = "ALLOT_ACCOUNT_EVENTS_QUEUE_URL"
DEAD_LETTER_VARIABLE = "ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL"
QUEUE = "allot-account-events"
DEAD_LETTERS = "allot-account-events-dead-letters"
RULE = "allot-account-events"
SOURCES = ["aws.organizations", "aws.controltower"]


def lay_account_events(endpoint_url: str) -> dict[str, str]:
    """The variables by which a worker finds the queues; may be repeated."""
    import boto3  # noqa: PLC0415 - takes half a second that only this needs

    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=REGION)
    sqs = session.client("sqs", endpoint_url=endpoint_url)
    queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    dead_letter_url = sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = session.client("events", endpoint_url=endpoint_url)
    events.put_rule(Name=RULE, EventPattern=json.dumps({"source": SOURCES}))
    events.put_targets(Rule=RULE, Targets=[{"Id": "queue", "Arn": arn}])
    return {QUEUE_VARIABLE: queue_url, DEAD_LETTER_VARIABLE: dead_letter_url}
