/**
 * Every limit of the service, one line each, unit last. Those in `operatorLimits` are settings: an environment variable
 * `LIMIT_` + the name in capitals (`runTimeoutMsMax` → `LIMIT_RUN_TIMEOUT_MS_MAX`). The others are constants.
 * A request may lower those that `request.ts` names.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

export const limitDefaults = {
  // One run inside the sandbox.
  runTimeoutMsMax: 30_000,
  // The runner stops the code at its time limit. If that fails, the worker kills the container this much later.
  runKillGraceMs: 2_000,
  // The runner says at once that it has the code. Without that sign of life for this long, the sandbox is lost.
  runnerSilenceMsMax: 10_000,
  memoryMbMax: 512,
  // The interpreter and the supervisor alone need this much.
  memoryMbMin: 64,
  cpuCores: 1,
  processesMax: 64,
  openFilesMax: 1024,
  workingFolderMbMax: 128,
  tmpFolderMbMax: 64,
  sharedMemoryMbMax: 64,

  // Output of a sandbox. "Kept" bytes are stored and returned, further bytes are only counted, and "stop" ends the run.
  stdoutKeptBytesMax: 1 * MIB,
  stderrKeptBytesMax: 1 * MIB,
  outputStopBytesMax: 64 * MIB,
  outputsCountMax: 256,
  displayBytesMax: 8 * MIB,
  displaysBytesMax: 32 * MIB,
  // JSON values. Parsing, validating and writing them blocks the event loop for a time proportional to their number.
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

  // Between two self-checks of a worker, see sandbox/selfcheck. Longer while the worker has no spare capacity.
  selfCheckIntervalMs: 60_000,

  // Requests.
  codeBytesMax: 1 * MIB,
  requestBodyBytesMax: 16 * MIB,
  // Nesting depth of objects and arrays. JSON.stringify recurses.
  requestBodyDepthMax: 128,
  requestBodyValuesMax: 50_000,
  // JSON values of a message to /mcp. The MCP package validates large messages slowly.
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
  // Results in one page. The page ends after the first result that exceeds this.
  listPageBytesMax: 8 * MIB,
  // Silence of an event stream after which a comment is sent, so that no proxy takes the connection for dead.
  streamPingMs: 15_000,

  // Tools that the code calls. Their declarations have `toolsBytesMax` bytes as JSON.
  toolsPerExecutionMax: 64,
  // Time for one answer: the default and the most that a request may ask for.
  toolAnswerMsDefault: 60_000,
  toolAnswerMsMax: 600_000,
  // Time in which all threads of the code wait for answers, added up. It does not count as time of the code.
  toolWaitMsMax: 1_800_000,
  toolCallsOpenMax: 32,
  toolCallsPerExecutionMax: 1_000,
  // The arguments of one call, or one answer, as JSON.
  toolValueBytesMax: 1 * MIB,
  toolValueValuesMax: 250_000,
  // MCP servers of the operator whose tools the code may call. The declarations of their tools are bounded as JSON.
  toolServersPerExecutionMax: 8,
  serverToolsBytesMax: 256 * KIB,
  // Time to connect to a server and list its tools, and the age at which its list is asked for again.
  toolServerListMsMax: 5_000,
  toolServerListAgeMsMax: 300_000,

  // The queue.
  queueTotalMax: 1_000,
  queuePerOrganizationMax: 600,
  queueWaitMsMax: 120_000,
  requestsPerMinutePerKeyMax: 6_000,
  // Requests of one organization in one api process: those that work at once, those that wait in its line for that, and
  // open ones, which wait for an execution or are streamed.
  requestTurnsPerOrganizationMax: 8,
  requestsInLinePerOrganizationMax: 1_000,
  requestsOpenPerOrganizationMax: 1_000,
  webhookAttemptsMax: 8,
  webhookTimeoutMsMax: 10_000,

  // Sessions. Each holds a sandbox, so memory also bounds their number, see sandbox/pool/capacity.ts.
  sessionsPerWorkerMax: 64,
  // Clients of OpenAI's API request `1g`. Never below memoryMbMax, the default memory of a session.
  sessionMemoryMbMax: 1024,
  sessionsPerOrganizationMax: 20,
  sessionIdleMinutesDefault: 20,
  sessionIdleMinutesMax: 60,
  // A session that the service created for itself may be evicted when idle this long, or once its response has ended.
  sessionGivesWayAfterMs: 60_000,
  // For the copy of a session's process to take the place of one that its cell killed.
  sessionRestoreMsMax: 1_500,
  sessionLifetimeMsMax: 24 * 60 * 60 * 1000,
  // From the request to the ready sandbox, time in the queue included.
  sessionStartTimeoutMsMax: 30_000,
  sessionFilesCountMax: 256,
  sessionNameCharsMax: 128,

  // The assistant. "toolText" is what the model sees of one code block's result.
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
  // Images that are in an answer of OpenAI's dialect themselves, one and together. Larger ones have a URL.
  responseImageBytesMax: 1 * MIB,
  responseImagesBytesMax: 8 * MIB,
  // Images of one MCP result that is an event, together. Clients in Python refuse an event above 1 MiB; base64 adds a third.
  mcpEventImagesBytesMax: 640 * KIB,
  // Size of a stored file that an MCP client can read as a resource.
  mcpResourceBytesMax: 8 * MIB,
  instructionsCharsMax: 65_536,
  inputItemsMax: 1_000,
  functionToolsMax: 128,
  // The tools of a request or assistant, and its output schema, as JSON. They are stored and returned in every view.
  toolsBytesMax: 256 * KIB,
  assistantsPerOrganizationMax: 1_000,

  // Daily usage of an organization.
  usageKeptDaysMax: 400,
  usageRangeDaysMax: 92,

  // Storage of one organization (records in Redis, files in the store), and the time of a graceful shutdown.
  recordsBytesPerOrganizationMax: 512 * MIB,
  filesBytesPerOrganizationMax: 16 * 1024 * MIB,
  retentionMsMax: 24 * 60 * 60 * 1000,
  eventsRetentionMsMax: 60 * 60 * 1000,
  shutdownMsMax: 60_000,
  // The part of shutdownMsMax reserved for destroying sandboxes and closing connections after running work has ended.
  shutdownMarginMs: 15_000,
} as const;

export type LimitName = keyof typeof limitDefaults;
export type Limits = Readonly<Record<LimitName, number>>;

/** The limits that an operator can set. OPERATING.md says when to change each one and what it costs. */
export const operatorLimits = [
  "runTimeoutMsMax",
  "memoryMbMax",
  "cpuCores",
  "processesMax",
  "workingFolderMbMax",
  "tmpFolderMbMax",
  "stdoutKeptBytesMax",
  "stderrKeptBytesMax",
  "tableRowsMax",
  "filesOutCountMax",
  "fileOutBytesMax",
  "filesOutBytesMax",
  "collectTimeoutMsMax",
  "inputTimeoutMsMax",
  "sandboxStartTimeoutMsMax",
  "selfCheckIntervalMs",
  "requestBodyBytesMax",
  "filesInCountMax",
  "filesInBytesMax",
  "fileUploadBytesMax",
  "queueTotalMax",
  "queuePerOrganizationMax",
  "queueWaitMsMax",
  "requestsPerMinutePerKeyMax",
  "requestsOpenPerOrganizationMax",
  "streamPingMs",
  "sessionsPerWorkerMax",
  "sessionsPerOrganizationMax",
  "sessionMemoryMbMax",
  "sessionIdleMinutesDefault",
  "sessionIdleMinutesMax",
  "responsesPerOrganizationMax",
  "responseTimeoutMsMax",
  "modelOutputTokensMax",
  "recordsBytesPerOrganizationMax",
  "filesBytesPerOrganizationMax",
  "retentionMsMax",
  "usageKeptDaysMax",
  "shutdownMsMax",
] as const satisfies readonly LimitName[];

