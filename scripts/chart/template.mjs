import { stringify } from "yaml";

/**
 * Text for Helm in an object: `scalar` anywhere in a value, `block` for a value of a key, `optional` for a key that is only there
 * with its value, `more` for further items of a list.
 */
export const scalar = (expression) => `<<${expression}>>`;
export const block = (expression) => `<<block ${expression}>>`;
export const optional = (expression) => `<<optional ${expression}>>`;
export const more = (expression) => `<<more ${expression}>>`;

/**
 * One object as a template. `change` gets the object, may change it, and may return a condition under which the object exists.
 * Labels name chart and release.
 */
export function templateOf(object, change = () => {}) {
  if (object.metadata.namespace !== undefined) object.metadata.namespace = namespaceOf(object.metadata.namespace);
  const condition = change(object);
  object.metadata.labels = { ...object.metadata.labels, ...chartLabels };
  const text = `---\n${rendered(stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))}`;
  return condition === undefined ? text : `{{- if ${condition} }}\n${text}{{- end }}\n`;
}

const chartLabels = {
  "app.kubernetes.io/part-of": "code-interpreter",
  "app.kubernetes.io/managed-by": scalar(".Release.Service"),
  "app.kubernetes.io/instance": scalar(".Release.Name"),
  "helm.sh/chart": scalar('printf "%s-%s" .Chart.Name .Chart.Version'),
};

/** The api is in the release's namespace, and workers have their own, which permits the keeper. */
export function namespaceOf(name) {
  return scalar(name === "code-interpreter-workers" ? ".Values.workerNamespace.name" : ".Release.Namespace");
}

function rendered(text) {
  return text
    .split("\n")
    .map((line) => {
      const part = /^( *)(?:([\w.-]+): |- )(["']?)<<(block|optional|more) (.*)>>\3$/.exec(line);
      if (part !== null) return multiline(part);
      // The library quotes a text that begins like this, and the quotes keep numbers texts.
      return line.replaceAll(/<<(.*?)>>/g, (_, expression) => `{{ ${expression.replaceAll('\\"', '"')} }}`);
    })
    .join("\n");
}

function multiline([, indent, key, , kind, escaped]) {
  const expression = escaped.replaceAll('\\"', '"');
  const deep = indent.length + 2;
  if (kind === "block") return `${indent}${key}: {{- toYaml ${expression} | nindent ${deep} }}`;
  if (kind === "more") return `${indent}{{- with ${expression} }}{{- toYaml . | nindent ${indent.length} }}{{- end }}`;
  return `${indent}{{- with ${expression} }}\n${indent}${key}: {{- toYaml . | nindent ${deep} }}\n${indent}{{- end }}`;
}
