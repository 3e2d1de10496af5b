import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContainerCreateOptions } from "dockerode";

/** A proxy of a Docker engine's socket that can change how containers are created. */
export interface DockerProxy {
  /** Value for DOCKER_HOST. */
  readonly host: string;
  /** Changes every container created from now on. */
  weaken(change: (options: ContainerCreateOptions) => void): void;
  stop(): Promise<void>;
}

export async function startDockerProxy(engineHost: string): Promise<DockerProxy> {
  const engine = engineHost.replace(/^unix:\/\//, "");
  const folder = await mkdtemp(join(tmpdir(), "ci-proxy-"));
  let change: (options: ContainerCreateOptions) => void = () => undefined;
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    let body = Buffer.concat(chunks);
    if (/\/containers\/create\b/.test(request.url ?? "")) {
      const options = JSON.parse(body.toString()) as ContainerCreateOptions;
      change(options);
      body = Buffer.from(JSON.stringify(options));
    }
    const { "transfer-encoding": _chunked, ...headers } = request.headers;
    const forwarded = http.request({
      socketPath: engine,
      method: request.method,
      path: request.url,
      headers: { ...headers, "content-length": String(body.length) },
    });
    forwarded.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    forwarded.end(body);
  });
  // A hijacked stream is passed through.
  server.on("upgrade", (request, caller, head) => {
    const engineSide = connect(engine, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
      engineSide.write(`${lines.join("\r\n")}\r\n\r\n`);
      engineSide.write(head);
      engineSide.pipe(caller).pipe(engineSide);
    });
    engineSide.on("error", () => caller.destroy());
    caller.on("error", () => engineSide.destroy());
  });
  const socket = join(folder, "docker.sock");
  await once(server.listen(socket), "listening");
  return {
    host: `unix://${socket}`,
    weaken: (wanted) => {
      change = wanted;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
