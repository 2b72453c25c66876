/// What can be done with an incident: respond, cut the chain, and what concerns its record.

import { Button, Menu } from "@mantine/core";
import { IconCut, IconDots, IconDownload, IconFlame, IconPencil, IconUser } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { useMe, whyNot } from "../../../api/me";
import { Deed } from "../../../ui/Deed";
import { Assign } from "../Assign";
import { ThreatMenu } from "../respond/ThreatMenu";
import type { WholeIncident } from "../types";
import { ChangeSeverity, ChangeTitle } from "./Change";

const FORMATS = [
  { format: "json", label: "JSON" },
  { format: "stix", label: "STIX 2.1" },
  { format: "html", label: "Report (HTML)" },
] as const;

type Dialog = "title" | "severity" | "assign";

export function Deeds({ incident, tag }: { incident: WholeIncident; tag: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<Dialog>();
  const why = whyNot(me, "incident.write");
  const close = (): void => {
    setDialog(undefined);
  };
  const item = (what: Dialog, icon: typeof IconPencil, label: string) => {
    const Shape = icon;
    return (
      <Menu.Item
        leftSection={<Shape size={16} aria-hidden />}
        {...(why === undefined ? {} : { "data-disabled": true, "aria-disabled": true, title: why })}
        onClick={() => {
          if (why === undefined) setDialog(what);
        }}
      >
        {label}
      </Menu.Item>
    );
  };
  return (
    <>
      <ThreatMenu incident={incident} />
      <Deed
        variant="default"
        leftSection={<IconCut size={16} aria-hidden />}
        why={
          incident.chain_count === 0
            ? "No chain was built for it: there is nothing to cut."
            : (incident.not_yours ?? undefined)
        }
        onClick={() => {
          void navigate({ to: `/incidents/${String(incident.number)}/cut` });
        }}
      >
        Cut the chain
      </Deed>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
            Export
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMATS.map(({ format, label }) => (
            <Menu.Item
              key={format}
              component="a"
              href={`/api/v1/incidents/${incident.id}/export?format=${format}`}
              download
            >
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDots size={16} aria-hidden />}>
            Change
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {item("assign", IconUser, "Assignee…")}
          {item("severity", IconFlame, "Severity…")}
          {item("title", IconPencil, "Title…")}
        </Menu.Dropdown>
      </Menu>
      {dialog === "title" ? <ChangeTitle incident={incident} tag={tag} close={close} /> : null}
      {dialog === "severity" ? <ChangeSeverity incident={incident} tag={tag} close={close} /> : null}
      {dialog === "assign" ? <Assign incidents={[incident]} tag={tag} close={close} /> : null}
    </>
  );
}
