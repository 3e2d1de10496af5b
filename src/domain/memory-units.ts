/**
 * Pool slots that a sandbox of `memoryMb` occupies, where one slot holds a sandbox of `usualMb`. Smaller sandboxes
 * occupy one.
 */
export function memoryUnits(memoryMb: number, usualMb: number): number {
  return Math.ceil(memoryMb / usualMb);
}
