/**
 * Every bound of the service, one line each, unit last. An operator sets any of them with the
 * environment variable `LIMIT_` + the name in capitals (`runTimeoutMsMax` → `LIMIT_RUN_TIMEOUT_MS_MAX`);
 * a request may lower those that `execution/request.ts` names.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

export const limitDefaults = {
  // One run, inside the sandbox.
  runTimeoutMsMax: 30_000,
  // The runner stops the code at the limit; the worker kills the container this much later.
  runKillGraceMs: 2_000,
  memoryMbMax: 512,
  // Below this the interpreter and the supervisor themselves do not fit.
  memoryMbMin: 64,
  cpuCores: 1,
  processesMax: 64,
  openFilesMax: 1024,
  workingFolderMbMax: 128,
  tmpFolderMbMax: 64,
  sharedMemoryMbMax: 64,

  // What comes out of a sandbox. "Kept" is stored and answered; beyond it is counted; at "stop" the run ends.
  stdoutKeptBytesMax: 1 * MIB,
  stderrKeptBytesMax: 1 * MIB,
  outputStopBytesMax: 64 * MIB,
  outputsCountMax: 256,
  displayBytesMax: 8 * MIB,
  displaysBytesMax: 32 * MIB,
  // JSON values: reading, checking and writing an output costs by these, not by its bytes, and does so on every other caller's time.
  displayValuesMax: 250_000,
  displaysValuesMax: 500_000,
  tableRowsMax: 1_000,
  tableColumnsMax: 200,
  chartPointsMax: 10_000,
  textValueBytesMax: 256 * KIB,
  tracebackLinesMax: 200,
  filesOutCountMax: 32,
  fileOutBytesMax: 32 * MIB,
  filesOutBytesMax: 64 * MIB,
  collectTimeoutMsMax: 10_000,
  inputTimeoutMsMax: 20_000,
  preloadTimeoutMsMax: 15_000,
  sandboxStartTimeoutMsMax: 20_000,

  // Between two attacks of a worker on its own sandboxes, see engine/self-check.ts; later while nothing is spare.
  selfCheckIntervalMs: 60_000,

  // What a caller sends.
  codeBytesMax: 1 * MIB,
  requestBodyBytesMax: 16 * MIB,
  // Levels of objects and arrays in each other; what writes JSON again has a stack.
  requestBodyDepthMax: 128,
  requestBodyValuesMax: 50_000,
  // Of a message to /mcp, whose package checks it more thoroughly than fast.
  mcpMessageValuesMax: 2_000,
  stdinBytesMax: 1 * MIB,
  argsCountMax: 64,
  argBytesMax: 4 * KIB,
  envCountMax: 64,
  envValueBytesMax: 4 * KIB,
  filesInCountMax: 32,
  filesInBytesMax: 96 * MIB,
  fileUploadBytesMax: 96 * MIB,
  metadataCountMax: 16,
  metadataValueCharsMax: 512,
  listPageMax: 100,
  // Of results in one page: it is at an end after the first one beyond.
  listPageBytesMax: 8 * MIB,

  // The queue.
  queueTotalMax: 1_000,
  queuePerOrganizationMax: 600,
  queueWaitMsMax: 120_000,
  requestsPerMinutePerKeyMax: 6_000,
  webhookAttemptsMax: 8,
  webhookTimeoutMsMax: 10_000,

  // Sessions. One holds its sandbox, so their count is bounded by memory as well, see engine/capacity.ts.
  sessionsPerWorkerMax: 64,
  // Clients of OpenAI's API ask for `1g`. Never below memoryMbMax, which is what a session has unless it asks.
  sessionMemoryMbMax: 1024,
  sessionsPerOrganizationMax: 20,
  sessionIdleMinutesDefault: 20,
  sessionIdleMinutesMax: 60,
  // A session that the service made by itself gives way to others after this, and a response's once that has ended.
  sessionGivesWayAfterMs: 60_000,
  sessionLifetimeMsMax: 24 * 60 * 60 * 1000,
  // From the call that makes one to its sandbox, the queue included.
  sessionStartTimeoutMsMax: 30_000,
  sessionFilesCountMax: 256,
  sessionNameCharsMax: 128,

  // The assistant. "Kept" conversations are stored with each response; texts are what the model is shown of one code block.
  responsesRunningMax: 64,
  responsesPerOrganizationMax: 16,
  responseTimeoutMsMax: 600_000,
  responseBytesMax: 8 * MIB,
  modelCallsPerResponseMax: 32,
  codeCallsPerResponseMax: 16,
  codeForcedRetriesMax: 2,
  modelOutputTokensMax: 16_384,
  modelAnswerBytesMax: 4 * MIB,
  modelLineBytesMax: 1 * MIB,
  modelFirstByteTimeoutMsMax: 60_000,
  modelIdleTimeoutMsMax: 60_000,
  modelCallTimeoutMsMax: 300_000,
  modelRetriesMax: 2,
  modelRetryWaitMsMax: 20_000,
  toolTextCharsMax: 16_384,
  toolTableRowsMax: 50,
  toolImagesMax: 4,
  toolImageBytesMax: 4 * MIB,
  // A stored file that an MCP client reads as a resource.
  mcpResourceBytesMax: 8 * MIB,
  instructionsCharsMax: 65_536,
  inputItemsMax: 1_000,
  functionToolsMax: 128,
  // Of the tools of a request or an assistant as JSON, and of a schema for the answer: they are kept, and told with every state.
  toolsBytesMax: 256 * KIB,
  assistantsPerOrganizationMax: 1_000,

  // What an organization used, by day.
  usageKeptDaysMax: 400,
  usageRangeDaysMax: 92,

  // What is kept, and how long an orderly stop may take. Of one organization together: requests, results and responses in
  // Redis, and files in the store.
  recordsBytesPerOrganizationMax: 512 * MIB,
  filesBytesPerOrganizationMax: 16 * 1024 * MIB,
  retentionMsMax: 24 * 60 * 60 * 1000,
  eventsRetentionMsMax: 60 * 60 * 1000,
  shutdownMsMax: 60_000,
  // Left of it for destroying sandboxes and closing connections, once running work has ended.
  shutdownMarginMs: 15_000,
} as const;

export type LimitName = keyof typeof limitDefaults;
export type Limits = Readonly<Record<LimitName, number>>;

/** The longest head and body that the runner takes; `runner/protocol.py` has the same numbers. */
const frameHeadBytesMax = 8 * MIB;
const frameBodyBytesMax = 16 * MIB;
/** Of a head, everything but arguments and environment values: bounds and variable names. */
const FRAME_HEAD_REST_BYTES = 64 * KIB;

