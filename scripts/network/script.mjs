import { DEBIAN_ARCHIVE } from "../setup/debian.mjs";

/** Where the script puts its files: in a folder that no image keeps. */
const FOLDER = "/tmp/network";
const SUITE = "trixie";
/** Name of the script beside a Dockerfile. */
export const SCRIPT = "network.sh";

/**
 * The settings as a shell script that a build's RUN reads before it downloads: `. network.sh`. A build gets it as a file
 * because both builders of Docker take one, because a file can hold certificates, and because an argument would stay in the
 * image's history. No Dockerfile may copy it into its last stage; a test checks that.
 */
export function networkScript({ certificates, proxies, pip, npm, apt, aptLogins, mirrors }) {
  const files = {};
  const variables = { ...proxies, ...pip };
  const aptLines = [...apt];
  if (certificates !== "") {
    files["ca.crt"] = certificates;
    for (const name of ["PIP_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]) variables[name] = `${FOLDER}/ca.crt`;
    aptLines.push(`Acquire::https::CAInfo "${FOLDER}/ca.crt";`);
  }
  if (npm.length > 0) {
    files.npmrc = lines(npm);
    variables.NPM_CONFIG_USERCONFIG = `${FOLDER}/npmrc`;
  }
  if (aptLogins.trim() !== "") {
    files["auth.conf"] = lines([aptLogins]);
    aptLines.push(`Dir::Etc::netrc "${FOLDER}/auth.conf";`);
  }
  if (mirrors.archive !== null && mirrors.archive !== DEBIAN_ARCHIVE) {
    files["sources.list"] = lines(sources(mirrors));
    aptLines.push(`Dir::Etc::SourceList "${FOLDER}/sources.list";`, 'Dir::Etc::SourceParts "-";');
  }
  if (aptLines.length > 0) {
    files["apt.conf"] = lines(aptLines);
    variables.APT_CONFIG = `${FOLDER}/apt.conf`;
  }
  const written = Object.entries(files).map(([name, text]) => `printf %s ${quoted(text)} > ${FOLDER}/${name}\n`);
  const exported = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  return [
    "# How the machine that builds reaches package registries. May hold secrets.\n",
    `mkdir -p ${FOLDER}\n`,
    ...written,
    ...exported,
  ].join("");
}

/** Whether a proxy, an index or a mirror is on this machine's loopback, which a build reaches only on the host's network. */
export function usesLoopback({ proxies, pip, npm, apt, mirrors }) {
  const values = [...Object.entries(proxies), ...Object.entries(pip)]
    .filter(([name]) => !/^no_proxy$/i.test(name))
    .map(([, value]) => value);
  const text = [...values, ...npm.filter((line) => !line.startsWith("noproxy=")), ...apt, mirrors.archive ?? ""].join("\n");
  return /(^|[/@"= ])(localhost|127(\.\d{1,3}){3}|\[::1\])([:/"\s]|$)/im.test(text);
}

function sources({ archive, security }) {
  return [
    `deb ${archive} ${SUITE} main`,
    ...(archive.includes("snapshot") ? [] : [`deb ${archive} ${SUITE}-updates main`]),
    ...(security === null ? [] : [`deb ${security} ${SUITE}-security main`]),
  ];
}

function lines(texts) {
  return texts.map((text) => `${text.trimEnd()}\n`).join("");
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
