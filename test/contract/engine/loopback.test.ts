import { afterAll, beforeAll, expect, test } from "vitest";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine();
});
afterAll(() => under.close());

test("localhost and the sandbox's own host name are loopback, and no other name resolves", async () => {
  const code = `
import http.server, socket, threading, urllib.request
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = type("Server", (http.server.HTTPServer,), {"address_family": family})((address, 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = address if family == socket.AF_INET else f"[{address}]"
    print(urllib.request.urlopen(f"http://{host}:{server.server_port}").status)
    if family == socket.AF_INET: print(urllib.request.urlopen(f"http://localhost:{server.server_port}").status)
print(socket.gethostbyname(socket.gethostname()).startswith("127."))
for name in ("example.com", "host.docker.internal", "redis"):
    try: print(socket.gethostbyname(name))
    except OSError: print("no such name")
`;
  const { end, text } = await under.run(code);
  expect([end.status, text()]).toEqual(["completed", "200\n200\n200\nTrue\nno such name\nno such name\nno such name"]);
});
