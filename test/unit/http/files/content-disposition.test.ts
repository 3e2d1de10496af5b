import { validateHeaderValue } from "node:http";
import { parse } from "content-disposition";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fileNameProblem } from "../../../../src/domain/request.ts";
import { attachment } from "../../../../src/http/files/content-disposition.ts";

test("any name that a file may have gives one valid header from which the exact name can be read", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 60 }), (name) => {
      fc.pre(fileNameProblem(name) === null);
      const header = attachment(name);
      validateHeaderValue("Content-Disposition", header);
      const { type, parameters } = parse(header);
      expect([type, parameters.filename]).toEqual(["attachment", name.slice(name.lastIndexOf("/") + 1)]);
    }),
  );
});

test("a path is cut to its last part", () => {
  expect(attachment("out/plots/a.png")).toBe("attachment; filename=a.png");
});