/** Relations that must hold between limits, each a sentence an operator can act on. */
const relations: ReadonlyArray<[claim: string, holds: (l: Limits) => boolean]> = [
  ["memoryMbMin ≤ memoryMbMax ≤ sessionMemoryMbMax", (l) => l.memoryMbMin <= l.memoryMbMax && l.memoryMbMax <= l.sessionMemoryMbMax],
  [
    "workingFolderMbMax + tmpFolderMbMax + sharedMemoryMbMax < memoryMbMax (tmpfs counts as memory)",
    (l) => l.workingFolderMbMax + l.tmpFolderMbMax + l.sharedMemoryMbMax < l.memoryMbMax,
  ],
  [
    "stdoutKeptBytesMax + stderrKeptBytesMax ≤ outputStopBytesMax",
    (l) => l.stdoutKeptBytesMax + l.stderrKeptBytesMax <= l.outputStopBytesMax,
  ],
  ["displayBytesMax ≤ displaysBytesMax", (l) => l.displayBytesMax <= l.displaysBytesMax],
  ["displayValuesMax ≤ displaysValuesMax", (l) => l.displayValuesMax <= l.displaysValuesMax],
  [
    "the values of a whole table, tableRowsMax × tableColumnsMax, and of a whole chart, 8 × chartPointsMax, ≤ displayValuesMax",
    (l) => wholeOutputValues(l) <= l.displayValuesMax,
  ],
  [
    "fileOutBytesMax ≤ filesOutBytesMax ≤ workingFolderMbMax",
    (l) => l.fileOutBytesMax <= l.filesOutBytesMax && l.filesOutBytesMax <= l.workingFolderMbMax * MIB,
  ],
  ["filesInBytesMax < workingFolderMbMax", (l) => l.filesInBytesMax < l.workingFolderMbMax * MIB],
  ["codeBytesMax < requestBodyBytesMax", (l) => l.codeBytesMax < l.requestBodyBytesMax],
  [
    `codeBytesMax and stdinBytesMax ≤ ${frameBodyBytesMax} (the runner takes no longer frame)`,
    (l) => Math.max(l.codeBytesMax, l.stdinBytesMax) <= frameBodyBytesMax,
  ],
  [
    `6 × (argsCountMax × argBytesMax + envCountMax × envValueBytesMax) < ${frameHeadBytesMax} (the runner takes no longer head)`,
    (l) => 6 * (l.argsCountMax * l.argBytesMax + l.envCountMax * l.envValueBytesMax) < frameHeadBytesMax - FRAME_HEAD_REST_BYTES,
  ],
  ["queuePerOrganizationMax ≤ queueTotalMax", (l) => l.queuePerOrganizationMax <= l.queueTotalMax],
  [
    "runTimeoutMsMax + runKillGraceMs + collectTimeoutMsMax + shutdownMarginMs ≤ shutdownMsMax (an orderly stop outlasts the longest run)",
    (l) => wholeRunMs(l) + l.shutdownMarginMs <= l.shutdownMsMax,
  ],
  [
    "runTimeoutMsMax + runKillGraceMs + collectTimeoutMsMax < sessionGivesWayAfterMs (no session gives way while its code runs)",
    (l) => wholeRunMs(l) < l.sessionGivesWayAfterMs,
  ],
  ["sessionIdleMinutesDefault ≤ sessionIdleMinutesMax", (l) => l.sessionIdleMinutesDefault <= l.sessionIdleMinutesMax],
  [
    "sessionIdleMinutesMax < retentionMsMax (an expired session is known for a while)",
    (l) => l.sessionIdleMinutesMax * 60_000 < l.retentionMsMax,
  ],
  ["usageRangeDaysMax ≤ usageKeptDaysMax", (l) => l.usageRangeDaysMax <= l.usageKeptDaysMax],
  ["eventsRetentionMsMax ≤ retentionMsMax", (l) => l.eventsRetentionMsMax <= l.retentionMsMax],
];

