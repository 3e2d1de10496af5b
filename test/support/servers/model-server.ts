import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface AskedOfModel {
  path: string;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into requests of every shape
  body: any;
}

/** The scripted model (model-server.mjs) in its own process. */
export async function startModelServer() {
  const child = spawn(process.execPath, [new URL("./model-server.mjs", import.meta.url).pathname], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const url = `http://127.0.0.1:${port}`;
  return {
    baseUrl: `${url}/v1`,
    /** Requests since the last call. */
    async asked(): Promise<AskedOfModel[]> {
      return (await fetch(`${url}/requests`, { method: "DELETE" })).json() as Promise<AskedOfModel[]>;
    },
    async stop() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}

export type ModelServer = Awaited<ReturnType<typeof startModelServer>>;

let scripts = 0;

/** A user message that makes the model take these turns. Each is unique, so that each conversation begins at its first turn. */
export function script(...turns: object[]): string {
  scripts += 1;
  return `(${process.pid}.${scripts}) #script ${JSON.stringify(turns)}`;
}
