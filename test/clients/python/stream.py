"""Streams one response with the named client. Prints its text."""

import asyncio
import json
import sys

wanted = json.loads(sys.argv[1])


def with_openai() -> str:
    from openai import OpenAI

    text = ""
    for event in OpenAI(max_retries=0).responses.create(model="scripted", input=wanted["input"], stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
    return text


def with_openai_accumulated() -> str:
    from openai import OpenAI

    with OpenAI(max_retries=0).responses.stream(model="scripted", input=wanted["input"]) as stream:
        return stream.get_final_response().output_text


def with_langchain() -> str:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="scripted", use_responses_api=True, max_retries=0)
    return "".join(chunk.text if isinstance(chunk.text, str) else chunk.text() for chunk in model.stream(wanted["input"]))


def with_agents() -> str:
    from agents import Agent, Runner

    async def run() -> str:
        result = Runner.run_streamed(Agent(name="a", model="scripted"), wanted["input"])
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    return asyncio.run(run())


def with_pydantic_ai() -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIResponsesModel

    async def run() -> str:
        async with Agent(OpenAIResponsesModel("scripted")).run_stream(wanted["input"]) as result:
            return await result.get_output()

    return asyncio.run(run())


print(json.dumps(globals()[f"with_{wanted['client']}"]()))
