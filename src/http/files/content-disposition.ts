/**
 * A Content-Disposition value that makes a browser save the file, never show it. The plain name is a fallback in
 * ASCII; the exact one follows as RFC 8187 writes it. No character of the name can end the header.
 */
export function attachment(name: string): string {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const fallback = base.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const exact = encodeURIComponent(base.toWellFormed()).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${fallback}"; filename*=UTF-8''${exact}`;
}
