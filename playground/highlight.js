import { make } from "./dom.js";

/** Longer code is shown without colours, so that typing stays fast. */
const CHARS_MAX = 60_000;

const KEYWORDS =
  "False|None|True|and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield";

/** The first matching alternative wins. An unclosed string ends with its line; a triple-quoted one ends with the text. */
const TOKENS = new RegExp(
  [
    /(?<comment>#[^\n]*)/,
    /(?<string>(?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$(?![\s\S]))|'''[\s\S]*?(?:'''|$(?![\s\S]))|"(?:\\.|[^"\\\n])*(?:"|(?=\n)|$)|'(?:\\.|[^'\\\n])*(?:'|(?=\n)|$)))/,
    /(?<number>\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?j?))/,
    new RegExp(`(?<keyword>\\b(?:${KEYWORDS})\\b)`),
    /(?<decorator>^[ \t]*@[\w.]+)/,
    /(?<call>\b[A-Za-z_]\w*(?=\())/,
  ]
    .map((part) => part.source)
    .join("|"),
  "gm",
);

/** Python code as plain text and coloured spans. */
export function coloured(code) {
  if (code.length > CHARS_MAX) return [code];
  const pieces = [];
  let end = 0;
  for (const match of code.matchAll(TOKENS)) {
    if (match[0] === "") continue;
    const [kind] = Object.entries(match.groups).find(([, text]) => text !== undefined);
    pieces.push(code.slice(end, match.index), make("span", { className: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  return [...pieces, code.slice(end)];
}
