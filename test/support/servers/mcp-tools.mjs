import { once } from "node:events";
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

/**
 * An MCP server for tests, made with the official package: `node mcp-tools.mjs` speaks over standard input and output,
 * `node mcp-tools.mjs http` over Streamable HTTP at an address that it prints.
 */
const image = Buffer.from("89504e470d0a1a0a", "hex").toString("base64");

export function makeMcpToolsServer(slowly = () => new Promise(() => {})) {
  const server = new McpServer({ name: "tools-for-tests", version: "1.0.0" });
  let calls = 0;
  const add = (name, description, inputSchema, run, annotations = { readOnlyHint: true }) =>
    server.registerTool(name, { description, inputSchema, annotations }, run);
  const text = (value) => ({ content: [{ type: "text", text: value }] });
  server.registerTool(
    "search",
    {
      description: "Finds customers.\nBy a part of their name.",
      inputSchema: { query: z.string().describe("part of the name"), limit: z.number().int().optional() },
      outputSchema: { rows: z.array(z.object({ id: z.number(), name: z.string() })) },
      annotations: { readOnlyHint: true },
    },
    ({ query, limit = 2 }) => {
      const rows = Array.from({ length: limit }, (_, id) => ({ id, name: `${query} ${id}` }));
      return { content: [{ type: "text", text: "rows" }], structuredContent: { rows } };
    },
  );
  add("read-note", "Returns a note.", { id: z.number() }, ({ id }) => text(`note ${id}`));
  add("class", "Has a keyword of Python for its name.", {}, () => text("a class"));
  add("picture", "Returns a picture.", {}, () => ({
    content: [
      { type: "text", text: "Here:" },
      { type: "image", data: image, mimeType: "image/png" },
    ],
  }));
  add("fail", "Fails.", {}, () => ({ ...text("no such customer"), isError: true }));
  add("hang", "Never answers.", {}, () => new Promise(() => {}));
  add("large", "Returns many bytes.", { bytes: z.number() }, ({ bytes }) => text("x".repeat(bytes)));
  add("secrets", "Returns what the server got of its settings.", {}, (_, { requestInfo }) =>
    text(JSON.stringify({ variable: process.env.TOOLS_TOKEN ?? null, header: requestInfo?.headers["x-token"] ?? null })),
  );
  add("die", "Ends the server.", {}, () => process.exit(1));
  add("slow", "Answers when the test lets it.", {}, async () => {
    await slowly();
    return text("done");
  });
  const withEffects = { readOnlyHint: false };
  add("add_note_slowly", "Adds a note when the test lets it.", {}, () => slowly().then(() => text("added")), withEffects);
  add("add_note", "Adds a note.", { note: z.string() }, () => text(`note ${++calls} added`), withEffects);
  return server;
}

/** Serves one MCP session for each that a client opens. */
export async function serveMcpTools(port = 0) {
  const sessions = new Map();
  let slow = 0;
  let release = () => {};
  const released = new Promise((resolve) => {
    release = resolve;
  });
  const slowly = () => {
    slow += 1;
    return released;
  };
  const server = createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (id !== undefined && transport === undefined) return response.writeHead(404).end();
    if (transport === undefined) {
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (session) => sessions.set(session, made),
      });
      transport = made;
      await makeMcpToolsServer(slowly).connect(made);
    }
    await transport.handleRequest(request, response);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    /** As a restart does: the server knows no session any more. */
    forget: () => sessions.clear(),
    /** Slow calls that have come. */
    waiting: () => slow,
    /** Lets all slow calls end. */
    release: () => release(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("mcp-tools.mjs")) {
  if (process.argv[2] === "http") process.stdout.write(`${(await serveMcpTools(Number(process.argv[3] ?? 0))).url}\n`);
  else await makeMcpToolsServer().connect(new StdioServerTransport());
}
