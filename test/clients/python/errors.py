"""One request that fails. Prints the class, status, code and type of the exception."""

import json
import sys

from openai import APIStatusError, OpenAI

wanted = json.loads(sys.argv[1])
try:
    OpenAI(max_retries=0).responses.create(model="scripted", **wanted)
    print("null")
except APIStatusError as error:
    print(json.dumps([type(error).__name__, error.status_code, error.code, error.type, error.param]))
