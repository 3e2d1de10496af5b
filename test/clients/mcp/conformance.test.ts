import { execFile } from "node:child_process";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
// Plain JavaScript, loaded by address, without types.
const { ensureNode } = await import(new URL("../../../scripts/setup/node-modules.mjs", import.meta.url).href);

let rig: Rig;
let url: string;
let close: () => void;
beforeAll(async () => {
  rig = await startRig();
  ({ url, close } = await withKey(rig.api.url, rig.key));
});
afterAll(async () => {
  close();
  await rig.stop();
});

/** The suite sends no key. */
async function withKey(target: string, key: string) {
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, response) => {
    const headers = { authorization: `Bearer ${key}`, ...incoming.headers };
    const outgoing = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Runs the official suite for one version of the protocol. Resolves with passed and failed checks by scenario. */
async function conformance(version: string): Promise<Map<string, [passed: number, failed: number]>> {
  // It needs a later Node than the service.
  const node =
    Number(process.versions.node.split(".")[0]) >= 22 ? process.execPath : join(await ensureNode({ root, version: "22.23.3" }), "node");
  const program = join(root, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
  const args = [program, "server", "--url", url, "--suite", "all", "--spec-version", version];
  const printed = await new Promise<string>((resolve) => execFile(node, args, { maxBuffer: 2 ** 26 }, (_error, stdout) => resolve(stdout)));
  const lines = printed.slice(printed.indexOf("=== SUMMARY ===")).matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed/gm);
  return new Map([...lines].map(([, name = "", passed, failed]) => [name, [Number(passed), Number(failed)]]));
}

/** Scenarios that call tools, resources and prompts of the suite's own server. */
const needsItsServer =
  /^(tools-call-|resources-(read|templates-read|subscribe|unsubscribe)|prompts-|elicitation-|json-schema-|http-custom-header-|input-required-result-)/;
/** Optional parts of the protocol that this service does not have: logging and completion. */
const absent = new Set(["logging-set-level", "completion-complete"]);

test.each([
  [
    "2025-11-25",
    {
      "server-initialize": [3, 0],
      "server-session-lifecycle": [1, 0],
      ping: [2, 0],
      "tools-list": [3, 0],
      "server-sse-polling": [0, 0],
      "server-sse-multiple-streams": [2, 0],
      "resources-list": [2, 0],
      "dns-rebinding-protection": [2, 0],
    },
  ],
  [
    "2026-07-28",
    {
      // Four of its checks call tools of the suite's server.
      "server-stateless": [24, 4],
      "tools-list": [4, 0],
      "server-sse-multiple-streams": [1, 0],
      "resources-list": [2, 0],
      "sep-2164-resource-not-found": [4, 0],
      "dns-rebinding-protection": [2, 0],
      // One check lists prompts.
      caching: [6, 1],
      "http-header-validation": [14, 0],
    },
  ],
])("the official conformance suite finds no fault in version %s of the protocol", async (version, expected) => {
  const found = await conformance(version);
  const others = [...found].filter(([name]) => !(name in expected));
  expect(Object.fromEntries([...found].filter(([name]) => name in expected))).toEqual(expected);
  for (const [name, [passed]] of others) {
    expect(needsItsServer.test(name) || absent.has(name), name).toBe(true);
    // That every message was valid for the protocol's schema.
    expect(passed, name).toBeGreaterThanOrEqual(1);
  }
});
