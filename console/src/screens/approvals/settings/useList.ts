/// One list of endpoints: reading it, and putting another in its place.

import { useQuery } from "@tanstack/react-query";

import { api, type Schemas } from "../../../api/client";
import { refresh } from "../../../api/query";
import { tagged } from "../../../api/tagged";

export type List = Schemas["ApprovalList"];
export type ListName = "except" | "only" | "protected";

export const LISTS: Record<ListName, { title: string; about: string }> = {
  except: {
    title: "Exceptions",
    about: "On these, the settings approve nothing by themselves: a person agrees to what an outside team asks.",
  },
  only: {
    title: "Selected endpoints",
    about: "Where the scope is “selected ones only”, the settings approve on these alone.",
  },
  protected: {
    title: "Protected endpoints",
    about: "What changes these takes people, whoever asks.",
  },
};

export function useList(list: ListName) {
  const init = { params: { path: { name: list } } };
  return useQuery({
    queryKey: ["get", "/api/v1/approval-policy/lists/{name}", init],
    queryFn: ({ signal }) => tagged(api.GET("/api/v1/approval-policy/lists/{name}", { ...init, signal })),
  });
}

type How = { check?: boolean; skip_errors?: boolean };

/** Sends the lines, in place of the list that bore `seen`. With `check` nothing is changed; where a line is wrong nothing is changed unless `skip_errors`. */
export async function putList(list: ListName, csv: string, seen: string, how: How): Promise<List> {
  const answer = await api
    .PUT("/api/v1/approval-policy/lists/{name}", {
      params: { path: { name: list }, query: how, header: { "If-Match": seen } },
      body: csv,
      bodySerializer: (text) => text,
      headers: { "Content-Type": "text/csv" },
    })
    .catch(async (failure: unknown) => {
      await refresh("/api/v1/approval-policy");
      throw failure;
    });
  const { data } = answer;
  if (data === undefined) throw new Error("The server answered nothing.");
  if (data.is_stored) await refresh("/api/v1/approval-policy");
  return data;
}
