import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/**
 * A scripted model: a server of the chat-completions protocol, in its own process. A conversation whose user text holds
 * `#script [turn, …]` gets these turns, one a request, the last one for ever. A turn:
 *
 *     { text } { code } { arguments } { calls: [{ name, arguments }] } { refusal }   what is said; pieces of `piece` characters (default 5)
 *     { status, retryAfter, error } refuses with HTTP, and with this error
 *     { finish }                   another reason to finish
 *     { cutAfter }                 breaks the connection after as many events
 *     { pauseMs } { slowMs }       waits before its first event; before each
 *     { raw }                      text of the stream as it is
 *     { whole: true }              one JSON answer, no stream
 *
 * GET /requests returns the requests, without and with headers; DELETE forgets it. Prints its port.
 */
const requests = [];
const counts = new Map();

const COMPOUND = [
  { code: "principal = 10_000\nprint(f'${principal * 1.07 ** 20:,.2f}')" },
  { text: "The balance after 20 years is $38,696.84, of which $28,696.84 is interest." },
];

const server = createServer(async (request, response) => {
  if (request.url === "/requests") {
    response.end(JSON.stringify(requests));
    if (request.method === "DELETE") requests.length = 0;
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  requests.push({ path: request.url, headers: request.headers, body });
  await answer(turnOf(body), body, response).catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));

function turnOf(body) {
  const texts = body.messages.filter((message) => message.role === "user").map((message) => textOf(message.content));
  // The last one, so that each response of a longer conversation brings its own.
  const script = texts.findLast((text) => text.includes("#script"));
  const turns = script === undefined ? COMPOUND : JSON.parse(script.slice(script.indexOf("#script") + 7).split("\n")[0]);
  if (script === undefined) return turns[body.messages.some((message) => message.role === "tool") ? 1 : 0];
  const count = counts.get(script) ?? 0;
  counts.set(script, count + 1);
  return turns[Math.min(count, turns.length - 1)];
}

function textOf(content) {
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("\n");
}

async function answer(turn, body, response) {
  if (turn.pauseMs) await delay(turn.pauseMs);
  if (turn.status) {
    response.writeHead(turn.status, {
      "content-type": "application/json",
      ...(turn.retryAfter === undefined ? {} : { "retry-after": turn.retryAfter }),
    });
    response.end(JSON.stringify({ error: turn.error ?? { message: `secret of the model's server: ${JSON.stringify(body.messages)}` } }));
    return;
  }
  const calls = callsOf(turn);
  if (turn.whole) {
    const message = { role: "assistant", content: turn.text ?? null, tool_calls: calls.map((call, index) => toolCall(call, index)) };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "stop" }], usage }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  if (turn.raw !== undefined) {
    response.end(turn.raw);
    return;
  }
  let sent = 0;
  for (const delta of deltasOf(turn, calls)) {
    // What was written still arrives; the end of the stream does not. Node hands it to the socket one turn later.
    if (turn.cutAfter === sent) {
      await new Promise(setImmediate);
      return response.socket.end();
    }
    if (turn.slowMs) await delay(turn.slowMs);
    send(response, { choices: [{ index: 0, delta, finish_reason: null }] });
    sent += 1;
  }
  send(response, { choices: [{ index: 0, delta: {}, finish_reason: turn.finish ?? (calls.length > 0 ? "tool_calls" : "stop") }] });
  send(response, { choices: [], usage });
  response.end("data: [DONE]\n\n");
}

const usage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 };

function callsOf(turn) {
  if (turn.code !== undefined) return [{ name: "code_interpreter", arguments: JSON.stringify({ code: turn.code }) }];
  if (turn.arguments !== undefined) return [{ name: "code_interpreter", arguments: turn.arguments }];
  return turn.calls ?? [];
}

function toolCall(call, index) {
  return {
    index,
    id: `call_${Math.random().toString(36).slice(2)}`,
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  };
}

function* deltasOf(turn, calls) {
  yield { role: "assistant", content: "" };
  for (const delta of piecesOf(turn.text, turn.piece)) yield { content: delta };
  for (const delta of piecesOf(turn.refusal, turn.piece)) yield { refusal: delta };
  for (const [index, call] of calls.entries()) {
    yield { tool_calls: [toolCall({ ...call, arguments: "" }, index)] };
    for (const fragment of piecesOf(call.arguments, turn.piece)) yield { tool_calls: [{ index, function: { arguments: fragment } }] };
  }
}

function* piecesOf(text = "", size = 5) {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

function send(response, chunk) {
  response.write(`data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", ...chunk })}\n\n`);
}
