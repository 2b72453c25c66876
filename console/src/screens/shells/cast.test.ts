/// What a player reads of recordings, also of broken ones.

import { describe, expect, it } from "vitest";

import { castOf, countBy, momentsOf, played, sizeOf } from "./cast";

const TEXT = [
  '{"version":2,"width":132,"height":50,"timestamp":5}',
  '[0.5,"o","$ "]',
  '[1.0,"i","su\\r"]',
  '[1.1,"o","Password: "]',
  '[2.0,"i","***"]',
  '[62.0,"r","80x24"]',
  '[61.0,"m","ana looks on"]',
  '[63.0,"i","lx\\u007fs\\u001b[A\\r"]',
  '[64.0,"x","other"]',
  '[64.0,"o","cut',
].join("\n");

describe("a recording", () => {
  it("is read as far as it can be", () => {
    const cast = castOf(TEXT);
    expect([cast.cols, cast.rows, cast.began, cast.length]).toEqual([132, 50, 5000, 63]);
    expect(cast.events.map(({ at }) => at)).toEqual([0.5, 1, 1.1, 2, 62, 62, 63]);
    expect(castOf("").events).toEqual([]);
    expect(castOf('{"width":100000,"height":-1}\n[1,2]\nnull').cols).toBe(80);
  });

  it("is played without its pauses", () => {
    const times = played(castOf(TEXT).events, 2);
    expect([...times].map((time) => Math.round(time * 10) / 10)).toEqual([0.5, 1, 1.1, 2, 4, 4, 5]);
    expect([countBy(times, 0), countBy(times, 2), countBy(times, 99)]).toEqual([0, 4, 7]);
  });

  it("tells what was typed and who came, never what was hidden", () => {
    expect(momentsOf(castOf(TEXT).events).map(({ kind, text }) => `${kind} ${text}`)).toEqual([
      "typed su",
      "mark ana looks on",
      "typed ***ls",
    ]);
  });

  it("has sizes that a terminal can have", () => {
    expect(sizeOf("80x24")).toEqual({ cols: 80, rows: 24 });
    for (const bad of ["", "80", "0x5", "80x9999", "axb"]) expect(sizeOf(bad)).toBeUndefined();
  });
});
