import { describe, expect, test } from "vitest";
import { type HeldSession, sessionToGiveUp } from "../../../../src/queue/sessions/shares.ts";

const session = (organization: string, usedAt: number, changes: Partial<HeldSession> = {}) => ({
  ...{ organization, usedAt, slots: 1, givesWay: false, waiting: 0, running: false },
  ...changes,
});

describe("the session that is given up", () => {
  test("is the least recently used of the organization that holds the most", () => {
    const live = [session("a", 3), session("a", 2), session("b", 1)];
    expect(sessionToGiveUp(live, "c")).toBe(live[1]);
  });

  test("does not exist where the one that asks holds as much, or would then hold more", () => {
    expect(sessionToGiveUp([session("a", 1), session("a", 2)], "a")).toBeUndefined();
    expect(sessionToGiveUp([session("a", 1), session("b", 2)], "b")).toBeUndefined();
    expect(sessionToGiveUp([session("a", 1), session("a", 2), session("b", 3)], "b")).toBeUndefined();
    expect(sessionToGiveUp([], "a")).toBeUndefined();
  });

  test("is counted in slots: a large session holds more", () => {
    const live = [session("a", 1, { slots: 4 }), session("b", 2), session("b", 3)];
    expect(sessionToGiveUp(live, "b")).toBe(live[0]);
  });

  test("is one that gives way first, then an idle one, then one whose cells wait, and never one that runs", () => {
    const live = [
      session("a", 1, { waiting: 2, running: true }),
      session("a", 2, { waiting: 1 }),
      session("a", 3),
      session("a", 4, { givesWay: true }),
    ];
    const order = [];
    for (let left = [...live]; left.length > 0; ) {
      const given = sessionToGiveUp([...left, session("a", 9, { slots: 9, running: true })], "b");
      if (given === undefined) break;
      order.push(given.usedAt);
      left = left.filter((each) => each !== given);
    }
    expect(order).toEqual([4, 3, 2]);
  });
});
