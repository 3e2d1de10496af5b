import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";

/** A proxy that cuts the first `cuts` event streams after their first output. */
export async function breakingProxy(target: string, cuts = 2) {
  let broken = 0;
  const server = createServer((request, response) => {
    const { hostname, port } = new URL(target);
    const onward = httpRequest({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        response.write(chunk);
        if (
          broken >= cuts ||
          !String(answer.headers["content-type"]).startsWith("text/event-stream") ||
          !chunk.includes("execution.output")
        )
          return;
        broken += 1;
        response.destroy();
        onward.destroy();
      });
      answer.on("end", () => response.end());
      answer.on("error", () => response.destroy());
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    broken: () => broken,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
