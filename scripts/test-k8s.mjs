import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { apply, attempt, kubectl } from "./k8s/kubectl.mjs";
import { CALLER_NAMESPACE, judge, podRules, SERVICE_NAMESPACE, WORKER_NAMESPACE } from "./k8s/pod-rules.mjs";
import { ensureBaseImage } from "./setup/base-image.mjs";
import { buildImage } from "./setup/image.mjs";
import { ensureBuilt, ensureNodeModules } from "./setup/node-modules.mjs";
import { giveUp, SetupError, say, step } from "./setup/say.mjs";
import { ensureServiceImages } from "./setup/service-image.mjs";
import { dataFolderOf, root, setupImage } from "./setup.mjs";

const help = `Tests k8s/overlays/one-node on the cluster of KUBECONFIG and removes it afterwards: npm run test:k8s -- [options]

  --load COMMAND   loads an image archive from standard input onto the nodes, as in
                     --load "ctr -n k8s.io images import -"    --load "k3s ctr images import -"
                     --load "kind load image-archive /dev/stdin"
                   Without it the nodes must have the images or pull SERVICE_IMAGE, KEEPER_IMAGE and REDIS_IMAGE.
  --overlay NAME   one-node (default), or docker-engine, which also needs SANDBOX_IMAGE and ENGINE_IMAGE
  --keep           keeps it running

The cluster needs Kubernetes 1.30 or newer and permission to create namespaces, volumes and admission policies.`;

/**
 * For each overlay: the container of a worker's pod that makes sandboxes, which the test kills, and the interval of calls.
 * A worker with an engine takes over a minute to come back, and meanwhile the other must keep up alone.
 */
const overlays = { "one-node": { sidecar: "keeper", everyMs: 400 }, "docker-engine": { sidecar: "engine", everyMs: 1_500 } };

const ROLLOUT_MS = 8 * 60_000;
const PROOF = 'principal, rate, years = 10_000, 0.07, 20\nprint(f"${principal * (1 + rate) ** years:,.2f}")';
const counts = { passed: 0, failed: 0 };

async function main() {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h" },
      load: { type: "string" },
      keep: { type: "boolean" },
      overlay: { type: "string", default: "one-node" },
    },
  });
  if (values.help) return console.log(help);
  const overlay = overlays[values.overlay];
  if (overlay === undefined)
    throw new SetupError(`--overlay: must be ${Object.keys(overlays).join(" or ")} (is ${values.overlay})\n\n${help}`);
  if (!process.env.KUBECONFIG) throw new SetupError(`KUBECONFIG: must name the cluster to test on.\n\n${help}`);
  const dataFolder = dataFolderOf(process.env);
  const images = await makeImages({ dataFolder, load: values.load, overlay: values.overlay });
  const folder = writeOverlay(path.join(dataFolder, "test/k8s"), values.overlay, images);
  await makeSecrets(folder);
  try {
    await rollOut(folder, images);
    await checkMainJob();
    await checkPodRules();
    await checkNothingIsLost(overlay);
    await checkProduction();
  } catch (error) {
    await showState();
    throw error;
  } finally {
    if (values.keep) say(`Still running; remove it with: kubectl delete -k ${path.relative(process.cwd(), folder)}`);
    else await removeAll(folder);
  }
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  if (counts.failed > 0) process.exitCode = 1;
}

/** Names of all images: from the environment, or built from this work tree. */
async function makeImages({ dataFolder, load, overlay }) {
  const { SERVICE_IMAGE, KEEPER_IMAGE, REDIS_IMAGE, SANDBOX_IMAGE, ENGINE_IMAGE } = process.env;
  const images = { "code-interpreter": SERVICE_IMAGE, "code-interpreter-keeper": KEEPER_IMAGE, redis: REDIS_IMAGE };
  if (overlay === "docker-engine") Object.assign(images, { "code-interpreter-sandbox": SANDBOX_IMAGE, docker: ENGINE_IMAGE });
  if (Object.values(images).some((name) => name === undefined)) {
    const { engine, image } = await setupImage({ dataFolder });
    if (!SERVICE_IMAGE || !KEEPER_IMAGE) {
      const made = await ensureServiceImages({ engine, root, sandboxImage: image });
      Object.assign(images, { "code-interpreter": made.service, "code-interpreter-keeper": made.keeper });
    }
    images.redis ??= await fromDebian(engine, "code-interpreter-redis:debian", "redis-server");
    if (overlay === "docker-engine") {
      images["code-interpreter-sandbox"] ??= image;
      images.docker ??= await fromDebian(engine, "code-interpreter-engine:debian", "docker.io docker-cli openssl");
    }
  }
  if (load) for (const name of Object.values(images)) await loadImage(name, load);
  return images;
}

