/** A number of bytes for a reader, such as `812 bytes` or `15.7 kB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  const [unit, count] = bytes < 1_000_000 ? ["kB", bytes / 1_000] : ["MB", bytes / 1_000_000];
  return `${count < 100 ? count.toFixed(1).replace(/\.0$/, "") : Math.round(count)} ${unit}`;
}
