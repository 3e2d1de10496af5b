import { block, more, namespaceOf, optional, scalar } from "./template.mjs";

/** Where the values of the chart go in the objects of k8s/, by kind, namespace and name. */
const API = "code-interpreter";
const WORKERS = "code-interpreter-workers";

export const changes = {
  [`ConfigMap ${API}/settings`]: settings,
  [`ConfigMap ${WORKERS}/settings`]: settings,
  [`ConfigMap ${WORKERS}/worker-size`]: (object) => {
    object.data = block(".Values.worker.size");
  },
  [`Deployment ${API}/api`]: (object) => {
    object.spec = { replicas: scalar(".Values.api.replicas"), ...object.spec };
    const pod = object.spec.template.spec;
    const [container] = pod.containers;
    shared(object.spec.template, "api");
    container.image = scalar('include "image" (list . "service")');
    container.env[0].valueFrom.secretKeyRef = block(".Values.redis.secret");
    pod.volumes[0].secret.secretName = scalar(".Values.keys.secret");
    pod.topologySpreadConstraints = optional(".Values.api.topologySpreadConstraints");
  },
  [`Service ${API}/api`]: (object) => {
    object.spec.type = scalar(".Values.api.service.type");
    object.metadata.annotations = optional(".Values.api.service.annotations");
  },
  [`HorizontalPodAutoscaler ${API}/api`]: (object) => {
    object.spec.minReplicas = scalar(".Values.api.autoscaling.min");
    object.spec.maxReplicas = scalar(".Values.api.autoscaling.max");
    object.spec.metrics[0].resource.target.averageUtilization = scalar(".Values.api.autoscaling.cpuPercent");
    return ".Values.api.autoscaling.enabled";
  },
  [`PodDisruptionBudget ${API}/api`]: (object) => {
    object.spec.minAvailable = scalar(".Values.api.minAvailable");
  },
  [`Deployment ${WORKERS}/worker`]: (object) => {
    object.spec.replicas = scalar(".Values.worker.replicas");
    object.spec.strategy.rollingUpdate.maxSurge = scalar(".Values.worker.maxSurge");
    const pod = object.spec.template.spec;
    shared(object.spec.template, "worker");
    pod.topologySpreadConstraints = optional(".Values.worker.topologySpreadConstraints");
    pod.runtimeClassName = optional(".Values.worker.runtimeClassName");
    const [keeper] = pod.initContainers;
    keeper.image = scalar('include "image" (list . "keeper")');
    keeper.resources = block(".Values.worker.keeperResources");
    const [container] = pod.containers;
    container.image = scalar('include "image" (list . "service")');
    container.env[0].valueFrom.secretKeyRef = block(".Values.redis.secret");
    pod.volumes[1].emptyDir.sizeLimit = scalar(".Values.tmpSize");
  },
  [`PodDisruptionBudget ${WORKERS}/worker`]: (object) => {
    object.spec.maxUnavailable = scalar(".Values.worker.maxUnavailable");
  },
  [`NetworkPolicy ${API}/nothing`]: whereNetwork,
  [`NetworkPolicy ${WORKERS}/nothing`]: whereNetwork,
  [`NetworkPolicy ${API}/names`]: whereNetwork,
  [`NetworkPolicy ${WORKERS}/names`]: whereNetwork,
  [`NetworkPolicy ${API}/api`]: (object) => {
    object.spec.ingress.push(more(".Values.network.apiIngress"));
    egress(object, ".Values.network.apiEgress");
    return whereNetwork();
  },
  [`NetworkPolicy ${WORKERS}/worker`]: (object) => {
    egress(object, ".Values.network.workerEgress");
    return whereNetwork();
  },
  "ValidatingAdmissionPolicy /code-interpreter-worker-pods": (object) => {
    object.metadata.name = POLICY;
    return ".Values.worker.podPolicy";
  },
  "ValidatingAdmissionPolicyBinding /code-interpreter-worker-pods": (object) => {
    object.metadata.name = POLICY;
    object.spec.policyName = POLICY;
    object.spec.matchResources.namespaceSelector.matchLabels["kubernetes.io/metadata.name"] = namespaceOf(WORKERS);
    return ".Values.worker.podPolicy";
  },
  [`ScaledObject ${WORKERS}/worker`]: (object) => {
    object.spec.minReplicaCount = scalar(".Values.worker.keda.min");
    object.spec.maxReplicaCount = scalar(".Values.worker.keda.max");
    for (const { metadata } of object.spec.triggers) metadata.serverAddress = scalar(".Values.worker.keda.prometheus");
    return ".Values.worker.keda.enabled";
  },
  [`Service ${API}/api-metrics`]: () => ".Values.monitoring.monitors",
  [`ServiceMonitor ${API}/api`]: monitor,
  [`ServiceMonitor ${WORKERS}/worker`]: monitor,
};

/** Admission policies belong to the cluster, so that the name of one must be its own. */
const POLICY = scalar('printf "%s-worker-pods" .Values.workerNamespace.name');

function settings(object) {
  object.data = block(".Values.settings");
}

function monitor(object) {
  object.metadata.labels = { release: scalar(".Values.monitoring.release") };
  return ".Values.monitoring.monitors";
}

function whereNetwork() {
  return ".Values.network.policies";
}

/** What api and workers have in common. */
function shared(template, name) {
  const pod = template.spec;
  const [container] = pod.containers;
  const values = `.Values.${name}`;
  template.metadata.annotations = block(
    `(merge (dict "checksum/settings" (toYaml .Values.settings | sha256sum)) ${values}.podAnnotations)`,
  );
  pod.imagePullSecrets = optional(".Values.images.pullSecrets");
  pod.priorityClassName = optional(`${values}.priorityClassName`);
  pod.nodeSelector = optional(`${values}.nodeSelector`);
  pod.tolerations = optional(`${values}.tolerations`);
  pod.affinity = optional(`${values}.affinity`);
  for (const each of [...(pod.initContainers ?? []), container]) each.imagePullPolicy = scalar(".Values.images.pullPolicy");
  container.resources = block(`${values}.resources`);
  container.env.push(more(`${values}.env`));
  container.envFrom.push(more('(include "storage.env" . | fromYamlArray)'));
  container.volumeMounts.push(more('(include "storage.mounts" . | fromYamlArray)'));
  pod.volumes.push(more('(include "storage.volumes" . | fromYamlArray)'));
}

/** To Redis by its label where it is in the cluster, or else to addresses of the values. None of them is the API server's. */
function egress(object, values) {
  const [toRedis] = object.spec.egress;
  toRedis.to[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"] = scalar(
    ".Values.redis.namespace | default .Release.Namespace",
  );
  toRedis.to[0].podSelector.matchLabels = block(".Values.redis.podLabels");
  object.spec.egress.push(more(values));
}
