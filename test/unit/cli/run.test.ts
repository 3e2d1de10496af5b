import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Printer } from "../../../src/cli/printer.ts";
import { run } from "../../../src/cli/run.ts";

const options = { file: [], overwrite: false, arg: [], env: {}, json: false };
const service = { url: "http://127.0.0.1:1", key: "unused" };

test("a script that is typed into a terminal is announced, and the first stop ends the command", async () => {
  const stderr = new PassThrough();
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stop = new AbortController();
  const running = run("-", options, { service, printer: new Printer(new PassThrough(), stderr), stdin, stop: stop.signal });
  stdin.write("print(");
  stop.abort();
  await expect(running).rejects.toMatchObject({ message: "Cancelled.", exitCode: 130 });
  expect(String(stderr.read())).toBe("Reading the script from the terminal. End it with Ctrl-D, or cancel with Ctrl-C.\n");
});
