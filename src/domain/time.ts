import { z } from "zod";

/**
 * Times that callers see are Unix seconds on every route. Objects of OpenAI's API have whole seconds, as its clients
 * expect; all others have milliseconds as the fraction. Inside the service times are Unix milliseconds.
 */
export const exactTime = z.number().describe("Unix time, seconds; the fraction has milliseconds");
export const wholeTime = z.number().int().describe("Unix time, seconds");

export function exactSeconds(unixMs: number): number {
  return unixMs / 1000;
}

export function wholeSeconds(unixMs: number): number {
  return Math.floor(unixMs / 1000);
}

export function unixMsOf(seconds: number): number {
  return Math.round(seconds * 1000);
}
