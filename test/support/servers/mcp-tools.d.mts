export function serveMcpTools(port?: number): Promise<{
  url: string;
  /** As a restart does: the server knows no session any more. */
  forget(): void;
  /** Slow calls that have come. */
  waiting(): number;
  /** Lets all slow calls end. */
  release(): void;
  stop(): Promise<void>;
}>;
