/// Who must agree to what: the approval settings of the tenant.

import { Alert, Button, Group, Loader, Tabs, Text } from "@mantine/core";
import { IconAdjustments, IconClockHour4, IconListNumbers, IconShieldLock, IconUsersGroup } from "@tabler/icons-react";
import { useState } from "react";

import { useMe, whyNot } from "../../../api/me";
import { useFilters } from "../../../app/url";
import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { Page } from "../../../ui/Page";
import { count } from "../../../ui/text";
import { Earlier } from "./Earlier";
import { Managed } from "./Managed";
import { Protected } from "./Protected";
import { Review } from "./Review";
import { Rules } from "./Rules";
import classes from "./Settings.module.css";
import { Tester } from "./Tester";
import { useDraft } from "./usePolicy";

const TABS = ["rules", "managed", "protected", "try", "earlier"];

export default function ApprovalSettings() {
  const me = useMe();
  const [filters, set] = useFilters();
  const draft = useDraft();
  const [isReviewing, review] = useState(false);
  const why = whyNot(me, "policy.manage");
  const tab = TABS.find((each) => each === filters["tab"]) ?? "rules";
  const { policy, settings, stored } = draft;
  return (
    <Page
      title="Approval settings"
      about="Who must agree before something is carried out. They hold for requests from now on; what waits goes on waiting for those who were asked."
    >
      <Failure error={stored.error} retry={() => void stored.refetch()} mb="sm" />
      {draft.former === undefined ? null : <Saved putBack={draft.putBack} why={why} />}
      {why === undefined ? null : (
        <Alert color="gray" variant="outline" mb="sm" py={8}>
          <Text size="sm">You may read these settings, and not change them. {why}</Text>
        </Alert>
      )}
      {policy === undefined || settings === undefined ? (
        stored.isPending ? (
          <Loader aria-label="Reading the settings" />
        ) : null
      ) : (
        <Tabs
          value={tab}
          onChange={(next) => {
            set({ tab: next === "rules" ? undefined : (next ?? undefined), list: undefined });
          }}
          keepMounted={false}
        >
          <Tabs.List mb="md">
            <Tabs.Tab value="rules" leftSection={<IconListNumbers size={16} aria-hidden />}>
              Rules
            </Tabs.Tab>
            <Tabs.Tab value="managed" leftSection={<IconUsersGroup size={16} aria-hidden />}>
              Managed services
            </Tabs.Tab>
            <Tabs.Tab value="protected" leftSection={<IconShieldLock size={16} aria-hidden />}>
              Protected
            </Tabs.Tab>
            <Tabs.Tab value="try" leftSection={<IconAdjustments size={16} aria-hidden />}>
              Try it
            </Tabs.Tab>
            <Tabs.Tab value="earlier" leftSection={<IconClockHour4 size={16} aria-hidden />}>
              Earlier
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="rules">
            <Rules policy={policy} change={draft.change} why={why} names={draft.names} />
          </Tabs.Panel>
          <Tabs.Panel value="managed">
            <Managed settings={settings} policy={policy} change={draft.change} why={why} />
          </Tabs.Panel>
          <Tabs.Panel value="protected">
            <Protected settings={settings} policy={policy} change={draft.change} why={why} />
          </Tabs.Panel>
          <Tabs.Panel value="try">
            <Tester policy={policy} isChanged={draft.isChanged} />
          </Tabs.Panel>
          <Tabs.Panel value="earlier">
            <Earlier now={draft.now ?? policy} names={draft.names} take={draft.take} why={why} />
          </Tabs.Panel>
        </Tabs>
      )}
      {draft.isChanged ? (
        <div className={classes.unsaved} role="region" aria-label="Changes that are not saved">
          <Text size="sm" fw={600} role="status">
            {count(draft.lines.filter((line) => line.sign === "+").length || draft.lines.length, "change")} not saved
          </Text>
          <Group gap="xs">
            <Button variant="default" onClick={draft.discard}>
              Discard
            </Button>
            <Deed
              why={why}
              onClick={() => {
                review(true);
              }}
            >
              Look and save…
            </Deed>
          </Group>
        </div>
      ) : null}
      {isReviewing ? (
        <Review
          lines={draft.lines}
          save={draft.save}
          close={() => {
            review(false);
          }}
        />
      ) : null}
    </Page>
  );
}

/** After saving: the way back. */
function Saved({ putBack, why }: { putBack: () => Promise<void>; why: string | undefined }) {
  const [error, setError] = useState<unknown>(null);
  return (
    <Alert color="teal" variant="outline" mb="sm" py={8} role="status">
      <Group justify="space-between" gap="xs">
        <Text size="sm">Saved. The settings hold for requests from now on.</Text>
        <Deed
          size="compact-sm"
          variant="default"
          why={why}
          onClick={() => {
            void putBack().catch(setError);
          }}
        >
          Put the former back
        </Deed>
      </Group>
      <Failure error={error} />
    </Alert>
  );
}
