"""
Everything that the named client does with the service: a stream with silences, two turns with code, a file, failures.
Prints what came back.
"""

import asyncio
import json
import os
import sys

wanted = json.loads(sys.argv[1])
silent, first, second, too_long, limited = (wanted[name] for name in ("silent", "first", "second", "too_long", "limited"))
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}


def with_litellm() -> dict[str, object]:
    import litellm

    options = {
        "model": "openai/scripted",
        "api_base": os.environ["OPENAI_BASE_URL"],
        "api_key": os.environ["OPENAI_API_KEY"],
        "max_retries": 0,
    }

    def texts(response: object) -> str:
        return "".join(part.text for item in response.output if item.type == "message" for part in item.content)  # type: ignore[attr-defined]

    streamed = ""
    for event in litellm.responses(input=silent, stream=True, **options):
        if event.type == "response.output_text.delta":
            streamed += event.delta
    one = litellm.responses(input=first, tools=[CODE], **options)
    history = [{"role": "user", "content": first}, *(item.model_dump() for item in one.output), {"role": "user", "content": second}]
    two = litellm.responses(input=history, tools=[CODE], **options)
    provider = {"custom_llm_provider": "openai", "api_base": options["api_base"], "api_key": options["api_key"]}
    file = litellm.create_file(file=("a.csv", b"a,b\n1,2\n"), purpose="user_data", **provider)
    content = litellm.file_content(file_id=file.id, **provider)
    return {
        "streamed": streamed,
        "texts": [texts(one), texts(two)],
        "file": content.content.decode(),
        "errors": [raised(lambda text=text: litellm.responses(input=text, **options)) for text in (too_long, limited)],
    }


def with_agent_framework() -> dict[str, object]:
    from agent_framework import Agent, tool
    from agent_framework.openai import OpenAIChatClient
    from openai import AsyncOpenAI

    @tool
    def lookup(name: str) -> str:
        """Looks something up."""
        return f"{name} is 7"

    client = OpenAIChatClient(model="scripted", async_client=AsyncOpenAI(max_retries=0))
    agent = Agent(client=client, tools=[client.get_code_interpreter_tool(), lookup])
    plain = Agent(client=client)

    async def run() -> dict[str, object]:
        stream = plain.run(silent, stream=True)
        async for _ in stream:
            pass
        streamed = (await stream.get_final_response()).text
        session = agent.create_session()
        one = await agent.run(first, session=session)
        two = await agent.run(second, session=session)
        errors = [await araised(plain.run(text)) for text in (too_long, limited)]
        return {"streamed": streamed, "texts": [one.text, two.text], "errors": errors}

    return asyncio.run(run())


def with_llama_index() -> dict[str, object]:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAIResponses

    options = {"model": "scripted", "context_window": 100_000, "max_retries": 0, "api_base": os.environ["OPENAI_BASE_URL"]}
    plain = OpenAIResponses(**options)
    # It leaves code calls out of what it sends back, so the service has to keep the conversation.
    coding = OpenAIResponses(**options, built_in_tools=[CODE], track_previous_responses=True)

    def message(text: str) -> ChatMessage:
        return ChatMessage(role="user", content=text)

    streamed = "".join(piece.delta or "" for piece in plain.stream_chat([message(silent)]))
    one = coding.chat([message(first)])
    two = coding.chat([message(second)])
    return {
        "streamed": streamed,
        "texts": [one.message.content, two.message.content],
        "errors": [raised(lambda text=text: plain.chat([message(text)])) for text in (too_long, limited)],
    }


def with_instructor() -> dict[str, object]:
    import instructor
    from openai import OpenAI
    from pydantic import BaseModel

    class Answer(BaseModel):
        text: str

    client = instructor.from_openai(OpenAI(max_retries=0), mode=instructor.Mode.RESPONSES_TOOLS, model="scripted")

    def ask(text: str) -> Answer:
        return client.create(messages=[{"role": "user", "content": text}], response_model=Answer, max_retries=0)

    pieces = list(client.create_partial(messages=[{"role": "user", "content": silent}], response_model=Answer, max_retries=0))
    return {
        "streamed": pieces[-1].text,
        "texts": [ask(first).text, ask(second).text],
        "errors": [raised(lambda text=text: ask(text)) for text in (too_long, limited)],
    }


def raised(call: object) -> list[object]:
    """The class and the status of the error that a call raises, or of its cause that has a status."""
    try:
        call()  # type: ignore[operator]
    except Exception as error:
        return describe(error)
    return []


async def araised(call: object) -> list[object]:
    try:
        await call  # type: ignore[misc]
    except Exception as error:
        return describe(error)
    return []


def describe(error: BaseException) -> list[object]:
    cause: BaseException | None = error
    while cause is not None and not hasattr(cause, "status_code"):
        cause = cause.__cause__ or cause.__context__
    return [type(error).__name__, getattr(cause, "status_code", None)]


print(json.dumps(globals()[f"with_{wanted['client']}"]()))
