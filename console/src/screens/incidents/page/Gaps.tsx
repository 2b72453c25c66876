/// What the chains lack, told before anybody reads them as the whole story.

import { Stack } from "@mantine/core";

import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import type { Chain } from "../types";
import { gapsOf, vanishedWords } from "../words";

export function Gaps({ chains, isCut }: { chains: Chain[]; isCut: boolean }) {
  const told = chains.map((chain) => ({
    chain,
    gaps: gapsOf(chain.gaps),
    vanished: vanishedWords(chain.gaps.vanished_files),
  }));
  const lacking = told.filter(({ gaps, vanished }) => gaps.length > 0 || vanished !== undefined);
  if (lacking.length === 0 && !isCut) return null;
  return (
    <Stack gap={6} mb="sm" data-testid="gaps">
      {lacking.map(({ chain, gaps, vanished }) => (
        <Note key={chain.id} tone={gaps.length > 0 ? "warn" : "quiet"}>
          {gaps.length > 0 || chains.length > 1 ? (
            <b>
              {gaps.length > 0 ? "Not everything is here" : "Beside the chain"}
              {chains.length > 1 ? (
                <>
                  {" of "}
                  <Name length={48}>{chain.endpoint.name}</Name>
                </>
              ) : null}
              .
            </b>
          ) : null}{" "}
          {[...gaps, vanished].filter((text) => text !== undefined).join(" ")}
        </Note>
      ))}
      {isCut ? (
        <Note tone="warn">There are more processes than are drawn at once: choose one chain to see all of it.</Note>
      ) : null}
    </Stack>
  );
}
