import { afterAll, beforeAll, expect, test } from "vitest";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine();
});
afterAll(() => under.close());

test("programs in the working folder and /tmp may be started, those in /dev/shm may not", async () => {
  const code = `
import os, subprocess
for folder in ("/mnt/data", "/tmp", "/dev/shm"):
    path = folder + "/a.sh"
    with open(path, "w") as file: file.write("#!/bin/sh\\necho started")
    os.chmod(path, 0o755)
    try: print(subprocess.check_output([path], text=True).strip())
    except PermissionError: print("refused")
`;
  const { end, text } = await under.run(code);
  expect([end.status, text()]).toEqual(["completed", "started\nstarted\nrefused"]);
});
