/**
 * Telling a person what setup does: one line a step with its time, and signs of life on the slow ones. All of it
 * goes to stderr, so that what a script answers stays alone on stdout.
 */
const QUIET_MS = 10_000;
const REDRAW_MS = 200;

/** Something the person at the keyboard can act on; printed without a stack. */
export class SetupError extends Error {
  name = "SetupError";
}

export function say(text = "") {
  process.stderr.write(`${text}\n`);
}

/**
 * Runs one step and prints its line. `work` gets a function that takes the newest sign of progress; the `note` of
 * what it returns ends the line.
 */
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

/** Prints an error as setup's last word and sets the exit code; a stack only for our own mistakes. */
export function giveUp(error) {
  say();
  say(error instanceof SetupError ? error.message : (error?.stack ?? String(error)));
  process.exitCode = 1;
}

export function seconds(startedMs) {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}

/** One line that is drawn again: for terminals. */
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

/** A new line now and then: for logs and pipes. */
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

/** What a tool printed, on one line and without colours or control characters. */
export function printable(text) {
  return text
    .replace(COLOURS, "")
    .replace(/\p{Cc}+/gu, " ")
    .trim();
}
