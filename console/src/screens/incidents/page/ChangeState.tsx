/// The next step of an incident's life.

import { useState } from "react";

import { useMe, whyNot } from "../../../api/me";
import { Deed } from "../../../ui/Deed";
import { tell } from "../../../ui/tell";
import { changeIncident } from "../change";
import { Close } from "../Close";
import type { WholeIncident } from "../types";

export function ChangeState({ incident, tag }: { incident: WholeIncident; tag: string }) {
  const me = useMe();
  const [isClosing, setClosing] = useState(false);
  const why =
    whyNot(me, "incident.write") ??
    (incident.merged_into == null ? undefined : `It was merged into #${String(incident.merged_into.number)}.`);
  const to = (state: string) => (): void => {
    changeIncident(incident.id, { state }, tag).catch(tell);
  };
  const look = { size: "compact-xs", variant: "default", why } as const;
  return (
    <>
      {incident.state === "open" ? (
        <Deed {...look} onClick={to("in_progress")}>
          Begin work
        </Deed>
      ) : null}
      {incident.state === "closed" ? (
        <Deed {...look} onClick={to("open")}>
          Open again
        </Deed>
      ) : (
        <Deed
          {...look}
          onClick={() => {
            setClosing(true);
          }}
        >
          Close…
        </Deed>
      )}
      {isClosing ? (
        <Close
          incidents={[incident]}
          tag={tag}
          close={() => {
            setClosing(false);
          }}
        />
      ) : null}
    </>
  );
}
