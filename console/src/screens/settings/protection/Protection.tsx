/// What endpoints record, detect and prevent: one set of settings for the tenant, and where it holds.

import { Alert, Loader, Tabs, Text } from "@mantine/core";
import { useState } from "react";

import { useMe, whyNot } from "../../../api/me";
import { useFilters } from "../../../app/url";
import { Saved } from "../../../ui/draft/Saved";
import { Unsaved } from "../../../ui/draft/Unsaved";
import { Page } from "../../../ui/Page";
import { Stale } from "../../../ui/Stale";
import { Coverage } from "./Coverage";
import { Earlier } from "./Earlier";
import { Exclusions } from "./Exclusions";
import { Modes } from "./Modes";
import { Review } from "./Review";
import { Rules } from "./Rules";
import { Standing } from "./Standing";
import { useProtectionDraft } from "./useProtection";

const TABS = [
  ["modes", "What is done"],
  ["rules", "Rules"],
  ["exclusions", "Exclusions"],
  ["endpoints", "Endpoints"],
  ["earlier", "Earlier"],
] as const;

export default function Protection() {
  const me = useMe();
  const [search, set] = useFilters();
  const draft = useProtectionDraft();
  const [isReviewing, review] = useState(false);
  const why = whyNot(me, "protection.write");
  const tab = TABS.find(([name]) => name === search["tab"])?.[0] ?? "modes";
  const { stored, protection, value, now, change, titles } = draft;
  const open = (next: string | null): void => {
    const none = Object.fromEntries(Object.keys(search).map((name) => [name, undefined]));
    set({ ...none, tab: next === null || next === "modes" ? undefined : next });
  };
  return (
    <Page
      title="Protection"
      about="What endpoints record, what they detect and what they prevent. One set of settings for all of them; the block list says what is bad, this says what is looked at and what is done about it."
    >
      <Stale error={stored.error} at={stored.dataUpdatedAt} retry={() => void stored.refetch()} mb="sm" />
      {draft.former === undefined ? null : (
        <Saved putBack={draft.putBack} why={why}>
          Saved. Endpoints that are connected have it in a moment, others when they connect.
        </Saved>
      )}
      {why === undefined ? null : (
        <Alert color="gray" variant="outline" mb="sm" py={8}>
          <Text size="sm">You may read these settings, and not change them. {why}</Text>
        </Alert>
      )}
      {protection === undefined || value === undefined || now === undefined ? (
        stored.isPending ? (
          <Loader aria-label="Reading the settings" />
        ) : null
      ) : (
        <>
          <Standing protection={protection} settings={value} change={change} why={why} open={open} />
          <Tabs value={tab} onChange={open} keepMounted={false}>
            <Tabs.List aria-label="Parts of the protection" mb="md">
              {TABS.map(([name, title]) => (
                <Tabs.Tab key={name} value={name}>
                  {title}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value={tab}>
              {tab === "modes" ? (
                <Modes settings={value} change={change} why={why} />
              ) : tab === "rules" ? (
                <Rules settings={value} change={change} why={why} rules={draft.rules} newer={protection.newer} />
              ) : tab === "exclusions" ? (
                <Exclusions
                  settings={value}
                  change={change}
                  why={why}
                  rules={draft.rules.data?.items}
                  titles={titles}
                />
              ) : tab === "endpoints" ? (
                <Coverage protection={protection} titles={titles} />
              ) : (
                <Earlier protection={protection} now={now} titles={titles} take={change} why={why} />
              )}
            </Tabs.Panel>
          </Tabs>
        </>
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
      {isReviewing && value !== undefined ? (
        <Review
          settings={value}
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
