"""One answer with an image that code made, in pydantic-ai. Prints the media type and size of the image."""

import asyncio
import json
import sys

from pydantic_ai import Agent
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.messages import FilePart
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.native_tools import CodeExecutionTool

wanted = json.loads(sys.argv[1])
settings = OpenAIResponsesModelSettings(openai_include_code_execution_outputs=True)
agent = Agent(OpenAIResponsesModel("scripted", settings=settings), capabilities=[NativeTool(CodeExecutionTool())])


async def run() -> list[object]:
    result = await agent.run(wanted["input"])
    parts = [part for message in result.all_messages() for part in message.parts]
    return [[part.content.media_type, len(part.content.data)] for part in parts if isinstance(part, FilePart)]


print(json.dumps(asyncio.run(run())))
