import { currentKey } from "./key.js";

/** An error response of the service; the message is the service's own. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.error?.message ?? `The service answered ${status}.`);
    this.status = status;
    this.code = body?.code ?? null;
    this.execution = body?.execution ?? null;
  }
}

/** Calls the API with the key. Rejects with Refused for an error response. */
export async function ask(method, path, { json, form, headers = {}, signal } = {}) {
  const response = await fetch(path, {
    method,
    signal,
    cache: "no-store",
    credentials: "omit",
    headers: { authorization: `Bearer ${currentKey()}`, ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: json === undefined ? form : JSON.stringify(json),
  }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The service cannot be reached.");
  });
  if (response.ok) return response;
  throw new Refused(response.status, await response.json().catch(() => null));
}

export async function askJson(method, path, options) {
  return (await ask(method, path, options)).json();
}

const RESUMES_MAX = 5;
const RESUME_WAIT_MS = 500;

/** Submits code and yields its events as they arrive. Resumes the stream after a broken connection. */
export async function* runEvents(body, onAccepted) {
  let response = await ask("POST", "/v1/executions", { json: body, headers: { accept: "text/event-stream" } });
  const id = response.headers.get("location").split("/").pop();
  onAccepted(id);
  let last = "";
  for (let resumes = 0; resumes <= RESUMES_MAX; resumes += 1) {
    try {
      for await (const event of eventsOf(response.body)) {
        last = event.id;
        resumes = 0;
        const parsed = JSON.parse(event.data);
        yield parsed;
        if (parsed.type === "execution.ended") return;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RESUME_WAIT_MS * 2 ** resumes));
    const headers = { accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) };
    response = await ask("GET", `/v1/executions/${id}/events`, { headers });
  }
  throw new Error("The connection keeps breaking; the result will be in the history.");
}

/** The events of a text/event-stream, from chunks split anywhere. */
async function* eventsOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { id: "", data: "" };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data !== "") yield event;
        event = { id: event.id, data: "" };
      } else if (line.startsWith("id:")) event.id = line.slice(3).trim();
      else if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
    }
  }
}
