import { bytesText, timeText } from "./dom.js";

const NO_NETWORK =
  /Name or service not known|name resolution|Network is unreachable|Failed to establish a new connection|No address associated/i;

/** What a person can do about the end of an execution, as sentences. `limits` are those of the run. */
export function waysOut({ cause, evidence, outputs }, limits) {
  const ways = [];
  if (cause === "memory") {
    const given = limits.memoryMb === null ? "its memory" : bytesText(limits.memoryMb * 1024 * 1024);
    ways.push(`The code needed more than ${given}. Process the data in parts, or set more memory under Options.`);
  }
  if (cause === "timeout") {
    const given = limits.timeoutMs === null ? "its time" : timeText(limits.timeoutMs);
    ways.push(`The code ran longer than ${given}. Do less in one run, or set a longer time limit under Options.`);
  }
  const error = outputs.findLast((output) => output.type === "error");
  if (error === undefined) return ways;
  if (error.name === "EOFError") ways.push("input() reads the standard input. Fill it in under Options.");
  if (error.name === "ModuleNotFoundError")
    ways.push(evidence.suggestion ?? "The module is not installed. The API lists what is: GET /v1/packages.");
  if (NO_NETWORK.test(`${error.value}`)) ways.push("A sandbox has no network. Add the data as a file.");
  return ways;
}