async function fromDebian(engine, name, packages) {
  await ensureBaseImage(engine);
  return step(`image ${name}`, async (progress) => {
    const files = ["Dockerfile", "dockerd-entrypoint.sh"];
    await buildImage({ engine, folder: path.join(root, "compose/debian"), files, name, args: { PACKAGES: packages }, progress });
    return { note: "built" };
  }).then(() => name);
}

function loadImage(name, command) {
  return step(`${name} to the nodes`, async () => {
    const save = spawn("docker", ["save", name], { stdio: ["ignore", "pipe", "inherit"] });
    const load = spawn("/bin/sh", ["-c", command], { stdio: [save.stdout, "ignore", "inherit"] });
    // Only the two children hold the pipe. If we kept an end, neither would notice that the other has exited.
    save.stdout.destroy();
    const codes = await Promise.all([save, load].map((child) => new Promise((resolve) => child.once("exit", resolve))));
    if (codes.some((code) => code !== 0)) throw new SetupError(`The image ${name} cannot be loaded onto the nodes with: ${command}`);
    return { note: "there" };
  });
}

/** Writes the overlay with the images of this test; returns its folder. */
function writeOverlay(folder, overlay, images) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [path.relative(folder, path.join(root, "k8s/overlays", overlay))],
    images: Object.entries(images).map(([name, full]) => {
      const [, newName, newTag] = /^(.*):([^:/]+)$/.exec(full) ?? [];
      return { name, newName, newTag };
    }),
  };
  // JSON is valid YAML.
  writeFileSync(path.join(folder, "kustomization.yaml"), JSON.stringify(kustomization, null, 2));
  return folder;
}

/** Creates the namespaces, an API key and a Redis password. */
async function makeSecrets(folder) {
  await ensureNodeModules(root);
  await ensureBuilt(root);
  const { createKey } = await import(pathToFileURL(path.join(root, "dist/keys/change-keys.js")).href);
  const keysFile = path.join(folder, "keys.json");
  const key = await createKey(keysFile, { organization: "org_test", scopes: ["execute", "read"], name: "test:k8s" });
  const password = randomBytes(24).toString("hex");
  await kubectl(["apply", "-f", path.join(root, "k8s/base/namespaces.yaml")]);
  await apply({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: CALLER_NAMESPACE,
      labels: { "code-interpreter/caller": "true", "pod-security.kubernetes.io/enforce": "restricted" },
    },
  });
  const secret = (namespace, name, stringData) => apply({ apiVersion: "v1", kind: "Secret", metadata: { namespace, name }, stringData });
  for (const namespace of [SERVICE_NAMESPACE, WORKER_NAMESPACE])
    await secret(namespace, "redis", { password, url: `redis://:${password}@redis.${SERVICE_NAMESPACE}:6379` });
  const receiptKeys = { keys: [generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })] };
  await secret(SERVICE_NAMESPACE, "keys", {
    "keys.json": readFileSync(keysFile, "utf8"),
    "receipt-keys.json": JSON.stringify(receiptKeys),
  });
  await secret(CALLER_NAMESPACE, "key", { key });
}

async function rollOut(folder, images) {
  await check("the overlay rolls out", async () => {
    await kubectl(["apply", "-k", folder]);
    await rolledOut();
  });
  await apply(callerPod(images["code-interpreter"]));
  await kubectl(["-n", CALLER_NAMESPACE, "wait", "--for=condition=Ready", "pod/caller", "--timeout=120s"], { timeoutMs: 130_000 });
}

async function rolledOut() {
  for (const [namespace, what] of [
    [SERVICE_NAMESPACE, "statefulset/redis"],
    [SERVICE_NAMESPACE, "deployment/api"],
    [WORKER_NAMESPACE, "statefulset/worker"],
  ])
    await kubectl(["-n", namespace, "rollout", "status", what, `--timeout=${ROLLOUT_MS / 1000}s`], { timeoutMs: ROLLOUT_MS + 5_000 });
}

/** A sleeping pod with the service image. Test programs are executed in it. */
function callerPod(image) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "caller", namespace: CALLER_NAMESPACE },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "caller",
          image,
          command: ["sleep", "3600"],
          env: [{ name: "CODE_INTERPRETER_KEY", valueFrom: { secretKeyRef: { name: "key", key: "key" } } }],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        },
      ],
    },
  };
}

/** Runs a Node program in the caller's pod. */
function inCaller(program, timeoutMs, args = []) {
  const node = ["node", "--input-type=module", "-", ...args];
  return kubectl(["-n", CALLER_NAMESPACE, "exec", "-i", "caller", "--", ...node], { input: program, timeoutMs });
}

