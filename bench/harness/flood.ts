import http from "node:http";
import { workerData } from "node:worker_threads";

/** A thread that keeps requests of one organization in flight, until it is terminated. */
export interface Flood {
  url: string;
  key: string;
  method: "GET" | "POST";
  path: string;
  body: string;
  atOnce: number;
}

const { url, key, method, path, body, atOnce } = workerData as Flood;
const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
const headers = { authorization: `Bearer ${key}`, ...(body === "" ? {} : { "content-type": "application/json" }) };

/** Resolves once the answer has ended, with any status. */
function request(): Promise<void> {
  return new Promise((resolve) => {
    const sent = http.request(new URL(path, url), { agent, method, headers }, (response) => {
      response.resume();
      response.on("close", resolve);
    });
    sent.on("error", () => resolve());
    sent.end(body);
  });
}

for (let started = 0; started < atOnce; started += 1) {
  void (async () => {
    for (;;) await request();
  })();
}