/** The longest frame head and body that the runner accepts. `runner/wire/protocol.py` has the same numbers. */
const frameHeadBytesMax = 8 * MIB;
const frameBodyBytesMax = 16 * MIB;
/** The parts of a frame head other than arguments and environment values: limits and variable names. */
const FRAME_HEAD_REST_BYTES = 64 * KIB;

/** Relations that must hold between limits. Each claim is shown to the operator when it is broken. */
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
    `codeBytesMax and stdinBytesMax ≤ ${frameBodyBytesMax} (the runner accepts no longer frame)`,
    (l) => Math.max(l.codeBytesMax, l.stdinBytesMax) <= frameBodyBytesMax,
  ],
  [
    `6 × (argsCountMax × argBytesMax + envCountMax × envValueBytesMax + toolsBytesMax + serverToolsBytesMax) < ${frameHeadBytesMax} (the runner accepts no longer head)`,
    (l) =>
      6 * (l.argsCountMax * l.argBytesMax + l.envCountMax * l.envValueBytesMax + l.toolsBytesMax + l.serverToolsBytesMax) <
      frameHeadBytesMax - FRAME_HEAD_REST_BYTES,
  ],
  [
    `toolValueBytesMax ≤ ${frameBodyBytesMax} (the runner accepts no longer frame) and < requestBodyBytesMax`,
    (l) => l.toolValueBytesMax <= frameBodyBytesMax && l.toolValueBytesMax < l.requestBodyBytesMax,
  ],
  ["queuePerOrganizationMax ≤ queueTotalMax", (l) => l.queuePerOrganizationMax <= l.queueTotalMax],
  [
    "queuePerOrganizationMax ≤ requestsOpenPerOrganizationMax (a caller may wait for each execution in the queue)",
    (l) => l.queuePerOrganizationMax <= l.requestsOpenPerOrganizationMax,
  ],
  [
    "runTimeoutMsMax + runKillGraceMs + collectTimeoutMsMax + shutdownMarginMs ≤ shutdownMsMax (a graceful shutdown outlasts the longest run)",
    (l) => wholeRunMs(l) + l.shutdownMarginMs <= l.shutdownMsMax,
  ],
  [
    "runTimeoutMsMax + runKillGraceMs + collectTimeoutMsMax < sessionGivesWayAfterMs (no session is evicted while its code runs)",
    (l) => wholeRunMs(l) < l.sessionGivesWayAfterMs,
  ],
  ["sessionIdleMinutesDefault ≤ sessionIdleMinutesMax", (l) => l.sessionIdleMinutesDefault <= l.sessionIdleMinutesMax],
  [
    "sessionIdleMinutesMax < retentionMsMax (the record of a session outlives it)",
    (l) => l.sessionIdleMinutesMax * 60_000 < l.retentionMsMax,
  ],
  ["usageRangeDaysMax ≤ usageKeptDaysMax", (l) => l.usageRangeDaysMax <= l.usageKeptDaysMax],
  ["eventsRetentionMsMax ≤ retentionMsMax", (l) => l.eventsRetentionMsMax <= l.retentionMsMax],
];

