"""Requests that fail. Prints the class, status, code, type and field of each exception."""

import json
import sys

from openai import APIStatusError, OpenAI

client = OpenAI(max_retries=0)


def raised(request: dict[str, object]) -> list[object] | None:
    try:
        client.responses.create(model="scripted", **request)
    except APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.type, error.param]
    return None


print(json.dumps([raised(request) for request in json.loads(sys.argv[1])]))
