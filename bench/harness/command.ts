import { execFile } from "node:child_process";

/** Debian packages of commands that questions need. `npm start` needs none of them. */
const packages: Record<string, string> = { curl: "curl", docker: "docker-cli (docker.io before Debian 13)" };

const MS_MAX = 120_000;

/** Runs a command to its end; returns its output. */
export function call(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: { ...process.env, ...env }, timeout: MS_MAX }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === "ENOENT") reject(new Error(`this question needs the command ${command}: install ${packages[command]}`));
      else reject(new Error(`${command} failed: ${stderr.slice(0, 500)}`));
    });
  });
}
