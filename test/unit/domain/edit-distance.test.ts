import { expect, test } from "vitest";
import { editDistance } from "../../../src/domain/edit-distance.ts";

test.each([
  ["", "", 0],
  ["", "abc", 3],
  ["numpy", "numpy", 0],
  ["numpi", "numpy", 1],
  ["nupmy", "numpy", 1],
  ["panda", "pandas", 1],
  ["kitten", "sitting", 3],
])("%s and %s", (one, other, distance) => {
  expect([editDistance(one, other), editDistance(other, one)]).toEqual([distance, distance]);
});
