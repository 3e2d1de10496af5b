import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { exitCodesHelp } from "./exit-code.ts";
import { Printer } from "./printer.ts";
import { READER_GONE, type RunOptions, run } from "./run.ts";
import { CliError, EXIT_USAGE, serviceFrom, urlFrom } from "./settings.ts";
import type { VerifyOptions } from "./verify.ts";

const printer = new Printer(process.stdout, process.stderr);

/** A closed reader (`| head`) is not an error, but the code must not continue without a reader. */
const stop = new AbortController();
process.stdout.on("error", () => stop.abort(READER_GONE));
process.stderr.on("error", () => undefined);

interface ConnectionOptions {
  url?: string;
  key?: string;
}

const program = new Command("code-interpreter")
  .description("Runs Python in a fresh locked-down container of the code interpreter service")
  .version(version())
  .showHelpAfterError("(use --help to see all options)")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE));

withConnection(program.command("run"))
  .description("run a script and print its outputs as they arrive")
  .argument("[script]", "a Python file; - for standard input")
  .option("-c, --code <code>", "code instead of a script")
  .option("-f, --file <[name=]path>", "a file for the working folder; repeatable", collect, [])
  .option("-o, --out <folder>", "save images and files here")
  .option("--overwrite", "replace existing files in the --out folder instead of adding a number to the name", false)
  .option("-a, --arg <text>", "an argument, in sys.argv; repeatable", collect, [])
  .option("-e, --env <name=value>", "an environment variable; repeatable", collectVariable, {})
  .option("--stdin <path>", "a file for the script's standard input; - for this command's standard input")
  .option("-t, --timeout <duration>", "time limit: 500ms, 10s, 1m", durationMs)
  .option("-m, --memory <MiB>", "memory limit", wholeNumber)
  .option("--json", "print the stored result as JSON instead", false)
  .addHelpText("after", `\n${exitCodesHelp}`)
  .action(async (script: string | undefined, options: RunOptions & ConnectionOptions) => {
    cancelOnSignal();
    const service = serviceFrom(options, process.env);
    process.exitCode = await run(script, options, { service, printer, stdin: process.stdin, stop: stop.signal });
  });

withConnection(program.command("packages"))
  .description("list the packages that code can import")
  .action(async (options: ConnectionOptions) => {
    const { packages } = await import("./packages.ts");
    await packages(serviceFrom(options, process.env), printer);
  });

const keys = program.command("keys").description("API keys of the service on this machine");
keys
  .command("create")
  .description("make a key and print it")
  .requiredOption("--org <organization>", "the organization it belongs to, as in org_example")
  .option("--scopes <list>", "of execute, read, admin", "execute,read")
  .option("--name <text>", "a name to recognize it by")
  .option("--expires <time>", "a date, or a time from now such as 90d or 12h; without it the key does not expire")
  .option("--limit <name=number...>", "a limit of the organization, such as sessions=5")
  .action(async (options: { org: string; scopes: string; name?: string; expires?: string; limit?: string[] }) => {
    const { createKeyCommand } = await import("./keys.ts");
    await createKeyCommand(options, { environment: process.env, printer });
  });
keys
  .command("list")
  .description("list keys, without their secrets")
  .action(async () => {
    const { listKeysCommand } = await import("./keys.ts");
    await listKeysCommand({ environment: process.env, printer });
  });
keys
  .command("rotate")
  .argument("<id>", "as in keys list")
  .option("--overlap <time>", "how long the old key stays valid, such as 24h", "24h")
  .description("replace a key by a new one with the same rights and limits, and print it")
  .action(async (id: string, options: { overlap: string }) => {
    const { rotateKeyCommand } = await import("./keys.ts");
    await rotateKeyCommand(id, options, { environment: process.env, printer });
  });
keys
  .command("expire")
  .argument("<id>", "as in keys list")
  .option("--at <time>", "now, a date, or a time from now such as 7d", "now")
  .description("set the end of a key; requests with it are refused from then on")
  .action(async (id: string, options: { at: string }) => {
    const { expireKeyCommand } = await import("./keys.ts");
    await expireKeyCommand(id, options, { environment: process.env, printer });
  });
keys
  .command("revoke")
  .argument("<id>", "as in keys list")
  .description("remove a key; requests with it are refused from now on")
  .action(async (id: string) => {
    const { revokeKeyCommand } = await import("./keys.ts");
    await revokeKeyCommand(id, { environment: process.env, printer });
  });

withConnection(program.command("mcp"))
  .description("offer the service's tools to a client of the Model Context Protocol, over standard input and output")
  .action(async (options: ConnectionOptions) => {
    const { mcp } = await import("./mcp.ts");
    await mcp(serviceFrom(options, process.env));
  });

program
  .command("verify")
  .argument("<receipt>", "a receipt, as returned by GET /v1/executions/:id/receipt")
  .description("check whether a receipt is genuine and show its content; works offline")
  .requiredOption("-k, --key <keys>", "the service's public keys, as returned by /v1/receipt-keys")
  .option("-c, --code <script>", "also check that the receipt is for this code")
  .action(async (receipt: string, options: VerifyOptions) => {
    const { verify } = await import("./verify.ts");
    process.exitCode = await verify(receipt, options, printer);
  });

program
  .command("health")
  .description("check whether the service runs and is ready")
  .option("--url <url>", "the service; CODE_INTERPRETER_URL, or the one started here")
  .action(async (options: { url?: string }) => {
    const { health } = await import("./health.ts");
    process.exitCode = await health(urlFrom(options, process.env), printer);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  await printer.note(error.message);
  process.exitCode = error.exitCode;
}

function withConnection(command: Command): Command {
  return command
    .option("--url <url>", "the service; CODE_INTERPRETER_URL, or the one started here")
    .option("--key <key>", "the API key; better set CODE_INTERPRETER_KEY, because other users can see command options");
}

/** The first signal cancels the execution, whose end is still printed. The second exits immediately. */
function cancelOnSignal(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  }
}

function version(): string {
  return (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
}

function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}

function collectVariable(value: string, earlier: Record<string, string>): Record<string, string> {
  const equals = value.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("Must be NAME=VALUE.");
  return { ...earlier, [value.slice(0, equals)]: value.slice(equals + 1) };
}

function durationMs(value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(value);
  if (match === null) throw new InvalidArgumentError("Must be a duration like 500ms, 10s or 1m.");
  const unit = { ms: 1, s: 1000, m: 60_000 }[(match[2] ?? "s") as "ms" | "s" | "m"];
  return Math.round(Number(match[1]) * unit);
}

function wholeNumber(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError("Must be a whole number.");
  return Number(value);
}
