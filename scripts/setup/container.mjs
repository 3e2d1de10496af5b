import { ask, askJson } from "./engine-api.mjs";

/**
 * Runs one container to its end through the API and removes it. `onText` gets what it prints; resolves with its exit
 * code. For tools of the tests, not for sandboxes.
 */
export async function runContainer({ engine, image, command, entrypoint, hostConfig = {}, onText = () => {}, idleMs = 20 * 60_000 }) {
  const created = await askJson(engine, {
    method: "POST",
    path: "/containers/create",
    // A terminal makes one plain stream of both outputs.
    body: JSON.stringify({
      Image: image,
      Cmd: command,
      Entrypoint: entrypoint,
      Tty: true,
      HostConfig: { NetworkMode: "none", ...hostConfig },
    }),
    idleMs: 60_000,
  });
  const path = `/containers/${created.Id}`;
  try {
    await askJson(engine, { method: "POST", path: `${path}/start`, idleMs: 60_000 });
    const logs = await ask(engine, { path: `${path}/logs?follow=1&stdout=1&stderr=1`, idleMs });
    logs.setEncoding("utf8");
    for await (const chunk of logs) onText(chunk);
    return (await askJson(engine, { method: "POST", path: `${path}/wait`, idleMs })).StatusCode;
  } finally {
    await askJson(engine, { method: "DELETE", path: `${path}?force=1`, idleMs: 60_000 });
  }
}
