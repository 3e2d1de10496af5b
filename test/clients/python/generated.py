"""One execution with files through a client that openapi-python-client has generated. Prints what came back."""

import json
import os
import sys

wanted = json.loads(sys.argv[1])
sys.path.insert(0, wanted["folder"])

from generated import AuthenticatedClient  # noqa: E402
from generated.api.executions import create_execution  # noqa: E402
from generated.api.files import get_file_content  # noqa: E402
from generated.models import ExecutionRequest, ExecutionRequestFilesItem  # noqa: E402

client = AuthenticatedClient(base_url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1"), token=os.environ["OPENAI_API_KEY"])
request = ExecutionRequest(code="print('printed')", files=[ExecutionRequestFilesItem(name="in.csv", text="a")])
execution = create_execution.sync(client=client, body=request)
text, file = execution.outputs
content = get_file_content.sync_detailed(file.file_id, client=client)
print(
    json.dumps(
        {
            "status": str(execution.status),
            "outputs": [type(output).__name__ for output in execution.outputs],
            "text": text.text,
            "bytes": content.content.decode(),
        }
    )
)
