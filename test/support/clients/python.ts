import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../../", import.meta.url));
// Plain JavaScript, loaded by address, without types.
const { ensurePythonTools } = await import(new URL("../../../scripts/setup/python-tools.mjs", import.meta.url).href);

export interface PythonClient {
  /** Base URL of the service, without `/v1`. */
  url: string;
  key: string;
}

/**
 * Runs a script of test/clients/python with a group of clients of pyproject.toml. `input` is its argument as JSON.
 * Resolves with the JSON that it prints on its last line; rejects with what it wrote to stderr when it fails.
 */
export async function runPython(
  script: string,
  { url, key }: PythonClient,
  input: unknown = null,
  group: "clients" | "clients-behind" | "client-types" = "clients",
  variables: NodeJS.ProcessEnv = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
): Promise<any> {
  const bin = await pythonTools(group);
  const file = join(root, "test/clients/python", script);
  const env = {
    ...process.env,
    OPENAI_BASE_URL: `${url}/v1`,
    OPENAI_API_KEY: key,
    OPENAI_AGENTS_DISABLE_TRACING: "1",
    LANGCHAIN_TRACING_V2: "",
    // Otherwise it is fetched from the internet.
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
    ...variables,
  };
  const child = spawn(join(bin, "python"), ["-B", "-W", "ignore", file, JSON.stringify(input)], { env, stdio: ["ignore", "pipe", "pipe"] });
  const printed = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.err += text));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  const last = printed.out.trim().split("\n").at(-1) ?? "";
  if (code !== 0 || last === "") throw new Error(`${script} ended with ${code}:\n${printed.err.slice(-3_000)}`);
  return JSON.parse(last);
}

/** The folder with the programs of a group of pyproject.toml. */
export function pythonTools(group: "clients" | "clients-behind" | "client-types"): Promise<string> {
  return ensurePythonTools({ root, group, progress: () => {} }) as Promise<string>;
}

/** Generates a client from a document into a folder; resolves with what the generator printed. */
export async function generatePythonClient(document: string, folder: string): Promise<string> {
  const bin = await pythonTools("clients");
  const command = ["generate", "--path", document, "--meta", "none", "--output-path", folder];
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}` };
  const { stdout, stderr } = await promisify(execFile)(join(bin, "openapi-python-client"), command, { env });
  return stdout + stderr;
}
