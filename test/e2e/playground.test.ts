import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

let prepared: TestService;
let service: ServiceProcess;
let key: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** Everything the page complained of: errors of its scripts and what its policy refused. */
let complaints: string[];

beforeAll(async () => {
  if (executablePath === undefined) return;
  prepared = await prepareService();
  service = await prepared.start("all");
  key = await prepared.key("org_page");
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
});
afterAll(async () => {
  await browser?.close();
  await prepared?.stop();
});
beforeEach(async ({ skip }) => {
  skip(executablePath === undefined, "there is no Chromium here (Debian package chromium)");
  context = await browser.newContext();
  page = await open(context);
});
afterEach(async () => {
  if (executablePath === undefined) return;
  await context.close();
  expect(complaints).toEqual([]);
});

async function open(of: BrowserContext): Promise<Page> {
  const opened = await of.newPage();
  complaints = [];
  opened.setDefaultTimeout(20_000);
  opened.on("pageerror", (error) => complaints.push(error.message));
  opened.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  opened.on("request", (request) => {
    if (!request.url().startsWith(service.url) && !request.url().startsWith("blob:")) complaints.push(`asked ${request.url()}`);
  });
  await opened.goto(`${service.url}/playground`);
  return opened;
}

async function signIn(): Promise<void> {
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.keyboard.press("Enter");
  await page.locator("#key-dialog").waitFor({ state: "hidden" });
}

async function run(code: string): Promise<void> {
  await page.getByLabel("Python code").fill(code);
  await page.keyboard.press("Control+Enter");
  await page.locator("#run-status .badge:not(.in_progress)").waitFor();
  await page.locator("#run:enabled").waitFor();
}

/** A string, because these tests are not compiled with the types of a browser. */
const inPage = (expression: string) => page.evaluate<unknown>(expression);
const outputs = () => page.getByRole("log", { name: "Output" });
const badge = () => page.locator("#run-status .badge").innerText();

describe("key", () => {
  test("is asked for, checked, and kept for this tab only", async () => {
    await page.getByLabel("Key", { exact: true }).fill("ci_sk_wrong");
    await page.getByRole("button", { name: "Use key" }).click();
    await expect.poll(() => page.getByRole("alert").innerText()).toContain("does not know this key");
    expect(complaints.splice(0)).toEqual([expect.stringContaining("401")]);
    await signIn();
    await page.reload();
    expect(await page.locator("#key-dialog").isVisible()).toBe(false);
    expect(await inPage("JSON.stringify([{ ...localStorage }, document.cookie])")).not.toContain("ci_sk_");
    const other = await open(context);
    await other.locator("#key-dialog").waitFor();
  });

  test("comes with the address that npm start prints, and leaves it at once", async () => {
    const signedIn = await context.newPage();
    await signedIn.goto(`${service.url}/playground#key=${key}`);
    await signedIn.locator("#session-field").waitFor();
    expect(await signedIn.locator("#key-dialog").isVisible()).toBe(false);
    expect(signedIn.url()).toBe(`${service.url}/playground`);
  });

  test("is asked for before the API description has arrived", async () => {
    const slow = await context.newPage();
    await slow.route("**/openapi.json", () => new Promise(() => undefined));
    await slow.goto(`${service.url}/playground`);
    await slow.locator("#key-dialog").waitFor({ timeout: 5_000 });
  });
});

