/// What can be done with the incidents that are selected.

import { Button } from "@mantine/core";
import { IconArrowMerge, IconCircleCheck, IconUser, IconX } from "@tabler/icons-react";
import { useState } from "react";

import { useMe, whyNot } from "../../api/me";
import { Deed } from "../../ui/Deed";
import { Assign } from "./Assign";
import { Close } from "./Close";
import { Merge } from "./Merge";
import type { Incident } from "./types";

/** Incidents that one merge takes. */
const MERGED = 50;

export function Chosen({ incidents, none }: { incidents: Incident[]; none: () => void }) {
  const me = useMe();
  const [dialog, setDialog] = useState<{ what: "assign" | "close" | "merge"; incidents: Incident[] }>();
  const why = whyNot(me, "incident.write");
  const open = incidents.filter(({ state }) => state !== "closed");
  const unmerged = incidents.filter(({ merged_into: into }) => into == null);
  const close = (): void => {
    setDialog(undefined);
  };
  return (
    <>
      <Deed
        size="compact-sm"
        variant="default"
        leftSection={<IconUser size={14} aria-hidden />}
        why={why}
        onClick={() => {
          setDialog({ what: "assign", incidents });
        }}
      >
        Assign
      </Deed>
      <Deed
        size="compact-sm"
        variant="default"
        leftSection={<IconCircleCheck size={14} aria-hidden />}
        why={why ?? (open.length === 0 ? "What is selected is closed." : undefined)}
        onClick={() => {
          setDialog({ what: "close", incidents: open });
        }}
      >
        Close {open.length}
      </Deed>
      <Deed
        size="compact-sm"
        variant="default"
        leftSection={<IconArrowMerge size={14} aria-hidden />}
        why={
          why ??
          (unmerged.length < 2
            ? "Select two that are not merged yet."
            : unmerged.length > MERGED
              ? `At most ${String(MERGED)} are merged at once.`
              : undefined)
        }
        onClick={() => {
          setDialog({ what: "merge", incidents: unmerged });
        }}
      >
        Merge
      </Deed>
      <Button size="compact-sm" variant="default" leftSection={<IconX size={14} aria-hidden />} onClick={none}>
        Select none
      </Button>
      {dialog?.what === "assign" ? <Assign incidents={dialog.incidents} close={close} done={none} /> : null}
      {dialog?.what === "close" ? <Close incidents={dialog.incidents} close={close} done={none} /> : null}
      {dialog?.what === "merge" ? <Merge incidents={dialog.incidents} close={close} done={none} /> : null}
    </>
  );
}
