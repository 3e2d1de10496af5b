import { validateHeaderValue } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { attachment } from "../../../../src/http/files/content-disposition.ts";

test("any name gives one valid header from which the exact name can be read", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (name) => {
      const header = attachment(name);
      validateHeaderValue("Content-Disposition", header);
      const match = /^attachment; filename="([^"\\]*)"; filename\*=UTF-8''([A-Za-z0-9%._~!-]*)$/.exec(header);
      expect(match).not.toBeNull();
      expect(decodeURIComponent(match?.[2] ?? "")).toBe(name.slice(name.lastIndexOf("/") + 1).toWellFormed());
    }),
  );
});

test("a path is cut to its last part", () => {
  expect(attachment("out/plots/a.png")).toBe("attachment; filename=\"a.png\"; filename*=UTF-8''a.png");
});
