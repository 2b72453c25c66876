/// Who must agree to what: the approval settings of the tenant.

import { Alert, Loader, Tabs, Text } from "@mantine/core";
import { IconAdjustments, IconClockHour4, IconListNumbers, IconShieldLock, IconUsersGroup } from "@tabler/icons-react";
import { useState } from "react";

import { useMe, whyNot } from "../../../api/me";
import { useFilters } from "../../../app/url";
import { Saved } from "../../../ui/draft/Saved";
import { Unsaved } from "../../../ui/draft/Unsaved";
import { Failure } from "../../../ui/Failure";
import { Page } from "../../../ui/Page";
import { Earlier } from "./Earlier";
import { Managed } from "./Managed";
import { Protected } from "./Protected";
import { Review } from "./Review";
import { Rules } from "./Rules";
import { Tester } from "./Tester";
import { usePolicy } from "./usePolicy";

const TABS = ["rules", "managed", "protected", "try", "earlier"];

export default function ApprovalSettings() {
  const me = useMe();
  const [filters, set] = useFilters();
  const draft = usePolicy();
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
      {draft.former === undefined ? null : (
        <Saved putBack={draft.putBack} why={why}>
          Saved. The settings hold for requests from now on.
        </Saved>
      )}
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
            <Tester policy={policy} isChanged={draft.lines.length > 0} />
          </Tabs.Panel>
          <Tabs.Panel value="earlier">
            <Earlier now={draft.now ?? policy} names={draft.names} take={draft.change} why={why} />
          </Tabs.Panel>
        </Tabs>
      )}
      <Unsaved
        lines={draft.lines}
        isStale={draft.isStale}
        why={why}
        discard={draft.discard}
        look={() => {
          review(true);
        }}
      />
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
