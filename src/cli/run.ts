import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";
import type { Output } from "../domain/outputs.ts";
import type { Execution } from "../domain/result.ts";
import { Client, type RunBody } from "./client.ts";
import { EXIT_CANCELLED, EXIT_READER_GONE, endingSentence, exitCodeOf } from "./exit-code.ts";
import type { Printer } from "./printer.ts";
import { imageName, renderOutput } from "./render.ts";
import { saveInto } from "./save.ts";
import { CliError, EXIT_SERVICE, EXIT_USAGE, type Service } from "./settings.ts";
import { sanitizeLine } from "./terminal.ts";

export interface RunOptions {
  code?: string;
  file: string[];
  out?: string;
  overwrite: boolean;
  arg: string[];
  env: Record<string, string>;
  stdin?: string;
  timeout?: number;
  memory?: number;
  json: boolean;
}

/** The reason of a stop when the reader of standard output has gone, as in `| head`. */
export const READER_GONE = "reader gone";

/** Standard input, which may be a terminal. */
export type Input = Readable & { isTTY?: boolean };

/**
 * Runs a script through the service, prints its outputs as they arrive and saves its files. Resolves with the exit code.
 * `stop` cancels the execution. After a stop with READER_GONE nothing more is printed.
 */
export async function run(
  script: string | undefined,
  options: RunOptions,
  { service, printer, stdin, stop }: { service: Service; printer: Printer; stdin: Input; stop: AbortSignal },
): Promise<number> {
  const client = new Client(service);
  const readInput = async (what: string) => {
    if (stdin.isTTY === true) await printer.note(`Reading ${what} from the terminal. End it with Ctrl-D, or cancel with Ctrl-C.`);
    return readUntilStop(stdin, stop);
  };
  const body = await bodyOf(script, options, client, readInput);
  let executionId = "";
  const onStop = () => {
    if (executionId !== "") client.cancel(executionId).catch(() => undefined);
  };
  stop.addEventListener("abort", onStop);
  try {
    const ended = await follow(client, body, {
      printer,
      quiet: () => options.json || stop.reason === READER_GONE,
      onAccepted: (id) => {
        executionId = id;
        if (stop.aborted) onStop();
      },
    });
    if (stop.reason === READER_GONE) return EXIT_READER_GONE;
    const saved = await saveOutputs(client, ended, options, printer);
    if (options.json) await printer.block({ stream: "stdout", text: JSON.stringify(ended, null, 2) });
    else await printEnding(ended, printer);
    return saved ? exitCodeOf(ended) : exitCodeOf(ended) || EXIT_SERVICE;
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

async function bodyOf(
  script: string | undefined,
  options: RunOptions,
  client: Client,
  readInput: (what: string) => Promise<string>,
): Promise<RunBody> {
  if ((script === undefined) === (options.code === undefined))
    throw new CliError("Give either a script, - for standard input, or -c CODE.", EXIT_USAGE);
  if (script === "-" && options.stdin === "-") throw new CliError("Standard input can be the script or its input, not both.", EXIT_USAGE);
  const read = (path: string, what: string) => (path === "-" ? readInput(what) : readLocal(path));
  const code = options.code ?? (await read(script as string, "the script"));
  const files: RunBody["files"] = [];
  for (const given of options.file) {
    const { name, path } = await fileArgument(given);
    if (files.some((file) => file.name === name))
      throw new CliError(`Two files are named ${name}; rename one with --file NAME=PATH`, EXIT_USAGE);
    files.push({ name, file_id: await client.upload(path) });
  }
  return {
    code,
    files,
    args: options.arg,
    env: options.env,
    ...(options.stdin === undefined ? {} : { stdin: await read(options.stdin, "the script's input") }),
    ...(options.timeout === undefined ? {} : { timeout_ms: options.timeout }),
    ...(options.memory === undefined ? {} : { memory_mb: options.memory }),
  };
}

async function readUntilStop(stdin: Readable, stop: AbortSignal): Promise<string> {
  try {
    return await readText(addAbortSignal(stop, stdin));
  } catch (error) {
    if (stop.aborted) throw new CliError("Cancelled.", EXIT_CANCELLED);
    throw error;
  }
}

/** `PATH`, or `NAME=PATH` for another name in the sandbox. An existing path that contains `=` takes precedence. */
async function fileArgument(given: string): Promise<{ name: string; path: string }> {
  if (await isFile(given)) return { name: basename(given), path: given };
  const [, name, path] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
  if (name !== undefined && path !== undefined && (await isFile(path))) return { name, path };
  throw new CliError(`There is no file ${path ?? given}.`, EXIT_USAGE);
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readLocal(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${(error as Error).message}`, EXIT_USAGE);
  }
}

/** Prints the outputs in order and resolves with the ended execution. */
async function follow(
  client: Client,
  body: RunBody,
  { printer, quiet, onAccepted }: { printer: Printer; quiet: () => boolean; onAccepted: (id: string) => void },
): Promise<Execution> {
  for await (const event of client.run(body, onAccepted)) {
    if (event.type === "execution.ended") return event.execution;
    if (quiet()) continue;
    if (event.type === "execution.output") await print(event.output, printer);
    else if (event.type === "execution.started" && event.attempt > 1)
      await printer.note(`A worker was lost; the code restarts (attempt ${event.attempt}).`);
  }
  throw new CliError("The event stream ended before the execution did.", EXIT_SERVICE);
}

async function print(output: Output, printer: Printer): Promise<void> {
  const rendered = renderOutput(output, printer.columns);
  if (rendered === null) return;
  if (output.type === "text") await printer.piece(rendered);
  else await printer.block(rendered);
}

/** Saves images and files of the stored result; false when one could not be saved. */
async function saveOutputs(client: Client, ended: Execution, options: RunOptions, printer: Printer): Promise<boolean> {
  let images = 0;
  let allSaved = true;
  for (const output of ended.outputs) {
    if (output.type !== "image" && output.type !== "file") continue;
    const name = output.type === "file" ? output.name : imageName(output.mime_type, ++images);
    const about = `${sanitizeLine(name)} (${sanitizeLine(output.mime_type)}, ${output.bytes} bytes)`;
    if (options.out === undefined) {
      if (!options.json) await printer.note(`${about} is stored as ${output.file_id}; save it with --out FOLDER`);
      continue;
    }
    try {
      const path = await saveInto(options.out, name, await client.content(output.file_id), { overwrite: options.overwrite });
      if (!options.json) await printer.note(`saved ${path} (${sanitizeLine(output.mime_type)}, ${output.bytes} bytes)`);
    } catch (error) {
      allSaved = false;
      await printer.note(`${about}: ${(error as Error).message}`);
    }
  }
  return allSaved;
}

async function printEnding(ended: Execution, printer: Printer): Promise<void> {
  for (const { name, reason } of ended.skipped_files) await printer.note(`left out ${sanitizeLine(name)}: ${sanitizeLine(reason)}`);
  if (ended.truncated.stdout) await printer.note("stdout was too long; its end is missing.");
  if (ended.truncated.stderr) await printer.note("stderr was too long; its end is missing.");
  const sentence = endingSentence(ended);
  if (sentence !== null) await printer.note(sentence);
}
