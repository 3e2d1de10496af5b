"""A bare IPython kernel driven by jupyter_client; for each number on standard input, that many cells, their milliseconds as JSON."""

import json
import os
import sys
import time

from jupyter_client.manager import start_new_kernel

CELL = "x += 1; print(x)"
TIMEOUT_S = 60

manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive("x = 0", timeout=TIMEOUT_S)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        taken = []
        for _ in range(int(line)):
            printed = []
            started = time.perf_counter()
            reply = client.execute_interactive(
                CELL,
                timeout=TIMEOUT_S,
                output_hook=lambda message: printed.append(message["content"].get("text", "")),
            )
            taken.append((time.perf_counter() - started) * 1000)
            if reply["content"]["status"] != "ok" or not "".join(printed).strip().isdigit():
                raise RuntimeError(f"the kernel answered {reply['content']['status']}: {printed}")
        print(json.dumps(taken), flush=True)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
# The manager's finalizer logs after the interpreter has shut logging down.
os._exit(0)
