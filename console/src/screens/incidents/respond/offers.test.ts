/// Tests of what is offered, and of what is sent when it is asked for.

import { describe, expect, test } from "vitest";

import type { Offer } from "../types";
import { bodyOf, byEndpoint, chosenParams, reasons, sentence, whyNothing, whyNotOffer } from "./offers";

function offer(more: Partial<Offer> = {}): Offer {
  return {
    action: "file.quarantine",
    title: "Move to Quarantine",
    endpoint: { id: "e1", name: "web-1" },
    object: "/tmp/x",
    params: null,
    asks: false,
    choices: [],
    risk: "medium",
    undone_by: "file.restore",
    warnings: [],
    possible: true,
    refused: null,
    ...more,
  };
}

describe("offers", () => {
  test("say why they cannot be pressed: first that it is not theirs, then what is in the way", () => {
    const refused = offer({ possible: false, refused: { code: "deleted", text: "the file is gone" } });
    expect(whyNotOffer(offer(), null)).toBeUndefined();
    expect(whyNotOffer(refused, null)).toBe("The file is gone.");
    expect(whyNotOffer(refused, "only security officers respond")).toBe("Only security officers respond.");
    expect(whyNotOffer(offer({ possible: false }), undefined)).toBe("It cannot be asked for now.");
  });

  test("say each reason once", () => {
    const gone = { code: "deleted", text: "the file is gone" };
    const all = [
      offer(),
      offer({ possible: false, refused: gone, title: "A" }),
      offer({ possible: false, refused: gone, title: "B" }),
    ];
    expect(reasons(all, null)).toEqual([["The file is gone.", ["A", "B"]]]);
    expect(reasons(all, "not you")).toEqual([["Not you.", ["Move to Quarantine", "A", "B"]]]);
  });

  test("stand by endpoint", () => {
    const groups = byEndpoint([
      offer(),
      offer({ endpoint: { id: "e2", name: "db-1" } }),
      offer({ action: "process.start" }),
    ]);
    expect(groups.map(({ label, offers }) => [label, offers.length])).toEqual([
      ["web-1", 2],
      ["db-1", 1],
    ]);
    expect(groups[1]?.about(offer({ endpoint: { id: "e2", name: "db-1" } }))).toEqual({ endpoint: "e2" });
  });

  test("are asked for with what a person chose alone, never with what they act on", () => {
    const about = { chain: "c", activity: 7 };
    expect(bodyOf(offer(), about, {}, "INC-1", null)).toEqual({
      action: "file.quarantine",
      chain: "c",
      activity: 7,
      reason: "INC-1",
    });
    expect(bodyOf(offer(), { detection: "d" }, { descendants: true }, "r", 3600)).toEqual({
      action: "file.quarantine",
      detection: "d",
      params: { descendants: true },
      reason: "r",
      revert_after_seconds: 3600,
    });
  });

  test("send a choice only where it differs from what the offer sets", () => {
    const asked = offer({ choices: [{ field: "descendants", text: "", preset: true }] });
    expect(chosenParams(asked, new Map())).toEqual({});
    expect(chosenParams(asked, new Map([["descendants", true]]))).toEqual({});
    expect(chosenParams(asked, new Map([["descendants", false]]))).toEqual({ descendants: false });
  });

  test("that are none say why", () => {
    expect(whyNothing({ items: [offer()] })).toBeUndefined();
    expect(whyNothing({ items: [], nothing: { code: "no_chain", text: "no chain was built" } })).toBe(
      "No chain was built.",
    );
    expect(sentence("")).toBe("");
    expect(sentence("web-1 is cut off")).toBe("web-1 is cut off.");
    expect(sentence("it runs")).toBe("It runs.");
  });
});
