import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface Started {
  child: ChildProcess;
  /** Its lines on standard error so far. */
  log: string[];
}

/** Starts a program of the service and waits for a message of its log; rejects with the log when it ends before. */
export async function startProgram([program, ...args]: string[], env: NodeJS.ProcessEnv, message: string): Promise<Started> {
  const child = spawn(program as string, args, { env, cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
  const one = { child, log: [] as string[] };
  await new Promise<void>((resolve, reject) => {
    child.once("close", (code) => reject(new Error(`${args.at(-1)} ended with ${code}; its log:\n${one.log.join("\n")}`)));
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      one.log.push(line);
      if (line.includes(`"msg":"${message}"`)) resolve();
    });
  });
  return one;
}

/** In order, the last one first. */
export async function endPrograms(started: Started[]): Promise<void> {
  for (const { child } of started.splice(0).reverse()) {
    const ended = once(child, "exit");
    if (child.kill("SIGTERM")) await ended;
  }
}
