import { ask, askJson } from "./engine-api.mjs";

/**
 * Runs one container to its end and removes it. `onText` receives its output; resolves with its exit code. For test
 * tools, not for sandboxes.
 */
export async function runContainer({
  engine,
  image,
  command,
  entrypoint,
  user,
  workingFolder,
  hostConfig = {},
  onText = () => {},
  idleMs = 20 * 60_000,
}) {
  const created = await askJson(engine, {
    method: "POST",
    path: "/containers/create",
    // With a terminal both outputs arrive as one plain stream.
    body: JSON.stringify({
      Image: image,
      Cmd: command,
      Entrypoint: entrypoint,
      User: user,
      WorkingDir: workingFolder,
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
