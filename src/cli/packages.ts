import { Client } from "./client.ts";
import type { Printer } from "./printer.ts";
import type { Service } from "./settings.ts";

/** Prints a line for each package in the service's sandboxes: its name, version and the names to import. */
export async function packages(service: Service, printer: Printer): Promise<void> {
  const found = await new Client(service).packages();
  const lines = found.packages.map(({ name, version, modules }) => `${name} ${version}  ${modules.join(" ")}`.trimEnd());
  await printer.block({ stream: "stdout", text: [`Python ${found.python}`, ...lines].join("\n") });
}