/** JSON values of the largest table or chart that the other limits allow, including rows, columns and names. */
const wholeOutputValues = (l: Limits) => Math.max((l.tableRowsMax + 8) * (l.tableColumnsMax + 1), 8 * l.chartPointsMax) + 1_000;

/** The longest time from the start of a run until its files are stored. */
const wholeRunMs = (l: Limits) => l.runTimeoutMsMax + l.runKillGraceMs + l.collectTimeoutMsMax;

/** Limits that rise with others, so that raising one does not require raising the other. */
function following(
  l: Limits,
): Pick<
  Limits,
  "displayValuesMax" | "displaysValuesMax" | "sessionMemoryMbMax" | "sessionGivesWayAfterMs" | "requestsOpenPerOrganizationMax"
> {
  const displayValuesMax = Math.max(l.displayValuesMax, wholeOutputValues(l));
  return {
    displayValuesMax,
    displaysValuesMax: Math.max(l.displaysValuesMax, displayValuesMax),
    requestsOpenPerOrganizationMax: Math.max(l.requestsOpenPerOrganizationMax, l.queuePerOrganizationMax),
    sessionMemoryMbMax: Math.max(l.sessionMemoryMbMax, l.memoryMbMax),
    sessionGivesWayAfterMs: Math.max(l.sessionGivesWayAfterMs, wholeRunMs(l) + 1),
  };
}

/** Returns frozen limits. Throws a RangeError that names the broken relation. */
export function makeLimits(overrides: Partial<Record<LimitName, number>> = {}): Limits {
  const chosen = { ...limitDefaults, ...overrides };
  const limits: Limits = Object.freeze({ ...chosen, ...following(chosen), ...overrides });
  for (const [claim, holds] of relations) {
    if (!holds(limits)) throw new RangeError(`limits contradict each other: ${claim}`);
  }
  return limits;
}
