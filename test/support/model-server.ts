import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface AskedOfModel {
  path: string;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into requests of every shape
  body: any;
}

/** The scripted model (model-server.mjs) as a process of its own. */
export async function startModelServer() {
  const child = spawn(process.execPath, [new URL("./model-server.mjs", import.meta.url).pathname], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const url = `http://127.0.0.1:${port}`;
  return {
    baseUrl: `${url}/v1`,
    /** What it was asked since the last call of this. */
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

/** A user's text that makes the model take these turns; no two are alike, so that each conversation begins at its first turn. */
export function script(...turns: object[]): string {
  scripts += 1;
  return `(${process.pid}.${scripts}) #script ${JSON.stringify(turns)}`;
}
