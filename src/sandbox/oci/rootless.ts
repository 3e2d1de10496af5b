import { constants, existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { findProgram, hasAccess } from "./programs.ts";

const CGROUPS = "/sys/fs/cgroup";
/** Cgroup controllers that a sandbox needs. */
const CONTROLLERS = ["cpu", "memory", "pids"];
/** The group into which a keeper moves the processes that it finds in the delegated group. */
const SERVICE_GROUP = "service";

/** How a keeper makes containers without root: in a user namespace, below a cgroup that is delegated to its account. */
export interface Rootless {
  /** Prefix of the keeper's command line. It makes the keeper root in the user namespace, and the account outside. */
  entry: string[];
  /** The delegated group, relative to the hierarchy's root. */
  group: string;
  /** Number of mapped ids, from 1 on; 0 is the account itself. */
  ids: number;
}

export interface RootlessNeeds {
  /** By name or path. */
  runtime: string;
  /** Ids for all sandboxes together. */
  ids: number;
  /** Folders that the sandboxes' accounts must be able to pass through. */
  folders: string[];
}

/** Checks everything first, then throws one error that names all that is missing. */
export function findRootless(needs: RootlessNeeds): Rootless {
  const { username, uid } = userInfo();
  const ids = Math.min(...["uid", "gid"].map((kind) => subordinateIds(read(`/etc/sub${kind}`), username, uid)));
  const group = delegatedGroup(read("/proc/self/cgroup"));
  const entry = ["unshare", "newuidmap", "newgidmap"].map(findProgram);
  const lacks = [
    ...(basename(needs.runtime) === "crun" ? [] : [`crun (OCI_RUNTIME is ${needs.runtime})`]),
    ...(entry[0] === null ? ["unshare (on Debian: util-linux)"] : []),
    ...(entry[1] === null || entry[2] === null ? ["newuidmap and newgidmap (on Debian: uidmap)"] : []),
    ...userNamespaceLacks(read),
    ...(ids > needs.ids ? [] : [`more than ${needs.ids} ids for ${username} in /etc/subuid and /etc/subgid (there are ${ids})`]),
    ...(group === null ? ["cgroup version 2 alone (this host has hierarchies of version 1)"] : groupLacks(group)),
    ...needs.folders
      .flatMap((folder) => restrictedFolders(folder))
      .map((folder) => `a way for other accounts through ${folder} (mode o+x)`),
  ];
  if (lacks.length > 0 || group === null) {
    throw new Error(
      `ENGINE=oci: as an ordinary account a keeper lacks ${lacks.join("; ")}. Or start "keeper" as root and name its socket with KEEPER_SOCKET`,
    );
  }
  return { entry: [entry[0] as string, "--user", "--map-root-user", "--map-auto", "--"], group, ids: ids - 1 };
}

/** Ids in the account's first line of /etc/subuid or /etc/subgid, which is the one that gets mapped. */
export function subordinateIds(text: string, username: string, uid: number): number {
  const [, , count] =
    text
      .split("\n")
      .map((line) => line.split(":"))
      .find(([owner]) => owner === username || owner === String(uid)) ?? [];
  return Number(count ?? 0);
}

/** The cgroup that this process was started in; null where hierarchies of version 1 exist. */
export function delegatedGroup(groups: string): string | null {
  const lines = groups.trim().split("\n");
  const path = lines.length === 1 && lines[0]?.startsWith("0::") ? lines[0].slice("0::".length) : null;
  // An earlier keeper has moved this process there.
  return path !== null && basename(path) === SERVICE_GROUP ? dirname(path) : path;
}

export function userNamespaceLacks(read: (path: string) => string): string[] {
  const forbidden =
    Number(read("/proc/sys/user/max_user_namespaces")) === 0 ||
    read("/proc/sys/kernel/unprivileged_userns_clone").trim() === "0" ||
    read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() === "1";
  return forbidden ? ["leave to make user namespaces (a setting of this kernel)"] : [];
}

function groupLacks(group: string): string[] {
  const folder = join(CGROUPS, group);
  const files = [folder, ...["cgroup.procs", "cgroup.subtree_control"].map((name) => join(folder, name))];
  const offered = read(join(folder, "cgroup.controllers")).trim().split(" ");
  const missing = CONTROLLERS.filter((name) => !offered.includes(name));
  return [
    ...(group !== "/" && files.every((file) => hasAccess(file, constants.W_OK))
      ? []
      : [`a delegated group (it may not write to ${folder})`]),
    ...(missing.length === 0 ? [] : [`the controllers ${missing.join(", ")} in ${folder}`]),
  ];
}

/** The folder and its parents, as far as only their owner or group may pass through them. */
function restrictedFolders(folder: string): string[] {
  const above = dirname(folder);
  const closed = existsSync(folder) && (statSync(folder).mode & 0o001) === 0 ? [folder] : [];
  return above === folder ? closed : [...restrictedFolders(above), ...closed];
}

/** Empty when the file does not exist: these files are optional. */
function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
