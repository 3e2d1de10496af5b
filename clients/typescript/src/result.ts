import type { Http } from "./http.ts";
import type { Execution, Output } from "./types.ts";

type Of<Type extends Output["type"]> = Extract<Output, { type: Type }>;

/** A file of a result. Its content stays at the service until it is read. */
export interface ResultFile extends Of<"file"> {
  content(): Promise<Uint8Array>;
}

/** An execution that has ended, with its outputs by kind. */
export class Result {
  readonly execution: Execution;
  readonly #http: Http;

  constructor(execution: Execution, http: Http) {
    this.execution = execution;
    this.#http = http;
  }

  get id(): string {
    return this.execution.id;
  }

  /** Whether the code ran to its end without an error. */
  get ok(): boolean {
    return this.execution.status === "completed";
  }

  get outputs(): readonly Output[] {
    return this.execution.outputs;
  }

  /** What the code printed to standard output, and the value of its last expression. */
  get text(): string {
    return this.outputs
      .map((output) => ((output.type === "text" && output.stream === "stdout") || output.type === "result" ? output.text : ""))
      .join("");
  }

  get tables(): Array<Of<"table">> {
    return this.#all("table");
  }

  get images(): Array<Of<"image">> {
    return this.#all("image");
  }

  get charts(): Array<Of<"chart">> {
    return this.#all("chart");
  }

  /** The error that ended the code. */
  get error(): Of<"error"> | null {
    return this.#all("error").at(-1) ?? null;
  }

  /** Files that the code made or changed, by name. */
  get files(): Record<string, ResultFile> {
    const content = async ({ file_id: id }: Of<"file">) => {
      const response = await this.#http.send(`/v1/files/${id}/content`, { repeatable: true });
      return new Uint8Array(await response.arrayBuffer());
    };
    return Object.fromEntries(this.#all("file").map((file) => [file.name, { ...file, content: () => content(file) }]));
  }

  #all<Type extends Output["type"]>(type: Type): Array<Of<Type>> {
    return this.outputs.filter((output): output is Of<Type> => output.type === type);
  }
}
