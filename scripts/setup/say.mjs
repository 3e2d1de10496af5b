/**
 * Setup's messages: one line for each step with its time, and progress for slow ones. They go to stderr, so that stdout
 * holds only a script's result.
 */
const QUIET_MS = 10_000;
const REDRAW_MS = 200;

/** An error that the user can act on; printed without a stack. */
export class SetupError extends Error {
  name = "SetupError";
}

export function say(text = "") {
  process.stderr.write(`${text}\n`);
}

/** Runs one step and prints its line. `work` receives a function that reports progress; the `note` of its result ends the line. */
export async function step(title, work) {
  const started = performance.now();
  const line = process.stderr.isTTY ? terminalLine(title, started) : logLine(title, started);
  try {
    const result = await work(line.progress);
    line.end(`✓ ${title}${result?.note ? `: ${result.note}` : ""} (${seconds(started)})`);
    return result;
  } catch (error) {
    line.end(`✗ ${title} failed (${seconds(started)})`);
    throw error;
  }
}

/** Prints an error and sets the exit code. Only an unexpected error shows its stack. */
export function giveUp(error) {
  say();
  say(error instanceof SetupError ? error.message : (error?.stack ?? String(error)));
  process.exitCode = 1;
}

export function seconds(startedMs) {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}

/** For terminals: one line, redrawn. */
function terminalLine(title, started) {
  let latest = "";
  const draw = () => {
    const text = `… ${title} (${seconds(started)})${latest ? `  ${latest}` : ""}`;
    process.stderr.write(`\r\u001b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  };
  const timer = setInterval(draw, REDRAW_MS);
  return {
    progress: (text) => {
      latest = printable(text);
    },
    end: (text) => {
      clearInterval(timer);
      process.stderr.write(`\r\u001b[2K${text}\n`);
    },
  };
}

/** For logs and pipes: a new line every ten seconds. */
function logLine(title, started) {
  let latest = "";
  const timer = setInterval(() => say(`… ${title} (${seconds(started)})${latest ? `  ${latest}` : ""}`), QUIET_MS);
  return {
    progress: (text) => {
      latest = printable(text).slice(0, 160);
    },
    end: (text) => {
      clearInterval(timer);
      say(text);
    },
  };
}

const COLOURS = /\p{Cc}\[[0-9;?]*[A-Za-z]/gu;

/** A tool's output on one line, without colours and control characters. */
export function printable(text) {
  return text
    .replace(COLOURS, "")
    .replace(/\p{Cc}+/gu, " ")
    .trim();
}
