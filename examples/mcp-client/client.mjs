// node examples/mcp-client/client.mjs   (CODE_INTERPRETER_URL, CODE_INTERPRETER_KEY)
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = new URL("/mcp", process.env.CODE_INTERPRETER_URL ?? "http://127.0.0.1:8080");
const headers = { authorization: `Bearer ${process.env.CODE_INTERPRETER_KEY}` };
const client = new Client({ name: "example", version: "1" });
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));

const code = 'print(f"${10_000 * 1.07 ** 20:,.2f}")';
const { content } = await client.callTool({ name: "execute_python", arguments: { code } });
console.log(content[0].text);
await client.close();