/** Values of the largest table or chart that the other limits let through, with its rows, columns and names. */
const wholeOutputValues = (l: Limits) => Math.max((l.tableRowsMax + 8) * (l.tableColumnsMax + 1), 8 * l.chartPointsMax) + 1_000;

/** What a run may take in all, once it has begun. */
const wholeRunMs = (l: Limits) => l.runTimeoutMsMax + l.runKillGraceMs + l.collectTimeoutMsMax;

/** Limits that go up with others, so that who raises the one need not know of the other. */
function following(l: Limits): Pick<Limits, "displayValuesMax" | "displaysValuesMax" | "sessionMemoryMbMax" | "sessionGivesWayAfterMs"> {
  const displayValuesMax = Math.max(l.displayValuesMax, wholeOutputValues(l));
  return {
    displayValuesMax,
    displaysValuesMax: Math.max(l.displaysValuesMax, displayValuesMax),
    sessionMemoryMbMax: Math.max(l.sessionMemoryMbMax, l.memoryMbMax),
    sessionGivesWayAfterMs: Math.max(l.sessionGivesWayAfterMs, wholeRunMs(l) + 1),
  };
}

/** Returns the operator's limits, frozen. Throws with the broken relation in words. */
export function makeLimits(overrides: Partial<Record<LimitName, number>> = {}): Limits {
  const chosen = { ...limitDefaults, ...overrides };
  const limits: Limits = Object.freeze({ ...chosen, ...following(chosen), ...overrides });
  for (const [claim, holds] of relations) {
    if (!holds(limits)) throw new RangeError(`limits contradict each other: ${claim}`);
  }
  return limits;
}
