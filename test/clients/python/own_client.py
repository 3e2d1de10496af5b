"""Uses the service's own client for Python, and prints what happened as JSON. Arguments: address, key, address that breaks streams."""

import asyncio
import json
import sys
import threading
import time

import httpx
from code_interpreter_client import AsyncCodeInterpreter, CodeInterpreter, CodeInterpreterError, StoredFile, Tool

POOLED = """
from concurrent.futures import ThreadPoolExecutor
def one(i):
    try: return slow(i=i)
    except ToolError as error: return str(error)
with ThreadPoolExecutor(4) as pool: print(list(pool.map(one, range(4))))
"""
COUNTING = "import time\nfor i in range(6): print(i, flush=True); time.sleep(0.2)"
BYTES = bytes(at % 251 for at in range(70_000))
COPY = "import pandas as pd\nt = pd.read_csv('a.csv')\nopen('b.bin', 'wb').write(open('c.bin', 'rb').read())\nprint(len(t))\nt"
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def text_of(event):
    is_text = event["type"] == "execution.output" and event["output"]["type"] == "text"
    return event["output"]["text"] if is_text else ""


def refusal(error: CodeInterpreterError):
    return [error.code, error.status, error.param]


class Open:
    """Counts calls that are open at the same time."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def change(self, by):
        with self.lock:
            self.now += by
            self.most = max(self.most, self.now)


def sync_client(url, key, breaking):
    seen = {}
    with CodeInterpreter(url, key) as ci:
        result = ci.run(COPY, files={"a.csv": "x,y\n1,2\n", "c.bin": BYTES})
        seen["run"] = [result.ok, result.text, result.tables[0]["rows"], result.files["b.bin"].content() == BYTES]
        failed = ci.run("1/0")
        seen["failed"] = [failed.ok, failed.error["name"]]
        try:
            ci.run("1", timeout_ms=0)
        except CodeInterpreterError as error:
            seen["refused"] = refusal(error)
        calls = Open()

        def slow(i):
            calls.change(1)
            time.sleep(0.05)
            calls.change(-1)
            if i == 3:
                raise ValueError("not three")
            return i * 2

        seen["tools"] = [ci.run(POOLED, tools={"slow": slow}).text, calls.most > 1]
        seen["help"] = ci.run("help(f)", tools={"f": Tool(lambda x: x, "Adds nothing.", SCHEMA)}).text
        seen["unfit"] = ci.run("try: f()\nexcept ToolError: print('refused')", tools={"f": object}).text
        late = ci.run("try: late()\nexcept ToolTimeout: print('late')", tools={"late": lambda: time.sleep(1.5)}, tool_timeout_ms=300)
        seen["late"] = late.text
        seen["types"] = [event["type"] for event in ci.stream("print(f(x=1))", tools={"f": lambda x: x + 1})]
        with ci.session() as session:
            session.run("x = 41")
            seen["session"] = session.run("print(x + 1)").text
        try:
            session.run("x")
        except CodeInterpreterError as error:
            seen["closed"] = error.code
        stored = ci.upload("note.txt", b"hello")
        seen["files"] = [ci.download(stored.id) == b"hello", ci.run("print(open('n').read())", files={"n": StoredFile(stored.id)}).text]
        for event in ci.stream("import time\nprint(1, flush=True)\ntime.sleep(25)", metadata={"of": "closed stream"}):
            if text_of(event):
                break
    with CodeInterpreter(breaking, key) as ci:
        seen["resumed"] = "".join(map(text_of, ci.stream(COUNTING)))
    return seen


def retries(url, key):
    """A refusal is retried with the same key; an upload without an answer is not sent twice."""
    keys = []

    def answer(request):
        keys.append(request.headers.get("idempotency-key"))
        if len(keys) == 1:
            return httpx.Response(503, headers={"retry-after": "1"}, json={})
        if len(keys) == 2:
            return httpx.Response(200, json={"id": "ci_1", "status": "completed", "outputs": []})
        raise httpx.ConnectError("refused", request=request)

    ci = CodeInterpreter(url, key, http_client=httpx.Client(transport=httpx.MockTransport(answer)))
    ok = ci.run("1").ok
    try:
        ci.upload("a", b"b")
    except CodeInterpreterError as error:
        return [ok, keys[0] == keys[1], error.code, len(keys)]


async def async_client(url, key, breaking):
    seen = {}
    async with AsyncCodeInterpreter(url, key) as ci:
        result = await ci.run(COPY, files={"a.csv": "x,y\n1,2\n", "c.bin": BYTES})
        seen["run"] = [result.ok, result.text, await result.files["b.bin"].content() == BYTES]
        calls = Open()

        async def slow(i):
            calls.change(1)
            await asyncio.sleep(0.05)
            calls.change(-1)
            if i == 3:
                raise ValueError("not three")
            return i * 2

        seen["tools"] = [(await ci.run(POOLED, tools={"slow": slow})).text, calls.most > 1]
        seen["blocking"] = (await ci.run("print(f())", tools={"f": lambda: time.sleep(0.1) or 1})).text
        seen["types"] = [event["type"] async for event in ci.stream("print(f(x=1))", tools={"f": lambda x: x + 1})]
        async with await ci.session() as session:
            await session.run("x = 41")
            seen["session"] = (await session.run("print(x + 1)")).text
        try:
            await asyncio.wait_for(ci.run("import time\ntime.sleep(25)", metadata={"of": "cancelled task"}), 1)
        except TimeoutError:
            seen["cancelled"] = True
    async with AsyncCodeInterpreter(breaking, key) as ci:
        seen["resumed"] = "".join([text_of(event) async for event in ci.stream(COUNTING)])
    return seen


if __name__ == "__main__":
    url, key, breaking = json.loads(sys.argv[1])
    seen = {"sync": sync_client(url, key, breaking), "async": asyncio.run(async_client(url, key, breaking)), "retries": retries(url, key)}
    print(json.dumps(seen))
