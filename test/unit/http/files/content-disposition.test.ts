import { validateHeaderValue } from "node:http";
import { parse } from "content-disposition";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fileNameProblem } from "../../../../src/domain/request.ts";
import { attachment } from "../../../../src/http/files/content-disposition.ts";

test("every valid file name gives a valid header that contains the exact name", () => {
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

test("only the last part of a path is used", () => {
  expect(attachment("out/plots/a.png")).toBe("attachment; filename=a.png");
});