test("the start page shows commands for this service", async () => {
  await page.goto(`${service.url}/`);
  await expect.poll(() => page.getByLabel("Run code").innerText()).toContain(`curl -s ${service.url}/v1/executions`);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/home.png`, fullPage: true });
  await page.getByRole("link", { name: /^Try it/ }).click();
  await page.locator("#key-dialog").waitFor();
});

describe("run", () => {
  beforeEach(signIn);

  test("a person answers the calls of the code, with values and with an error", async () => {
    await page.getByText("Options").click();
    await page.getByLabel("Functions that you answer").fill("price(sku)\nnote");
    const code = "print(price('a') * 2)\ntry: note()\nexcept ToolError as e: print('refused:', e)";
    await page.getByLabel("Python code").fill(code);
    await page.keyboard.press("Control+Enter");
    await page.getByText('price(sku="a")').waitFor();
    await page.getByLabel("Answer to price").fill("21");
    await page.keyboard.press("Enter");
    await page.getByLabel("Answer to note").fill("not today");
    await page.getByRole("button", { name: "Raise an error" }).click();
    await page.locator("#run-status .badge.completed").waitFor();
    expect(await outputs().innerText()).toContain("42\nrefused: not today");
    expect(await page.locator(".tool-call").count()).toBe(0);
  });

  test("prints while the code still runs, and Stop ends it with what was printed", async () => {
    await page.getByLabel("Python code").fill("import time\nprint('first', flush=True)\ntime.sleep(25)");
    await page.getByRole("button", { name: "Run" }).click();
    await expect.poll(() => outputs().innerText()).toContain("first");
    expect(await badge()).toBe("Running");
    await page.keyboard.press("Control+.");
    await expect.poll(badge).toBe("Cancelled");
    expect(await outputs().innerText()).toContain("first");
    expect(await outputs().locator(".error").count(), "the interrupt of Stop is no error").toBe(0);
  });

  test("shows progress in its last state, colours, and where text is cut", async () => {
    const bar = "import time\nfor i in range(101): print(f'\\r{i} %', end='', flush=True)\nprint()\nprint('\\x1b[1;31mred\\x1b[0m plain')";
    await run(`${bar}\nfor i in range(60_000): print(i, 'x' * 60)`);
    const text = await outputs().innerText();
    expect(text.split("\n").slice(0, 2)).toEqual(["100 %", "red plain"]);
    expect(await outputs().locator(".ansi-31.ansi-1").innerText()).toBe("red");
    expect(await outputs().locator(".cut").innerText()).toBe("The text of stdout is cut here.");
  });

  test.for([
    ["x = bytearray(2_000_000_000)\nx[::4096] = b'1' * len(x[::4096])", "set more memory under Options"],
    ["input()", "input() reads the standard input. Fill it in under Options."],
    ["import panda", "pandas"],
    ["import urllib.request\nurllib.request.urlopen('http://example.com')", "A sandbox has no network. Add the data as a file."],
  ] as const)("an ending says what one can do: %s", async ([code, way]) => {
    await run(code);
    expect(await page.locator("#run-status .note").allInnerTexts()).toContainEqual(expect.stringContaining(way));
  });

  test("a chosen example does not lose the draft", async () => {
    const draft = "precious = 1\nprint(precious)";
    const editor = page.getByLabel("Python code");
    await editor.fill(draft);
    await page.getByLabel("Example").selectOption("1");
    expect(await editor.inputValue()).not.toContain("precious");
    await page.getByRole("button", { name: "Bring it back" }).click();
    expect(await editor.inputValue()).toBe(draft);
    await page.getByLabel("Example").selectOption("1");
    await editor.press("Control+z");
    expect(await editor.inputValue(), "undo brings it back too").toBe(draft);
  });

  test("shows the figure, behind a switch its data, the table and the phases", async () => {
    await run(
      "import pandas as pd, matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [4, 5, 6.25])\npd.DataFrame({'name': ['Ada'], 'age': [36]})",
    );
    expect(await badge()).toBe("Completed");
    const picture = outputs().locator("img");
    await expect.poll(() => picture.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBeGreaterThan(100);
    await outputs().getByRole("button", { name: "Data" }).click();
    expect(await outputs().locator(".chart-data").innerText()).toContain("6.25");
    expect(await picture.isVisible()).toBe(false);
    expect(
      await outputs()
        .getByRole("region", { name: /^Table/ })
        .innerText(),
    ).toContain("Ada");
    const said = await page.locator("#run-status").innerText();
    expect(said).toMatch(/queue .*sandbox .*code .*files .*time .* of 30 s.*memory .* of 512 MiB/s);
  });

  test("marks the line of an exception in the editor and links to it", async () => {
    await run("x = 1\n\n1 / 0\n");
    expect(await badge()).toBe("Failed");
    expect(await page.locator("#editor .gutter .marked").innerText()).toBe("3");
    expect(await page.locator("#editor .mark").isVisible()).toBe(true);
    await outputs().getByRole("button", { name: "line 3" }).click();
    expect(await page.getByLabel("Python code").evaluate((area) => (area as unknown as { selectionStart: number }).selectionStart)).toBe(7);
  });

  test("gives dropped and chosen files to the code and saves what it writes", async () => {
    const dataTransfer = await page.evaluateHandle(
      '(() => { const held = new DataTransfer(); held.items.add(new File(["hello"], "in.txt")); return held; })()',
    );
    await page.dispatchEvent("body", "dragenter", { dataTransfer });
    expect(await page.getByText("Drop files").isVisible()).toBe(true);
    await page.dispatchEvent("body", "drop", { dataTransfer });
    expect(await page.getByText("Drop files").isVisible()).toBe(false);
    await page.locator("#file-input").setInputFiles([{ name: "chosen.txt", mimeType: "text/plain", buffer: Buffer.from(" there") }]);
    await run("open('out.txt', 'w').write((open('in.txt').read() + open('chosen.txt').read()).upper())");
    const saved = page.waitForEvent("download");
    await outputs().getByRole("button", { name: "Save out.txt" }).click();
    const stream = await (await saved).createReadStream();
    expect((await stream.toArray()).join("")).toBe("HELLO THERE");
  });

  test("a hostile file name is shown as plain text", async () => {
    await run("open('a\\u202egnp.exe', 'w').write('1')\nopen('<img src=x onerror=alert(1)>.txt', 'w').write('2')");
    expect(await outputs().locator(".file .name").allInnerTexts()).toEqual(["<img src=x onerror=alert(1)>.txt", "a\ufffdgnp.exe"]);
  });

  test("a time limit is shown with its value", async () => {
    await page.getByText("Options").click();
    await page.getByLabel("Time limit, seconds").fill("0.5");
    await run("while True: pass");
    expect(await badge()).toBe("Stopped by a limit");
    expect(await page.locator("#run-status").innerText()).toContain("time limit of 500 ms");
  });

  test("a refusal shows the service's message", async () => {
    await page.getByText("Options").click();
    await page.getByLabel("Memory, MiB").fill("1");
    await run("1");
    expect(await page.locator("#run-status").innerText()).toContain("memory_mb");
    expect(complaints.splice(0)).toEqual([expect.stringContaining("422")]);
  });

  test("HTML output runs no script, sends no request and cannot access the page", async () => {
    const html = `<b>bold</b><script>parent.document.title = "x"</script><img src="${service.url}/v1/files" onerror="parent.document.title = 'x'"><iframe src="/docs"></iframe>`;
    await run(`from IPython.display import HTML, display\ndisplay(HTML(${JSON.stringify(html)}))`);
    const frame = outputs().locator("iframe");
    expect(await frame.getAttribute("sandbox")).toBe("");
    await expect.poll(() => frame.contentFrame().locator("b").innerText()).toBe("bold");
    expect(await page.title()).toMatch(/^Playground/);
    const refused = complaints.splice(0);
    expect(refused.filter((text) => !/Content Security Policy|Blocked script execution/.test(text))).toEqual([]);
    expect(refused.length).toBeGreaterThan(0);
  });

  test("keeps variables in a session and reports its end", async () => {
    await page.getByLabel("Session").selectOption("new");
    await run("x = 41");
    await run("x += 1\nprint(x)");
    expect(await outputs().innerText()).toContain("42");
    await page.getByRole("button", { name: "End session" }).click();
    await expect.poll(() => page.getByLabel("Session").inputValue()).toBe("");
    await run("x");
    expect(await outputs().innerText()).toContain("NameError");
  });

  test("remembers runs of this key and shows them again; another key does not see them", async () => {
    await page.getByText("Options").click();
    await page.getByLabel("Time limit, seconds").fill("7");
    await run("print('remember me')");
    await page.getByLabel("Time limit, seconds").fill("");
    await run("print('later')");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("button", { name: /remember me/ }).click();
    await expect.poll(() => outputs().innerText()).toBe("remember me\n");
    expect(await page.getByLabel("Python code").inputValue()).toBe("print('remember me')");
    expect(await page.locator("#run-status").innerText(), "with the limits of that run").toContain("of 7 s");
    await page.getByRole("button", { name: "Key", exact: true }).click();
    await page.getByLabel("Key", { exact: true }).fill(await prepared.key("org_other"));
    await page.keyboard.press("Enter");
    await page.locator("#key-dialog").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "History" }).click();
    expect(await page.locator("#history-list").innerText()).toBe("Nothing yet.");
  });
});

describe("keyboard and screens", () => {
  test("the highlighted text always equals the typed code", async () => {
    await signIn();
    for (const code of [
      'f"a{b}" + r\'\\d\' # "x"\n@d\ndef f(): pass',
      '"""open\n# \'text',
      "'unclosed\nx = 1_0.5e3j",
      "<b>&amp;</b>\n\n",
    ]) {
      await page.getByLabel("Python code").fill(code);
      expect(await page.locator(".colours").evaluate((pre) => pre.textContent)).toBe(`${code}\n`);
    }
  });

  test("Tab indents, Enter keeps the indentation, Escape and Tab leave the editor", async () => {
    await signIn();
    const area = page.getByLabel("Python code");
    await area.fill("");
    await area.focus();
    await page.keyboard.type("if True:\nprint(1)");
    expect(await area.inputValue()).toBe("if True:\n    print(1)");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Shift+Tab");
    expect(await area.inputValue()).toMatch(/^if True:\n(print\(1\)| {4}print\(1\))/);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Tab");
    expect(await inPage("document.activeElement?.id")).not.toBe("code");
  });

  test.each([
    [360, 740],
    [820, 1180],
    [1280, 800],
  ])("nothing overflows sideways at %i × %i", async (width, height) => {
    await page.setViewportSize({ width, height });
    await signIn();
    await run("print('x' * 500)\nimport pandas as pd\npd.DataFrame([range(60)])");
    expect(await inPage("document.documentElement.scrollWidth - document.documentElement.clientWidth")).toBe(0);
    expect(await page.getByRole("button", { name: "Run" }).isVisible()).toBe(true);
  });

  test("every control has a name", async () => {
    await signIn();
    const nameless = await page.locator("button, input, select, textarea, a, img").evaluateAll((elements) =>
      elements
        .map(
          (element) =>
            element as unknown as {
              labels?: { length: number };
              ariaLabel: string | null;
              innerText: string;
              alt?: string;
              id: string;
              outerHTML: string;
            },
        )
        .filter(
          ({ labels, ariaLabel, innerText, alt, id }) =>
            !labels?.length && !ariaLabel && !innerText && alt === undefined && id !== "file-input",
        )
        .map(({ outerHTML }) => outerHTML),
    );
    expect(nameless).toEqual([]);
  });
});