async function checkMainJob() {
  const post = (code) => `
    const url = "http://api.${SERVICE_NAMESPACE}";
    const headers = { authorization: "Bearer " + process.env.CODE_INTERPRETER_KEY, "content-type": "application/json" };
    const body = JSON.stringify({ code: ${JSON.stringify(code)} });
    const result = await (await fetch(url + "/v1/executions", { method: "POST", headers, body })).json();`;
  await check("the main job runs through the Service: $38,696.84", async () => {
    const printed = await inCaller(`${post(PROOF)} console.log(JSON.stringify(result.outputs ?? result));`, 120_000);
    if (!printed.includes('"text":"$38,696.84"')) throw new SetupError(printed);
  });
  await check("a chart that a worker stored comes from any api pod", async () => {
    const code = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])";
    const program = `${post(code)}
      const file = result.outputs?.find(({ type }) => type === "image")?.file_id;
      if (!file) console.log(JSON.stringify(result));
      for (let time = 0; time < 6; time++) {
        const response = await fetch(url + "/v1/files/" + file + "/content", { headers: { ...headers, connection: "close" } });
        console.log(response.status, Buffer.from(await response.arrayBuffer()).subarray(1, 4).toString());
      }`;
    const printed = await inCaller(program, 120_000);
    if (printed !== "200 PNG\n".repeat(6)) throw new SetupError(printed);
  });
}

async function checkPodRules() {
  for (const rule of podRules) {
    await check(`${rule.namespace} ${rule.refusal === null ? "lets in" : "refuses"} ${rule.what}`, async () => {
      const wrong = await judge(rule);
      if (wrong !== null) throw new SetupError(wrong);
    });
  }
}

/** Sends executions steadily during a rolling update and while pods and containers are killed. */
async function checkNothingIsLost({ sidecar, everyMs }) {
  const worker = ["-n", WORKER_NAMESPACE];
  const program = readFileSync(path.join(root, "scripts/k8s/caller.mjs"), "utf8");
  const calling = inCaller(program, 20 * 60_000, [String(everyMs)]);
  calling.catch(() => {});
  await check("a rolling update of api and workers loses no execution", async () => {
    await pause(5_000);
    await kubectl([...worker, "rollout", "restart", "statefulset/worker"]);
    await kubectl(["-n", SERVICE_NAMESPACE, "rollout", "restart", "deployment/api"]);
    await rolledOut();
    const { wrong, posted_again: postedAgain } = JSON.parse(
      await kubectl(["-n", CALLER_NAMESPACE, "exec", "caller", "--", "cat", "/tmp/seen"]),
    );
    if (wrong.length + postedAgain.length > 0) throw new SetupError(`lost: ${[...wrong, ...postedAgain].join("; ")}`);
  });
  await check("a worker pod is killed", async () => {
    await kubectl([...worker, "delete", "pod", "worker-0", "--grace-period=0", "--force"]);
    await rolledOut();
  });
  await check(`the ${sidecar} is killed under its worker`, async () => {
    // Killing process 1 makes the kubelet restart the container.
    await attempt([...worker, "exec", "worker-1", "-c", sidecar, "--", "sh", "-c", "kill -TERM 1"]);
    await rolledOut();
  });
  await check("every execution has its result", async () => {
    await kubectl(["-n", CALLER_NAMESPACE, "exec", "caller", "--", "touch", "/tmp/stop"]);
    const summary = (await calling).trim().split("\n").pop();
    say(`  ${summary}`);
    const { sent, right, wrong } = JSON.parse(summary);
    if (right !== sent || wrong.length > 0) throw new SetupError(`${sent} sent, ${right} right: ${wrong.slice(0, 10).join("; ")}`);
  });
}

async function checkProduction() {
  await check("the production overlay passes a server-side dry run", async () => {
    const said = await kubectl(["apply", "-k", path.join(root, "k8s/overlays/production"), "--dry-run=server"]);
    if (!said.includes("statefulset.apps/worker")) throw new SetupError(said);
  });
}

async function check(title, work) {
  const began = performance.now();
  try {
    await work();
    counts.passed++;
    console.log(`✓ ${title} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.failed++;
    console.log(`✗ ${title}: ${error.message}`);
    // Without a rollout the other checks mean nothing.
    if (title === "the overlay rolls out") throw error;
  }
}

async function showState() {
  for (const namespace of [SERVICE_NAMESPACE, WORKER_NAMESPACE]) {
    say((await attempt(["-n", namespace, "get", "pods,events"])).stdout);
    const { stdout } = await attempt([
      "-n",
      namespace,
      "logs",
      "-l",
      "app.kubernetes.io/part-of",
      "--all-containers",
      "--prefix",
      "--tail=20",
    ]);
    say(stdout);
  }
}

async function removeAll(folder) {
  await step("taking it away", async () => {
    const options = { timeoutMs: 5 * 60_000 };
    await attempt(["delete", "namespace", CALLER_NAMESPACE, "--ignore-not-found"], options);
    await kubectl(["delete", "-k", folder, "--ignore-not-found"], options);
    return { note: "gone" };
  });
}

await main().catch(giveUp);
