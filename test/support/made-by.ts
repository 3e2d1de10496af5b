import { existsSync, readdirSync } from "node:fs";
import { sandboxesOf, testEngine, workerIdIn } from "./containers.ts";
import type { ServiceProcess } from "./service.ts";

/** What a test sees from outside of the sandboxes that one process of the service has made, on either engine. */

/** Ids of all that it has made and not removed, in any state. */
export async function madeBy({ ociState, log }: ServiceProcess): Promise<string[]> {
  return ociState === null ? (await sandboxesOf(workerIdIn(log))).map(({ Id }) => Id) : bundlesIn(ociState);
}

/** Ids of those in which something runs. */
export async function aliveOf({ ociState, log }: ServiceProcess): Promise<string[]> {
  if (ociState !== null) return bundlesIn(ociState);
  return (await sandboxesOf(workerIdIn(log))).filter(({ State }) => State === "running").map(({ Id }) => Id);
}

/** Removes what a process left that was killed: Docker's would wait for the reaper, a keeper's go with its starter. */
export async function removeLeftBy(service: ServiceProcess): Promise<void> {
  if (service.ociState !== null) return;
  for (const id of await madeBy(service)) await testEngine().getContainer(id).remove({ force: true });
}

function bundlesIn(state: string): string[] {
  return existsSync(`${state}/bundles`) ? readdirSync(`${state}/bundles`) : [];
}
