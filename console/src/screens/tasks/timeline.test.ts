/// What a task's history says, and in which order.

import { describe, expect, it } from "vitest";

import type { Command, Task } from "./words";
import { timeline } from "./timeline";

const task: Task = {
  id: "t",
  action: "endpoint.isolate",
  title: "Isolate Endpoint",
  revision: 1,
  params: {},
  state: "succeeded",
  reason: "beacon",
  requester: { kind: "person", id: "p", name: "Ana" },
  created_from: "console/endpoints",
  created_at: "2026-11-22T10:00:00.000000Z",
  expires_at: "2026-11-23T10:00:00.000000Z",
  ended_at: "2026-11-22T10:05:03.000000Z",
  revert_at: "2026-11-22T12:05:03.000000Z",
  target_count: 1,
  targets: [],
  open_count: 0,
  succeeded_count: 1,
  intent_sha256: "00",
  approval: "people",
};

const command: Command = {
  id: "c",
  task_id: "t",
  index: 0,
  action: "endpoint.isolate",
  service: "agent",
  endpoint_id: "e",
  endpoint_name: "web-1",
  state: "succeeded",
  attempts: 1,
  not_before: task.created_at,
  not_after: task.expires_at,
  dispatched_at: "2026-11-22T10:05:00.000000Z",
  started_at: "2026-11-22T10:05:01.000000Z",
  outcome_at: "2026-11-22T10:05:03.000000Z",
  ended_at: "2026-11-22T10:05:03.000000Z",
  evidence: { verdict: "verified", evidence: [] },
};

describe("timeline", () => {
  it("goes from the request to the verification, and on to what will be", () => {
    const moments = timeline({
      task,
      commands: [command],
      approval: {
        task: "t",
        state: "approved",
        action: task.action,
        title: task.title,
        params: {},
        reason: "beacon",
        requester: "Ana",
        requester_id: "p",
        requester_kind: "person",
        task_state: "succeeded",
        digest: "00",
        quorum: 1,
        roles: ["approver"],
        trace: [],
        blast: {},
        decisions: [
          {
            person: "q",
            name: "Arno",
            decision: "approve",
            note: "go",
            via: "console",
            decided_at: "2026-11-22T10:04:59.000000Z",
            signed: false,
          },
        ],
        created_at: task.created_at,
        expires_at: task.expires_at,
      },
    });
    expect(moments.map((moment) => moment.what)).toEqual([
      "Asked for",
      "Approval asked for",
      "Approved",
      "Handed to the agent",
      "Begun",
      "Outcome reported",
      "Verified: the effect was seen",
      "Undoes itself",
    ]);
    expect(moments.at(-1)?.isFuture).toBe(true);
    expect(moments[1]?.note).toBe("of 1 person (approver)");
  });

  it("says when what waits is given up, and how many succeeded of several", () => {
    const waiting = { ...task, state: "queued", ended_at: null, revert_at: null };
    expect(timeline({ task: waiting, commands: [] }).at(-1)?.what).toBe("Given up, where nobody began it");
    const mixed = { ...task, state: "failed", target_count: 3, succeeded_count: 2, revert_at: null };
    expect(timeline({ task: mixed, commands: [] }).at(-1)?.what).toBe("Ended: 2 of 3 endpoints succeeded");
  });
});
