/// An endpoint in a few words, as lists hold tens of thousands of them.

import type { Schemas } from "../../api/client";

export type Endpoint = Schemas["Endpoint"];

export type EndpointWithHealth = Schemas["EndpointWithHealth"];

export type Row = Schemas["EndpointRow"];

/** A fact that the agent said, where it is a text. */
export function textFact(facts: unknown, name: string): string | undefined {
  const value = (facts as Record<string, unknown> | null)?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A fact that the agent said, where it is a list of texts. */
export function listFact(facts: unknown, name: string): string[] {
  const value = (facts as Record<string, unknown> | null)?.[name];
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}

/** `row` as its endpoint is now. What only lists say stays until the list is read again. */
export function renewed(row: Row, endpoint: Endpoint): Row {
  return {
    ...row,
    name: endpoint.name,
    state: endpoint.state,
    connected: endpoint.connected,
    isolated: endpoint.isolation !== null && endpoint.isolation !== undefined,
    alarm: endpoint.alarm ?? null,
    logged_on: listFact(endpoint.facts, "logged_on").slice(0, 3),
    tags: endpoint.tags,
    agent_version: endpoint.agent_version,
    last_seen_at: endpoint.last_seen_at ?? null,
  };
}
