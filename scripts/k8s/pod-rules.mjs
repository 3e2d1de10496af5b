import { attempt } from "./kubectl.mjs";

export const SERVICE_NAMESPACE = "code-interpreter";
export const WORKER_NAMESPACE = "code-interpreter-workers";
export const CALLER_NAMESPACE = "code-interpreter-callers";

const restricted = {
  runAsNonRoot: true,
  runAsUser: 10001,
  allowPrivilegeEscalation: false,
  seccompProfile: { type: "RuntimeDefault" },
  capabilities: { drop: ["ALL"] },
};

/** Pods that must be refused, each with a phrase of the refusal, and one that must be admitted. */
export const podRules = [
  ...[SERVICE_NAMESPACE, CALLER_NAMESPACE].flatMap((namespace) => [
    { namespace, what: "a privileged container", refusal: "PodSecurity", container: { securityContext: { privileged: true } } },
    { namespace, what: "a container that may be root", refusal: "PodSecurity", container: {} },
    {
      namespace,
      what: "a capability",
      refusal: "PodSecurity",
      container: { securityContext: { ...restricted, capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } } },
    },
    { namespace, what: "an ordinary container", refusal: null, container: { securityContext: restricted } },
  ]),
  {
    namespace: WORKER_NAMESPACE,
    what: "a privileged keeper",
    refusal: "no container here is privileged",
    container: { name: "keeper", securityContext: { privileged: true, capabilities: { drop: ["ALL"] } } },
  },
  {
    namespace: WORKER_NAMESPACE,
    what: "a keeper with a capability more",
    refusal: "no other container has any",
    container: { name: "keeper", securityContext: { capabilities: { drop: ["ALL"], add: ["SYS_MODULE"] } } },
  },
  {
    namespace: WORKER_NAMESPACE,
    what: "another container with the keeper's capability",
    refusal: "no other container has any",
    container: { name: "other", securityContext: { ...restricted, capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } } },
  },
  {
    namespace: WORKER_NAMESPACE,
    what: "a container that may be root",
    refusal: "ordinary user",
    container: { name: "other", securityContext: { capabilities: { drop: ["ALL"] } } },
  },
  {
    namespace: WORKER_NAMESPACE,
    what: "a folder of the host",
    refusal: "nothing of the host",
    container: { securityContext: restricted },
    pod: { volumes: [{ name: "host", hostPath: { path: "/" } }] },
  },
  {
    namespace: WORKER_NAMESPACE,
    what: "the host's processes",
    refusal: "no namespace of the host",
    container: { securityContext: restricted },
    pod: { hostPID: true },
  },
  { namespace: WORKER_NAMESPACE, what: "an ordinary container", refusal: null, container: { securityContext: restricted } },
];

/** Submits one of them as a dry run; resolves with null if the decision is right, otherwise with the cluster's message. */
export async function judge({ namespace, refusal, container, pod = {} }) {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "let-in", namespace },
    spec: { ...pod, containers: [{ name: "other", image: "none.invalid/none:1", ...container }] },
  };
  const { code, stderr } = await attempt(["create", "--dry-run=server", "-f", "-"], { input: JSON.stringify(object) });
  if (refusal === null) return code === 0 ? null : `refused: ${stderr.trim()}`;
  if (code === 0) return "let in";
  return stderr.includes(refusal) ? null : `refused for another reason: ${stderr.trim()}`;
}
