/**
 * As how many sandboxes of the usual memory one of `memoryMb` counts, wherever room is planned in sandboxes; smaller ones
 * count as one.
 */
export function memoryUnits(memoryMb: number, usualMb: number): number {
  return Math.ceil(memoryMb / usualMb);
}
