/// Whether the protection of endpoints takes rules of the library, and in which version.

import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Note } from "../../ui/Note";
import { useProtection } from "../settings/protection/useProtection";

type Props = { item: Schemas["LibraryItem"]; version: Schemas["LibraryVersion"] };

/** Nothing for who may not see what is protected. */
export function InForce({ item, version }: Props) {
  const me = useMe();
  const settings = useProtection(holds(me, "protection.read")).data?.data.settings;
  if (settings === undefined) return null;
  const sets = (item.kind === "sigma" ? settings.behaviour.rules : settings.yara.rules) ?? [];
  const set = sets.find((each) => each.startsWith(`${item.name}@`))?.slice(item.name.length + 1);
  const where = (
    <Anchor component={Link} to="/settings/protection?tab=rules" inherit underline="always">
      Protection
    </Anchor>
  );
  return (
    <Note>
      {set === undefined ? (
        <>{where} does not use it.</>
      ) : set === String(version.version) ? (
        <>{where} uses this version.</>
      ) : (
        <>
          {where} uses version {set}.
        </>
      )}
    </Note>
  );
}
