import { byId } from "./dom.js";

const STORED_AS = "code-interpreter-key";
/** Address of the page with a key, as `npm start` prints it. Browsers do not send this part of an address to a server. */
const KEY_IN_ADDRESS = /^#key=(ci_sk_[0-9a-z]+_[0-9a-f]+)$/;

/** The key of this tab; empty when there is none. */
export function currentKey() {
  return sessionStorage.getItem(STORED_AS) ?? "";
}

/** The public part of the key, as in `keys list`. */
export function currentKeyId() {
  return /^ci_sk_([0-9a-z]+)_/.exec(currentKey())?.[1] ?? "none";
}

/** Sets up the dialog. `onChange` is called when the service has accepted a new key, and when the key is removed. */
export function setUpKey(onChange) {
  takeKeyFromAddress();
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  const problem = byId("key-problem");
  const show = () => {
    byId("key-open").textContent = currentKey() === "" ? "Enter key" : "Key";
    byId("key-open").classList.toggle("wanted", currentKey() === "");
  };
  byId("key-open").addEventListener("click", () => askForKey());
  byId("key-forget").addEventListener("click", () => {
    sessionStorage.removeItem(STORED_AS);
    input.value = "";
    dialog.close();
    show();
    onChange();
  });
  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    const refused = await problemOf(text);
    problem.textContent = refused ?? "";
    if (refused !== null) return input.select();
    sessionStorage.setItem(STORED_AS, text);
    input.value = "";
    dialog.close();
    show();
    onChange();
  });
  show();
}

/** Moves the key of the address into this tab. It stays neither in the address nor in the browser's history. */
function takeKeyFromAddress() {
  const key = KEY_IN_ADDRESS.exec(location.hash)?.[1];
  if (key === undefined) return;
  history.replaceState(null, "", location.pathname);
  sessionStorage.setItem(STORED_AS, key);
}

/** Opens the dialog, with an optional reason. */
export function askForKey(why = "") {
  byId("key-problem").textContent = why;
  byId("key-dialog").showModal();
  byId("key-input").focus();
}

async function problemOf(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) return "A key contains only ASCII characters and no spaces.";
  const headers = { authorization: `Bearer ${key}` };
  const response = await fetch("/v1/files?limit=1", { headers, cache: "no-store", credentials: "omit" }).catch(() => null);
  if (response === null) return "The service cannot be reached.";
  if (response.status === 401) return "The service does not know this key.";
  if (response.status === 403) return "This key may not read results; the page needs the scopes execute and read.";
  return null;
}
