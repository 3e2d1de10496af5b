import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceProcess } from "../support/servers/service.ts";

const SAMPLE_MS = 2_000;
const MIB = 2 ** 20;
/** Growth relative to the first half: more is a leak, less is variance of the garbage collector. */
const GROWTH_MAX = { share: 1.3, mib: 32 };

export interface Course {
  name: string;
  firstMib: number;
  lastMib: number;
  flat: boolean;
}

/** Heap of processes that run the whole time. The minimum of each half is the heap after a collection. */
export async function watchMemory(processes: Record<string, ServiceProcess>, end: number): Promise<Course[]> {
  const samples: Record<string, number[]> = {};
  while (performance.now() < end) {
    for (const [name, process] of Object.entries(processes)) {
      samples[name] ??= [];
      samples[name].push(await heapMib(process));
    }
    await sleep(SAMPLE_MS);
  }
  return Object.entries(samples).map(([name, all]) => {
    const half = Math.floor(all.length / 2);
    const [firstMib, lastMib] = [Math.min(...all.slice(0, half)), Math.min(...all.slice(half))];
    return { name, firstMib, lastMib, flat: lastMib <= Math.max(firstMib * GROWTH_MAX.share, firstMib + GROWTH_MAX.mib) };
  });
}

async function heapMib({ operationsUrl }: ServiceProcess): Promise<number> {
  const text = await (await fetch(`${operationsUrl}/metrics`)).text();
  return Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(text)?.[1]) / MIB;
}
