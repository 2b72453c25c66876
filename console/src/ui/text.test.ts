/// What is made of names that want to deceive.

import { describe, expect, it } from "vitest";

import { inert, inertLines, isPlain, mixed, toType } from "./text";

describe("what shows nothing", () => {
  it("is named by its code point", () => {
    const all: [string, string][] = [
      ["\u202e", "202E"],
      ["\ufe0f", "FE0F"],
      ["\u{e0100}", "E0100"],
      ["\u2800", "2800"],
      ["\u00ad", "00AD"],
      ["\u034f", "034F"],
      ["\u115f", "115F"],
      ["\u3164", "3164"],
      ["\uffa0", "FFA0"],
      ["\u200b", "200B"],
    ];
    for (const [character, code] of all) {
      expect(inert(`web${character}-1`)).toBe(`web⟨${code}⟩-1`);
      expect(inertLines(`web\n${character}-1`)).toBe(`web\n⟨${code}⟩-1`);
    }
    expect(inert("Zoë's 東京 mail-server é")).toBe("Zoë's 東京 mail-server é");
  });
});

describe("scripts", () => {
  it("of one word that can pass for another are told", () => {
    expect(mixed("w\u0435b-1")).toBe("Latin, Cyrillic");
    expect(mixed("p\u03bfrtal")).toBe("Latin, Greek");
    expect(mixed("\u0445\u0440-web")).toBe("Cyrillic, Latin");
  });

  it("of other names are nobody's concern", () => {
    for (const name of ["web-1", "сервер-1", "東京-web", "Zoë", "C:\\Users\\Иван\\a.exe", "5µm", ""])
      expect(mixed(name)).toBeUndefined();
  });
});

describe("what is typed", () => {
  const id = "01a20439-bb5f-70de-b36f-5ac59f2bacc4";

  it("is a name that a keyboard has, as it is shown", () => {
    for (const name of ["web-1", "db 2", "=1"]) expect(toType(name, id)).toEqual({ what: "name", text: name });
  });

  it("is else the end of the id", () => {
    for (const name of ["w\u0435b-1", "a  b", " a", "a ", "", "é", "a\ufe0f", "x".repeat(49)]) {
      expect(isPlain(name)).toBe(false);
      expect(toType(name, id)).toEqual({ what: "id", text: "9f2bacc4" });
    }
  });
});
