import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toolText } from "../../../src/assistant/model/tool-text.ts";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { Output } from "../../../src/domain/outputs.ts";
import type { Execution } from "../../../src/domain/result.ts";
import { piecesOf } from "../../../src/mcp/render.ts";
import { type EngineUnderTest, type Ran, startEngine } from "../../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine({ limits: makeLimits() });
});
afterAll(() => under.close());

const limits = makeLimits();

/** What the two readers for language models get of a run. */
function textsFor(ran: Ran): { assistant: string; mcp: string } {
  const execution = { ...ran.end, code: "", metadata: {} } as unknown as Execution;
  const mcp = piecesOf(execution, limits).flatMap((piece) => (piece.kind === "text" ? [piece.text] : []));
  return { assistant: toolText(execution, limits), mcp: mcp.join("\n") };
}

function ofType<T extends Output["type"]>(ran: Ran, type: T): Array<Extract<Output, { type: T }>> {
  return ran.end.outputs.filter((output): output is Extract<Output, { type: T }> => output.type === type);
}

describe("the API has the richest form", () => {
  test("of images in every type that it knows", async () => {
    const ran = await under.run(
      "import io\nfrom PIL import Image\nimage = Image.new('RGB', (3, 2))\n" +
        "for kind in ('PNG', 'JPEG', 'GIF', 'WEBP'):\n    file = io.BytesIO()\n    image.save(file, kind)\n" +
        "    display({f'image/{kind.lower()}': file.getvalue()}, raw=True)",
    );
    expect(ofType(ran, "image").map(({ mime_type, width, height }) => [mime_type, width, height])).toEqual(
      ["png", "jpeg", "gif", "webp"].map((kind) => [`image/${kind}`, 3, 2]),
    );
  });

  test("of a dict, beside its repr", async () => {
    const ran = await under.run("{'a': [1, 2.5, None]}");
    expect(ofType(ran, "result")).toEqual([{ type: "result", text: "{'a': [1, 2.5, None]}", json: { a: [1, 2.5, null] } }]);
    expect(ofType(await under.run("{'a': float('nan')}"), "result")).toEqual([{ type: "result", text: "{'a': nan}" }]);
  });

  test("and names the forms that it does not know", async () => {
    const ran = await under.run("display({'application/x-molecule': 'C6H6'}, raw=True)");
    expect(ofType(ran, "text")[0]?.text).toBe("[application/x-molecule, 4 characters]\n");
  });
});

describe("language models get text", () => {
  test("of styled tables and sound, without style sheets and base64", async () => {
    const ran = await under.run(
      "import pandas as pd, numpy as np\nfrom IPython.display import Audio\ndisplay(Audio(np.sin(np.arange(8000)), rate=8000))\n" +
        "pd.DataFrame({'a': [1, 2], 'b': [3.14159, 2]}).style.format({'b': '{:.2f}'}).background_gradient()",
    );
    for (const text of Object.values(textsFor(ran)))
      expect(text).toBe("[audio/wav, 16 kB]\n| | a | b |\n| --- | --- | --- |\n| 0 | 1 | 3.14 |\n| 1 | 2 | 2.00 |");
    expect(ofType(ran, "html")[0]?.text).toContain("base64");
  });

  test("of a progress bar in its last state, while the API keeps its bytes", async () => {
    const ran = await under.run("for n in range(0, 101, 10): print(f'\\rProgress: {n}%', end='')\nprint()");
    for (const text of Object.values(textsFor(ran))) expect(text).toBe("Progress: 100%");
    expect(ofType(ran, "text")[0]?.text).toContain("\rProgress: 50%\r");
  });

  test("of a Plotly figure in one line", async () => {
    const ran = await under.run("import plotly.express as px\npx.bar(x=['a', 'b'], y=[1, 2], title='T')");
    for (const text of Object.values(textsFor(ran))) expect(text).toBe('[Plotly figure "T", x: x, y: y, 1 trace: bar of 2 points]');
    expect(ofType(ran, "json")[0]?.mime_type).toBe("application/vnd.plotly.v1+json");
  });
});

describe("figures", () => {
  test("have every script with any font settings, without a warning", async () => {
    const ran = await under.run(
      "import matplotlib.pyplot as plt, seaborn as sns\nsns.set_theme()\nplt.bar(['苹果', 'दुनिया'], [3, -5])\n" +
        "plt.title('ภาษาไทย مرحبا שלום 😀')\nplt.ylabel('温度 ($^\\\\circ$C)')\nplt.suptitle('한국어 日本語');",
    );
    expect(ran.end.outputs.map((output) => output.type)).toEqual(["image", "chart"]);
    const [chart] = ofType(ran, "chart");
    expect(chart).toMatchObject({ kind: "bar", figure_title: "한국어 日本語", title: "ภาษาไทย مرحبا שלום 😀" });
    expect(chart?.axes.x).toMatchObject({ scale: "category", tick_labels: ["苹果", "दुनिया"] });
  });
});
