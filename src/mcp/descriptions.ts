import type { Limits } from "../domain/limits.ts";

const MIB = 1024 * 1024;

/** Descriptions of the tools for models, with the operator's limits and the packages that code can import. */
export function describeTools(limits: Limits, packages: readonly string[], toolServers: readonly string[] = []) {
  const sessions =
    "Without `session`, each call runs in a new container, without the variables and files of earlier calls. " +
    "With `session` set to `new`, a session is opened and its id returned; calls with this id share variables, imports and files. " +
    `A session ends after ${limits.sessionIdleMinutesDefault} minutes without use, and after ` +
    `${limits.sessionGivesWayAfterMs / 1000} seconds without use when others need its room.`;
  return {
    executePython: [
      "Runs Python code in a locked-down container and returns what it prints, the value of its last expression, images, tables and files.",
      `Importable: the standard library and ${packages.join(", ")}. There is no network, so nothing can be downloaded or installed.`,
      `Limits: ${limits.runTimeoutMsMax / 1000} s, ${limits.memoryMbMax} MiB of memory, ${limits.processesMax} processes and threads.`,
      `The working folder is /mnt/data (${limits.workingFolderMbMax} MiB); files written there are stored and linked in the result ` +
        `(at most ${limits.filesOutCountMax}, ${limits.fileOutBytesMax / MIB} MiB each). Matplotlib figures are returned as images.`,
      sessions,
      ...serversText(toolServers),
    ].join("\n"),
    uploadFile:
      `Stores a file and returns its file_id, for use in \`files\` of execute_python. ` +
      `A file is kept for ${limits.retentionMsMax / 3_600_000} hours; a request has at most ${Math.floor(limits.requestBodyBytesMax / MIB)} MiB, base64 included.`,
    listFiles: "Lists stored files, newest first; with `session` the files of that session's working folder instead.",
    readFile:
      `Returns a stored file: text as text (at most ${limits.toolTextCharsMax} bytes at a time, from \`offset\`), an image as an image, ` +
      "and for any other file its name, type and size. To work with a file's content, pass its file_id to execute_python.",
  };
}

/** The tools themselves are described in the code, on demand: their servers may be slow, and have hundreds. */
function serversText(labels: readonly string[]): string[] {
  const [first] = labels;
  if (first === undefined) return [];
  return [
    `\`mcp_servers\` lets the code call tools of these servers: ${labels.join(", ")}. The code calls them without an import, such as ` +
      `${first}.name(…), also from threads; print(${first}) lists the tools of a server with their parameters, help(${first}.name) describes one.`,
  ];
}
