"""Two turns of one conversation with the named client, each with code. Prints the texts of both."""

import asyncio
import json
import sys

wanted = json.loads(sys.argv[1])
first, second = wanted["inputs"]


def with_agents() -> list[str]:
    from agents import Agent, CodeInterpreterTool, Runner, function_tool

    @function_tool
    def lookup(name: str) -> str:
        return f"{name} is 7"

    tools = [CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": {"type": "auto"}}), lookup]
    agent = Agent(name="a", model="scripted", tools=tools)

    async def run() -> list[str]:
        one = await Runner.run(agent, first)
        two = await Runner.run(agent, [*one.to_input_list(), {"role": "user", "content": second}])
        return [str(one.final_output), str(two.final_output)]

    return asyncio.run(run())


def with_pydantic_ai() -> list[str]:
    from pydantic_ai import Agent
    from pydantic_ai.capabilities import NativeTool
    from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
    from pydantic_ai.native_tools import CodeExecutionTool

    # As for OpenAI's own models: without ids it leaves code calls out of what it sends back.
    settings = OpenAIResponsesModelSettings(openai_send_reasoning_ids=True)
    agent = Agent(OpenAIResponsesModel("scripted", settings=settings), capabilities=[NativeTool(CodeExecutionTool())])

    @agent.tool_plain
    def lookup(name: str) -> str:
        return f"{name} is 7"

    async def run() -> list[str]:
        one = await agent.run(first)
        two = await agent.run(second, message_history=one.all_messages())
        return [one.output, two.output]

    return asyncio.run(run())


def with_langchain() -> list[str]:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="scripted", use_responses_api=True, max_retries=0, output_version="responses/v1")
    bound = model.bind_tools([{"type": "code_interpreter", "container": {"type": "auto"}}])
    history = [HumanMessage(first)]
    one = bound.invoke(history)
    two = bound.invoke([*history, one, HumanMessage(second)])
    return [text(one), text(two)]


def text(message: object) -> str:
    found = message.text  # type: ignore[attr-defined]
    return found if isinstance(found, str) else found()


print(json.dumps(globals()[f"with_{wanted['client']}"]()))
