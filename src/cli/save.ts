import { constants } from "node:fs";
import { lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { join, parse } from "node:path";
import { CliError, EXIT_SERVICE } from "./settings.ts";
import { sanitizeLine } from "./terminal.ts";

const NAMES_TRIED = 1000;

/**
 * Saves bytes under a name that a sandbox chose, never outside the folder and never through a symbolic link. When the file
 * exists, adds a number to the name, unless `overwrite` is set. Resolves with the path.
 */
export async function saveInto(
  folder: string,
  name: string,
  bytes: AsyncIterable<Uint8Array>,
  { overwrite }: { overwrite: boolean },
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const parts = safeParts(name);
  const last = parts.pop() as string;
  let parent = folder;
  for (const part of parts) {
    parent = join(parent, part);
    await ensureRealFolder(parent);
  }
  return overwrite ? replaceFile(join(parent, last), bytes) : newFile(parent, last, bytes);
}

/** The parts of a relative path, without anything that has a special meaning for a file system or terminal. */
export function safeParts(name: string): string[] {
  const parts = name
    .split("/")
    .map((part) => sanitizeLine(part).replace(/[\\:*?"<>|]/g, "_"))
    .filter((part) => part !== "" && part !== ".")
    .map((part) => (/^\.+$/.test(part) ? part.replaceAll(".", "_") : part));
  return parts.length === 0 ? ["file"] : parts;
}

async function ensureRealFolder(path: string): Promise<void> {
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const found = await lstat(path);
  if (!found.isDirectory()) throw new CliError(`Not saved: ${path} exists and is not a real folder.`, EXIT_SERVICE);
}

async function newFile(parent: string, name: string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const { name: stem, ext } = parse(name);
  for (let number = 0; number < NAMES_TRIED; number++) {
    const path = join(parent, number === 0 ? name : `${stem}-${number}${ext}`);
    if (await writeNew(path, bytes)) return path;
  }
  throw new CliError(`Not saved: ${NAMES_TRIED} files with names like ${name} already exist.`, EXIT_SERVICE);
}

async function replaceFile(path: string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const found = await lstat(path).catch(() => null);
  if (found && !found.isFile()) throw new CliError(`Not saved: ${path} exists and is not a regular file.`, EXIT_SERVICE);
  const next = `${path}.${crypto.randomUUID()}.part`;
  await writeNew(next, bytes);
  await rename(next, path);
  return path;
}

/** False when the name is taken, even by a dangling link. Removes a file that could not be written completely. */
async function writeNew(path: string, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(path, flags, 0o644).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return null;
    throw error;
  });
  if (handle === null) return false;
  try {
    for await (const chunk of bytes) await handle.writeFile(chunk);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return true;
}
