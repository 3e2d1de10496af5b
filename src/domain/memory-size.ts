/** A size of memory as OpenAI's API writes it: `512m`, `4g`. */
export const memorySizePattern = /^[1-9][0-9]{0,5}[mg]$/;

/** MiB of a text of that pattern. */
export function memoryMbOf(text: string): number {
  return Number(text.slice(0, -1)) * (text.endsWith("g") ? 1024 : 1);
}

export function memoryText(megabytes: number): string {
  return megabytes % 1024 === 0 ? `${megabytes / 1024}g` : `${megabytes}m`;
}
