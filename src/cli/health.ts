import { unreachable } from "./client.ts";
import type { Printer } from "./printer.ts";
import { EXIT_SERVICE } from "./settings.ts";

/** Prints the service's health checks; resolves with 0 when it is ready to run code. */
export async function health(url: string, printer: Printer): Promise<number> {
  let ready = false;
  for (const path of ["/health/live", "/health/ready"]) {
    let response: Response;
    try {
      response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
    } catch (error) {
      throw unreachable(url, error);
    }
    const text = (await response.text()).trim();
    await printer.block({ stream: "stdout", text: `${path} ${response.status} ${text}` });
    ready = response.ok;
  }
  return ready ? 0 : EXIT_SERVICE;
}
