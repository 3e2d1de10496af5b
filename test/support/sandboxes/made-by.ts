import { existsSync, readdirSync } from "node:fs";
import type { ServiceProcess } from "../servers/service.ts";
import { sandboxesOf, testEngine, workerIdIn } from "./containers.ts";

/** Sandboxes made by one process of the service, seen from outside, on either engine. */

/** Ids of all sandboxes that it has created and not removed, in any state. */
export async function madeBy({ ociState, log }: ServiceProcess): Promise<string[]> {
  return ociState === null ? (await sandboxesOf(workerIdIn(log))).map(({ Id }) => Id) : bundlesIn(ociState);
}

/** Ids of sandboxes with a running process. */
export async function aliveOf({ ociState, log }: ServiceProcess): Promise<string[]> {
  if (ociState !== null) return bundlesIn(ociState);
  return (await sandboxesOf(workerIdIn(log))).filter(({ State }) => State === "running").map(({ Id }) => Id);
}

/** Removes the containers of a killed process: Docker's would stay until the reaper runs; a keeper ends with its parent. */
export async function removeLeftBy(service: ServiceProcess): Promise<void> {
  if (service.ociState !== null) return;
  for (const id of await madeBy(service)) await testEngine().getContainer(id).remove({ force: true });
}

function bundlesIn(state: string): string[] {
  return existsSync(`${state}/bundles`) ? readdirSync(`${state}/bundles`) : [];
}
