import type { Limits } from "../../../src/domain/limits.ts";
import { executionEnd } from "../../../src/domain/result.ts";
import { TEXTS_MAX } from "../../../src/sandbox/run/outputs.ts";
import type { Ran } from "../sandboxes/engine.ts";
import type { Attack } from "./header.ts";

/** Above the size as JSON that all limits together allow. */
const RESULT_BYTES_MAX = 64 * 1024 * 1024;

/** Describes how an attack's end differs from its header; empty if it does not. */
export function attackProblems(attack: Attack, ran: Ran, limits: Limits, runtime: string): string[] {
  const { end } = ran;
  const problems: string[] = [];
  const verdict = end.cause === null ? end.status : `${end.status} ${end.cause}`;
  const mayEndSandbox = attack.endsSandbox?.runtime === runtime;
  const verdicts = mayEndSandbox ? [...attack.verdicts, "errored sandbox_lost"] : attack.verdicts;
  if (!verdicts.includes(verdict)) {
    problems.push(`ended "${verdict}", not "${verdicts.join(" | ")}" (${JSON.stringify(end.evidence)}; ${tail(ran)})`);
  }
  for (const text of mayEndSandbox ? [] : attack.prints) {
    if (!ran.text("stdout").includes(text)) problems.push(`did not print "${text}" (${tail(ran)})`);
  }
  for (const text of attack.neverPrints) {
    const where = placeOf(text, ran);
    if (where !== null) problems.push(`"${text}" came out in ${where} (${tail(ran)})`);
  }
  if (attack.files !== null && !mayEndSandbox) {
    const kept = end.outputs.flatMap((output) => (output.type === "file" ? [output.name] : [])).sort();
    const wanted = [...attack.files].sort();
    if (JSON.stringify(kept) !== JSON.stringify(wanted))
      problems.push(`kept the files ${JSON.stringify(kept)}, not ${JSON.stringify(wanted)}`);
  }
  return [...problems, ...boundProblems(ran, limits)];
}

/** Bounds that hold for every result. */
function boundProblems({ end }: Ran, limits: Limits): string[] {
  const problems: string[] = [];
  const checked = executionEnd.safeParse(end);
  if (!checked.success) problems.push(`the result breaks its own schema: ${checked.error.issues[0]?.message}`);
  const outputsMax = TEXTS_MAX + limits.outputsCountMax + limits.filesOutCountMax + 2;
  if (end.outputs.length > outputsMax) problems.push(`${end.outputs.length} outputs, more than ${outputsMax}`);
  const bytes = Buffer.byteLength(JSON.stringify(end));
  if (bytes > RESULT_BYTES_MAX) problems.push(`a result of ${bytes} bytes`);
  return problems;
}

function placeOf(text: string, ran: Ran): string | null {
  for (const [name, bytes] of ran.files) if (bytes.includes(text)) return `the file ${JSON.stringify(name)}`;
  const found = ran.end.outputs.find((output) => output.type !== "error" && JSON.stringify(output).includes(text));
  return found === undefined ? null : `a ${found.type} output`;
}

function tail(ran: Ran): string {
  const raised = ran.end.outputs.flatMap((output) => (output.type === "error" ? [`${output.name}: ${output.value.slice(0, 200)}`] : []));
  return JSON.stringify([ran.text("stdout").slice(-300), ran.text("stderr").slice(-300), ...raised]);
}
