import { execFileSync } from "node:child_process";

/**
 * The document for the service, from the lockfile, without what only tests use. npm's own `--omit dev` also leaves out
 * packages that the service shares with tools.
 */
export function serviceSbom(root) {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const document = JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }));
  const onlyTests = ({ properties = [] }) =>
    properties.some(({ name, value }) => name === "cdx:npm:package:development" && value === "true");
  const components = document.components.filter((component) => !onlyTests(component));
  const kept = new Set([document.metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
  const dependencies = document.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
  return { ...document, components, dependencies };
}

/** CycloneDX components from dpkg's record of installed packages (var/lib/dpkg/status). */
export function debianComponents(status, distribution = "debian") {
  return status
    .split(/\n\n+/)
    .map((text) => ({ text, field: (name) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] }))
    .filter(({ field }) => /\binstalled$/.test(field("Status") ?? ""))
    .map(({ field }) => {
      const [name, version, architecture] = [field("Package"), field("Version"), field("Architecture")];
      const purl = `pkg:deb/${distribution}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
      return { type: "library", "bom-ref": purl, name, version, purl };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The document for the image with this name and digest. */
export function imageSbom({ name, digest, status, now = new Date() }) {
  const component = { type: "container", "bom-ref": `image:${name}`, name, version: digest, hashes: hashesOf(digest) };
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { timestamp: now.toISOString(), component },
    components: debianComponents(status),
  };
}

function hashesOf(digest) {
  const sha256 = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  return sha256 === undefined ? [] : [{ alg: "SHA-256", content: sha256 }];
}
