/// What can be done to one endpoint: the usual as buttons, the rest in a menu, each that cannot be with its reason.

import { ActionIcon, Menu, Text, Tooltip } from "@mantine/core";
import { IconDots, IconId, IconPencil } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { effectWords } from "../../../act/effect";
import { useAct } from "../../../act/start";
import { Deed } from "../../../ui/Deed";
import { capabilitiesOf, useOffers, useWhyNot } from "../actions";
import type { Endpoint } from "../row";
import { Rename } from "./Rename";
import { Revoke } from "./Revoke";

const GONE = "Its identity is revoked: no order reaches it any more.";

/** What cuts off, and what takes it back. */
const CUT = ["endpoint.isolate", "endpoint.restore"];
/** Buttons before the menu. */
const SHOWN = 3;

export function Deeds({ endpoint }: { endpoint: Endpoint }) {
  const act = useAct();
  const capable = useMemo(() => capabilitiesOf(endpoint.capabilities), [endpoint.capabilities]);
  const offers = useOffers(capable);
  const [dialog, open] = useState<"rename" | "revoke" | null>(null);
  const whyRename = useWhyNot("endpoint.tag", endpoint.tags);
  const whyRevoke = useWhyNot("endpoint.revoke", endpoint.tags);
  const isGone = endpoint.state !== "active";
  // An isolated endpoint is restored by its banner; one that is not needs no restoring.
  const isIsolated = endpoint.isolation !== null && endpoint.isolation !== undefined;
  const usual = offers.filter(({ action }) => !(isIsolated ? CUT : [CUT[1]]).includes(action.id));
  const shown = usual.slice(0, SHOWN);
  const rest = offers.filter((offer) => !shown.includes(offer));
  const start = (action: string): void => {
    act({ action, endpoints: [endpoint.id] });
  };
  const close = (): void => {
    open(null);
  };
  return (
    <>
      {shown.map(({ action, why }, place) => (
        <Deed
          key={action.id}
          why={isGone ? GONE : why}
          variant={place === 0 && !isIsolated ? "filled" : "default"}
          onClick={() => {
            start(action.id);
          }}
        >
          {action.title}…
        </Deed>
      ))}
      <Menu position="bottom-end" width={320}>
        <Menu.Target>
          <Tooltip label="More">
            <ActionIcon variant="default" size={36} aria-label="More that can be done">
              <IconDots size={18} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Actions</Menu.Label>
          {rest.map(({ action, why }) => (
            <Menu.Item
              key={action.id}
              disabled={isGone || why !== undefined}
              onClick={() => {
                start(action.id);
              }}
            >
              {action.title}…
              <Text size="xs" c="dimmed">
                {isGone ? GONE : (why ?? effectWords(action.effect))}
              </Text>
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconPencil size={16} aria-hidden />}
            disabled={whyRename !== undefined}
            onClick={() => {
              open("rename");
            }}
          >
            Rename…
            {whyRename ? (
              <Text size="xs" c="dimmed">
                {whyRename}
              </Text>
            ) : null}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconId size={16} aria-hidden />}
            c="var(--quell-bad)"
            disabled={isGone || whyRevoke !== undefined}
            onClick={() => {
              open("revoke");
            }}
          >
            Revoke its identity…
            {isGone || whyRevoke ? (
              <Text size="xs" c="dimmed">
                {isGone ? "It is revoked already." : whyRevoke}
              </Text>
            ) : null}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {dialog === "rename" ? <Rename endpoint={endpoint} close={close} /> : null}
      {dialog === "revoke" ? <Revoke endpoint={endpoint} close={close} /> : null}
    </>
  );
}
