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
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
seen = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = type("Server", (http.server.HTTPServer,), {"address_family": family})((address, 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = address if family == socket.AF_INET else f"[{address}]"
    seen.append(urllib.request.urlopen(f"http://{host}:{server.server_port}").status)
    if family == socket.AF_INET: seen.append(urllib.request.urlopen(f"http://localhost:{server.server_port}").status)
seen.append(socket.gethostbyname(socket.gethostname()).split(".")[0])
for name in ("example.com", "host.docker.internal", "redis"):
    try: seen.append(socket.gethostbyname(name))
    except OSError: seen.append(None)
print(*seen)
`;
  const { end, text } = await under.run(code);
  expect([end.status, text()]).toEqual(["completed", "200 200 200 127 None None None"]);
});
