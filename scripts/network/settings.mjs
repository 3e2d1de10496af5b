import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { findCommand, mirrorsIn, readSources } from "../setup/debian.mjs";

const SYSTEM_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const BUNDLE_VARIABLES = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"];
const PROXY_VARIABLES = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
/** pip's settings about its network. A path of this machine has no meaning in a build, so `find-links` and the like are left out. */
const PIP_SETTINGS = ["index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries"];
/** npm's settings about its network, and those of one registry or scope: `//host/:_authToken`, `@scope:registry`. */
const NPM_SETTINGS =
  /^(registry|proxy|https-proxy|noproxy|strict-ssl|ca|fetch-[a-z-]+|@[^:=]+:registry|\/\/[^=]+:(_authToken|_auth|username|_password|email))$/;

/**
 * How this machine reaches package registries: what is set for pip, npm and apt in variables and files, its proxies and
 * its certificate authorities. Builds get all of it; `script.mjs` says how.
 */
export function readSettings(env = process.env) {
  const pip = pipSettings(readAll(pipFiles(env)), env);
  const npmLines = readAll(npmFiles(env)).flatMap((text) => text.split("\n"));
  const npm = npmSettings(npmLines, env);
  const apt = aptSettings(aptDump());
  const bundles = [...BUNDLE_VARIABLES.map((name) => env[name]), pip.cert, npm.cafile, ...apt.bundles, ...SYSTEM_BUNDLES];
  return {
    certificates: distinctCertificates(readAll(bundles)),
    proxies: Object.fromEntries(PROXY_VARIABLES.filter((name) => env[name]).map((name) => [name, env[name]])),
    pip: pip.variables,
    npm: npm.lines,
    apt: apt.lines,
    aptLogins: readAll(["/etc/apt/auth.conf", ...filesIn("/etc/apt/auth.conf.d", ".conf")]).join("\n"),
    mirrors: mirrorsIn(readSources()),
    aptProxies: apt.proxies,
  };
}

/** pip's variables: those of its files, last file first, under those that are set. `cert` is the path of a bundle or undefined. */
export function pipSettings(texts, env) {
  const found = Object.assign({}, ...texts.map(iniSettings));
  for (const name of PIP_SETTINGS) {
    const set = env[variableOf(name)] ?? (name === "timeout" ? env.PIP_DEFAULT_TIMEOUT : undefined);
    if (set) found[name] = set;
  }
  const kept = PIP_SETTINGS.filter((name) => found[name]);
  return { cert: found.cert, variables: Object.fromEntries(kept.map((name) => [variableOf(name), found[name]])) };
}

/** Values of the sections [global], [install] and [download]. An indented line continues a value. */
function iniSettings(text) {
  const found = {};
  let inside = false;
  let last = null;
  for (const line of text.split("\n")) {
    const section = /^\[(.+)\]/.exec(line)?.[1];
    const [, name, value] = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (section !== undefined) inside = ["global", "install", "download"].includes(section);
    else if (inside && name !== undefined) {
      last = name.toLowerCase().replaceAll("_", "-");
      found[last] = value.trim();
    } else if (inside && last !== null && /^\s+\S/.test(line)) found[last] = `${found[last]} ${line.trim()}`.trim();
  }
  return found;
}

function variableOf(name) {
  return `PIP_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** Lines for an npmrc. A reference to a variable is replaced by its value. `cafile` is the path of a bundle or undefined. */
export function npmSettings(lines, env) {
  const found = new Map();
  for (const line of lines) {
    const [, name, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined)
      found.set(
        name,
        value.replace(/\$\{(\w+)\}/g, (all, variable) => env[variable] ?? all),
      );
  }
  for (const name of ["registry", "proxy", "https-proxy", "noproxy"]) {
    const variable = `npm_config_${name.replaceAll("-", "_")}`;
    const set = env[variable] ?? env[variable.toUpperCase()];
    if (set) found.set(name, set);
  }
  return {
    cafile: found.get("cafile"),
    lines: [...found].filter(([name]) => NPM_SETTINGS.test(name)).map(([name, value]) => `${name}=${value}`),
  };
}

/** From `apt-config dump`: lines about proxies and transfer, without those that name a file here; and the bundles they name. */
export function aptSettings(dump) {
  const lines = dump.split("\n").filter((line) => /^Acquire::https?::\S+ ".+";$/i.test(line));
  const namesFile = (line) => /"\/[^"]*";$/.test(line) || /::proxy-?auto-?detect /i.test(line);
  return {
    lines: lines.filter((line) => !namesFile(line)),
    bundles: lines.map((line) => /::CaInfo "(.+)";$/i.exec(line)?.[1]).filter((file) => file !== undefined),
    // The variables that other programs read.
    proxies: Object.fromEntries(
      lines.flatMap((line) => {
        const [, scheme, address] = /^Acquire::(https?)::Proxy "(.+)";$/i.exec(line) ?? [];
        return scheme === undefined || address === "DIRECT" ? [] : [[`${scheme.toLowerCase()}_proxy`, address]];
      }),
    ),
  };
}

/** All certificates of these texts, each once. */
export function distinctCertificates(texts) {
  const found = texts.flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----/g) ?? []);
  const distinct = new Map(found.map((certificate) => [certificate.replace(/\s/g, ""), certificate.replaceAll("\r", "")]));
  return [...distinct.values()].map((certificate) => `${certificate}\n`).join("");
}

function pipFiles(env) {
  if (env.PIP_CONFIG_FILE === "/dev/null") return [];
  const home = env.HOME ?? homedir();
  const own = [
    ".pip/pip.conf",
    `${env.XDG_CONFIG_HOME ?? path.join(home, ".config")}/pip/pip.conf`,
    "Library/Application Support/pip/pip.conf",
  ];
  const environment = env.VIRTUAL_ENV ? [path.join(env.VIRTUAL_ENV, "pip.conf")] : [];
  return ["/etc/pip.conf", ...own.map((file) => path.resolve(home, file)), ...environment, env.PIP_CONFIG_FILE];
}

function npmFiles(env) {
  const own = env.npm_config_userconfig ?? env.NPM_CONFIG_USERCONFIG ?? path.join(env.HOME ?? homedir(), ".npmrc");
  return [env.npm_config_globalconfig ?? env.NPM_CONFIG_GLOBALCONFIG ?? "/etc/npmrc", own];
}

function aptDump() {
  return findCommand("apt-config") === null ? "" : execFileSync(findCommand("apt-config"), ["dump"], { encoding: "utf8" });
}

function filesIn(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name));
}

/** The texts of those files that exist and can be read, each once. */
function readAll(files) {
  return [...new Set(files.filter((file) => file))].flatMap((file) => {
    try {
      return [readFileSync(file, "utf8")];
    } catch {
      return [];
    }
  });
}
