/// What the chains lack, told before anybody reads them as the whole story.

import { Stack } from "@mantine/core";

import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import type { Chain } from "../types";
import { gapsOf } from "../words";

export function Gaps({ chains, isCut }: { chains: Chain[]; isCut: boolean }) {
  const lacking = chains.map((chain) => ({ chain, gaps: gapsOf(chain.gaps) })).filter(({ gaps }) => gaps.length > 0);
  if (lacking.length === 0 && !isCut) return null;
  return (
    <Stack gap={6} mb="sm" data-testid="gaps">
      {lacking.map(({ chain, gaps }) => (
        <Note key={chain.id} tone="warn">
          <b>
            Not everything is here
            {chains.length > 1 ? (
              <>
                {" of "}
                <Name length={48}>{chain.endpoint.name}</Name>
              </>
            ) : null}
            .
          </b>{" "}
          {gaps.join(" ")}
        </Note>
      ))}
      {isCut ? (
        <Note tone="warn">There are more processes than are drawn at once: choose one chain to see all of it.</Note>
      ) : null}
    </Stack>
  );
}
