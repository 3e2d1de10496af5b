import { chartData } from "./chart.js";
import { byId, make } from "./dom.js";
import { errorPart, filePart, htmlPart, imagePart, labelledText, tablePart, textPart } from "./output-parts.js";
import { forgetAddresses } from "./stored-file.js";
import { movesCursor, terminalNodes } from "./terminal-text.js";

/** Within this distance of the end, the view scrolls along with new output. */
const NEAR_END_PX = 160;

/** The outputs of one execution, shown as they arrive. */
export class Outputs {
  #place = byId("outputs");
  #scroller = byId("right");
  #onLine;
  #outputs = [];
  #live = null;
  #following = false;

  constructor({ onLine }) {
    this.#onLine = onLine;
    this.#scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#following = scrollTop > 0 && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    });
  }

  clear() {
    this.#outputs = [];
    this.#live = null;
    this.#following = false;
    forgetAddresses();
    this.#place.replaceChildren();
    byId("nothing").hidden = false;
  }

  /** Adds an output. Adjacent pieces of text are joined. */
  add(output) {
    byId("nothing").hidden = true;
    const last = this.#outputs.at(-1);
    if (output.type === "text" && last?.type === "text" && last.stream === output.stream) {
      last.text += output.text;
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      last.moves ||= movesCursor(last.text);
      if (last.moves) this.#redrawText(last, this.#live);
      // A separate text node, so that existing text is not rendered again.
      else this.#live.append(output.text);
      if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#showEnd();
    } else if (output.type === "chart" && last?.type === "image") this.#addChart(output);
    else {
      this.#outputs.push({ ...output });
      this.#live = this.#draw(output, []);
      this.#place.append(this.#live);
    }
  }

  /** Draws text with progress bars or colours once a frame, however often it changes. */
  #redrawText(output, place) {
    if (output.redrawAsked) return;
    output.redrawAsked = true;
    requestAnimationFrame(() => {
      output.redrawAsked = false;
      place.replaceChildren(...terminalNodes(output.text));
    });
  }

  /** Shows all outputs of a stored execution, in place of the live ones. */
  show({ outputs, truncated, cause }) {
    this.#outputs = [];
    const parts = [];
    for (const output of outputs) {
      // Stop interrupts the code. That is no error to explain.
      if (cause === "cancelled" && output.type === "error" && output.name === "KeyboardInterrupt") continue;
      const last = this.#outputs.at(-1);
      if (output.type === "chart" && last?.type === "image") {
        last.charts.push(output);
        continue;
      }
      this.#outputs.push({ ...output, charts: [] });
    }
    for (const output of this.#outputs) parts.push(this.#draw(output, output.charts));
    const cut = ["stdout", "stderr"].filter((stream) => truncated[stream]);
    if (cut.length > 0) parts.push(make("p", { className: "cut" }, `The text of ${cut.join(" and ")} is cut here.`));
    this.#place.replaceChildren(...parts);
    byId("nothing").hidden = true;
    if (parts.length === 0) this.#place.append(make("p", { className: "hint" }, "There is no output."));
    if (this.#following) this.#showEnd();
  }

  #addChart(chart) {
    const image = this.#outputs.at(-1);
    image.charts = [...(image.charts ?? []), chart];
    const drawn = this.#draw(image, image.charts);
    this.#live.replaceWith(drawn);
    this.#live = drawn;
  }

  #draw(output, charts) {
    switch (output.type) {
      case "text":
        return textPart(output);
      case "image":
        return imagePart(output, charts);
      case "table":
        return tablePart(output);
      case "chart":
        return chartData(output);
      case "json":
        return labelledText("JSON", JSON.stringify(output.data, null, 2));
      case "html":
        return htmlPart(output);
      case "file":
        return filePart(output);
      case "error":
        return errorPart(output, this.#onLine);
      default:
        return labelledText({ result: "Result", latex: "LaTeX", markdown: "Markdown" }[output.type] ?? output.type, output.text ?? "");
    }
  }

  #showEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
