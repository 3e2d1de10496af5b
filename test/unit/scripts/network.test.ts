import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";

// Plain JavaScript, loaded by address, without types.
const load = (file: string) => import(new URL(`../../../scripts/network/${file}.mjs`, import.meta.url).href);
const { networkScript, usesLoopback } = await load("script");
const { aptSettings, distinctCertificates, npmSettings, pipSettings } = await load("settings");
const root = new URL("../../../", import.meta.url).pathname;

const nothing = { certificates: "", proxies: {}, pip: {}, npm: [], apt: [], aptLogins: "", mirrors: { archive: null, security: null } };
const certificate = (letter: string) => `-----BEGIN CERTIFICATE-----\n${letter.repeat(8)}\n-----END CERTIFICATE-----\n`;

test("a variable of pip takes precedence over its files, and the last file over the first", () => {
  const files = [
    "[global]\nindex-url = https://one.example/simple\ntrusted-host =\n  a.example\n  b.example\nfind-links = /opt/wheels\n",
    "[install]\nindex_url: https://two.example/simple\ncert = /etc/company.pem\n[list]\nformat = json\n",
  ];
  expect(pipSettings(files, { PIP_EXTRA_INDEX_URL: "https://three.example" })).toEqual({
    cert: "/etc/company.pem",
    variables: {
      PIP_INDEX_URL: "https://two.example/simple",
      PIP_TRUSTED_HOST: "a.example b.example",
      PIP_EXTRA_INDEX_URL: "https://three.example",
    },
  });
  expect(pipSettings(files, { PIP_INDEX_URL: "https://set.example" }).variables.PIP_INDEX_URL).toBe("https://set.example");
});

test("of npm's settings those about registries are kept, with their variables replaced", () => {
  const lines = [
    "; comment",
    "registry=https://npm.example/",
    "//npm.example/:_authToken=${TOKEN}",
    "@own:registry = https://own.example/",
    "cafile=/a.pem",
    "cache=/here",
    "fund=false",
  ];
  expect(npmSettings(lines, { TOKEN: "s3cret", npm_config_https_proxy: "http://proxy.example:3128" })).toEqual({
    cafile: "/a.pem",
    lines: [
      "registry=https://npm.example/",
      "//npm.example/:_authToken=s3cret",
      "@own:registry=https://own.example/",
      "https-proxy=http://proxy.example:3128",
    ],
  });
});

test("of apt's settings those that name a file of this machine are left out, and its bundles and proxies are found", () => {
  const dump = [
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::mirror.example::CaInfo "/etc/company.pem";',
    'Acquire::http::Proxy-Auto-Detect "/usr/bin/detect";',
    'Acquire::https::mirror.example::Verify-Peer "true";',
    'APT::Install-Recommends "1";',
  ].join("\n");
  expect(aptSettings(dump)).toEqual({
    lines: ['Acquire::http::Proxy "http://proxy.example:3128";', 'Acquire::https::mirror.example::Verify-Peer "true";'],
    bundles: ["/etc/company.pem"],
    proxies: { http_proxy: "http://proxy.example:3128" },
  });
});

test("each certificate is kept once, however its lines end", () => {
  expect(distinctCertificates([`# one\n${certificate("A")}`, certificate("A").replaceAll("\n", "\r\n") + certificate("B")])).toBe(
    certificate("A") + certificate("B"),
  );
});

test("the script sets every variable and file in a shell, with any content", () => {
  const script: string = networkScript({
    ...nothing,
    certificates: certificate("A"),
    proxies: { https_proxy: "http://user:it's $HOME@proxy.example" },
    npm: ["registry=https://npm.example/"],
    mirrors: { archive: "https://mirror.example/debian", security: null },
  });
  const folder = mkdtempSync(path.join(tmpdir(), "network-test-"));
  try {
    writeFileSync(path.join(folder, "network.sh"), script.replaceAll("/tmp/network", `${folder}/made`));
    const shown = execFileSync("/bin/sh", [
      "-ec",
      `. ${folder}/network.sh; echo "$https_proxy"; cat "$PIP_CERT" "$NPM_CONFIG_USERCONFIG" "$APT_CONFIG"; cat ${folder}/made/sources.list`,
    ]);
    expect(shown.toString().replaceAll(folder, "")).toBe(
      `http://user:it's $HOME@proxy.example\n${certificate("A")}registry=https://npm.example/\n` +
        'Acquire::https::CAInfo "/made/ca.crt";\nDir::Etc::SourceList "/made/sources.list";\nDir::Etc::SourceParts "-";\n' +
        "deb https://mirror.example/debian trixie main\ndeb https://mirror.example/debian trixie-updates main\n",
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a machine without settings sets nothing, and Debian's own archive is no mirror", () => {
  const script: string = networkScript({ ...nothing, mirrors: { archive: "http://deb.debian.org/debian", security: null } });
  expect(script.split("\n").filter((line) => /^(export|printf)/.test(line))).toEqual([]);
});

test("a build runs on the host's network when a proxy or index is on the loopback", () => {
  expect(usesLoopback({ ...nothing, pip: { PIP_INDEX_URL: "https://127.0.0.1:8443/simple" } })).toBe(true);
  expect(usesLoopback({ ...nothing, npm: ["registry=http://localhost:4873/"] })).toBe(true);
  expect(usesLoopback({ ...nothing, apt: ['Acquire::http::Proxy "http://[::1]:3142";'] })).toBe(true);
  expect(usesLoopback({ ...nothing, proxies: { no_proxy: "localhost,127.0.0.1", http_proxy: "http://localhost.example:1" } })).toBe(false);
});

test("no image keeps the script: a Dockerfile that reads it ships a stage that starts anew and downloads nothing", () => {
  const files = ["Dockerfile", "sandbox-image/Dockerfile", "compose/debian/Dockerfile", "k8s/keeper/Dockerfile"];
  const found = execFileSync("git", ["ls-files", "*Dockerfile"], { cwd: root, encoding: "utf8" }).trim().split("\n");
  expect(found.sort()).toEqual(files.sort());
  for (const file of files) {
    const text = readFileSync(path.join(root, file), "utf8");
    const last = text.slice(text.lastIndexOf("\nFROM "));
    expect(last).not.toMatch(/network\.s|apt-get (update|install)|pip install|npm (ci|install)/);
    if (!text.includes("network.s")) continue;
    expect(last).toMatch(/^\nFROM scratch\nCOPY --from=\w+ \/ \/\n/);
    const stage = /COPY --from=(\w+) \/ \//.exec(last)?.[1];
    const shipped = text.slice(text.indexOf(` AS ${stage}\n`), text.lastIndexOf("\nFROM "));
    expect(shipped).toMatch(/rm -rf [^&]*\/build/);
    expect(shipped).toMatch(/rm -rf [^&]*\/tmp\/(network|\*)/);
    for (const run of text.split("\nRUN ").slice(1)) {
      if (/apt-get (update|install)|pip install|npm (ci|install)/.test(run.split(/\n(?=[A-Z#])/)[0] ?? ""))
        expect(run).toMatch(/^if \[ -f \/build\/network\.sh/);
    }
  }
});
