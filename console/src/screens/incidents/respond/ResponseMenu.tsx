/// The menu “Threat response”: what may be done, by what it is about; what cannot be done stands there with its reason.

import { Box, Button, Loader, Menu, Text } from "@mantine/core";
import { IconChevronDown, IconShieldBolt } from "@tabler/icons-react";
import { Fragment, lazy, Suspense, useState } from "react";

import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import type { Offer } from "../types";
import { sentence, whyNotOffer, type About, type Group } from "./offers";
import type { Asked } from "./RespondDialog";

const RespondDialog = lazy(() => import("./RespondDialog"));

type Props = {
  incident: Asked["incident"];
  groups: Group[];
  notYours: string | null | undefined;
  /** What is not known yet. */
  isReading?: boolean;
  error?: unknown;
  opened: boolean;
  open: (isOpen: boolean) => void;
};

export function ResponseMenu({ incident, groups, notYours, isReading = false, error = null, opened, open }: Props) {
  const [asked, ask] = useState<{ offer: Offer; about: About }>();
  return (
    <>
      <Menu position="bottom-end" width={360} opened={opened} onChange={open}>
        <Menu.Target>
          <Button
            leftSection={<IconShieldBolt size={16} aria-hidden />}
            rightSection={<IconChevronDown size={16} aria-hidden />}
          >
            Threat response
          </Button>
        </Menu.Target>
        <Menu.Dropdown mah="70vh" style={{ overflowY: "auto" }} aria-label="Threat response">
          {notYours == null ? null : (
            <Text size="xs" c="var(--quell-warn)" px="sm" py={6} role="note">
              {sentence(notYours)}
            </Text>
          )}
          {groups.map((group, index) => (
            <Fragment key={`${String(index)} ${group.label}`}>
              <Menu.Label>
                <Name length={60}>{group.label}</Name>
                {group.object == null ? null : (
                  <>
                    {": "}
                    <Name mono length={60}>
                      {group.object}
                    </Name>
                  </>
                )}
              </Menu.Label>
              {group.offers.map((offer) => (
                <Item
                  key={offer.action}
                  offer={offer}
                  why={whyNotOffer(offer, notYours)}
                  ask={() => {
                    ask({ offer, about: group.about(offer) });
                  }}
                />
              ))}
            </Fragment>
          ))}
          {isReading ? (
            <Box p="sm">
              <Loader size="xs" aria-label="Reading what can be done" />
            </Box>
          ) : null}
          <Failure error={error} />
          {groups.length === 0 && !isReading ? (
            <Text size="sm" c="dimmed" p="sm">
              Nothing is offered here.
            </Text>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      <Suspense>
        {asked === undefined ? null : (
          <RespondDialog
            asked={{ incident, ...asked }}
            close={() => {
              ask(undefined);
            }}
          />
        )}
      </Suspense>
    </>
  );
}

/** One that cannot be chosen keeps its place and can be reached by keys, so that its reason is read. */
function Item({ offer, why, ask }: { offer: Offer; why: string | undefined; ask: () => void }) {
  return (
    <Menu.Item
      closeMenuOnClick={why === undefined}
      {...(why === undefined ? { onClick: ask } : { "aria-disabled": true, "data-refused": true })}
    >
      <Text size="sm" c={why === undefined ? "inherit" : "dimmed"}>
        {offer.title}
      </Text>
      {why === undefined ? null : (
        <Text size="xs" c="dimmed" component="div" style={{ whiteSpace: "normal", overflowWrap: "anywhere" }}>
          <Name length={240}>{why}</Name>
        </Text>
      )}
    </Menu.Item>
  );
}
