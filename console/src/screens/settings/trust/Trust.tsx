/// Whose signatures endpoints demand, and for what. The server hands on what an offline root signed; it could not make it.

import { Badge, Code, Group, List, Stack, Text } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useState } from "react";

import { $api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { Copy } from "../../../ui/Copy";
import { Deed } from "../../../ui/Deed";
import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Raw } from "../../../ui/Raw";
import { Section } from "../../../ui/Section";
import { SmallTable } from "../../../ui/SmallTable";
import { Time } from "../../../ui/Time";
import { clip, inert } from "../../../ui/text";
import { Publish } from "./Publish";
import { Note } from "../../../ui/Note";
import { Unread } from "../../../ui/Unread";

export default function Trust() {
  const me = useMe();
  const state = $api.useQuery("get", "/api/v1/trust");
  const [isOpen, open] = useState(false);
  return (
    <Page
      title="Trust"
      about="Approvals that the server writes down protect against hasty colleagues, not against a server that somebody else runs. What does: endpoints that demand approvers’ own signatures, by rules that an offline root signed."
      actions={
        <Deed
          leftSection={<IconUpload size={16} aria-hidden />}
          why={whyNot(me, "trust.manage")}
          onClick={() => {
            open(true);
          }}
        >
          Publish a bundle
        </Deed>
      }
    >
      <Unread answer={state} label="Reading the bundle" />
      {state.data === undefined ? null : (
        <Stack gap="md">
          {state.data.trust ? <Bundle trust={state.data.trust} /> : <None />}
          <How tenant={state.data.tenant_id} />
        </Stack>
      )}
      {isOpen ? (
        <Publish
          before={state.data?.trust?.serial}
          close={() => {
            open(false);
          }}
        />
      ) : null}
    </Page>
  );
}

function None() {
  return (
    <Note title="Endpoints demand no signatures of approvers">
      No bundle was published. The order key of the server alone decides what they do, within what approval settings
      ask.
    </Note>
  );
}

function Bundle({ trust }: { trust: Schemas["Trust"] }) {
  return (
    <>
      <Section
        title="Bundle"
        about="Compare the pin with what quell trust show says where the root key is; do not believe it from here."
      >
        <Facts
          rows={[
            ["Serial", String(trust.serial)],
            [
              "Pin",
              <span key="pin">
                <code>{trust.pin}</code> <Copy value={trust.pin} label="Copy the pin" />
              </span>,
            ],
            ["Root, SHA-256", <code key="root">{trust.root_sha256}</code>],
            ["Next root, SHA-256", trust.next_root_sha256 ? <code key="next">{trust.next_root_sha256}</code> : null],
            ["Signed", <Time key="signed" at={trust.created_at} />],
            [
              "Published",
              <span key="published">
                <Time at={trust.published_at} /> by <Name length={60}>{trust.published_by}</Name>
              </span>,
            ],
          ]}
        />
      </Section>
      <Section title="Rules" about="What endpoints carry out only with so many humans’ own signatures.">
        {trust.rules.length === 0 ? <Text size="sm">None: nothing needs a signature.</Text> : null}
        <List size="sm" spacing={4} listStyleType="none">
          {trust.rules.map((rule) => (
            <List.Item key={`${rule.actions.join()} ${String(rule.quorum)}`}>
              <b>{rule.quorum === 1 ? "One human" : `${String(rule.quorum)} humans`}</b> for{" "}
              <code>{clip(inert(rule.actions.join(", ")), 400)}</code>
            </List.Item>
          ))}
        </List>
      </Section>
      <Section
        title="Keyring"
        about="Whose signatures count. Keys of one human count once; nobody signs what they ask for themselves."
      >
        <SmallTable
          label="Keyring"
          columns={[
            { title: "Person", cell: (key) => <Name length={60}>{key.person}</Name> },
            { title: "Human", cell: (key) => <Name length={60}>{key.human}</Name> },
            {
              title: "Kind",
              cell: (key) => (
                <>
                  <Badge variant="default" tt="none">
                    {key.kind === "webauthn" ? "passkey" : "own key"}
                  </Badge>
                  {key.rp_id ? (
                    <Text size="xs" c="dimmed">
                      <Name length={60}>{key.rp_id}</Name>
                    </Text>
                  ) : null}
                </>
              ),
            },
            {
              title: "Key",
              cell: (key) => (
                <Group gap={4} wrap="nowrap">
                  <code>{key.key_id}</code> <Copy value={key.key_id} label="Copy the key's id" />
                </Group>
              ),
            },
            { title: "Accounts of theirs", cell: (key) => key.requester_ids.length },
          ]}
          rows={trust.keyring}
          of={(key) => key.key_id}
          minWidth={520}
        />
      </Section>
      <Raw label="The bundle, as it was signed" value={trust.bundle} mah={200} />
    </>
  );
}

function How({ tenant }: { tenant: string }) {
  const steps = `quell trust init --dir root --tenant ${tenant}
quell trust approver-key --out ann.key
quell trust add --dir root --person Ann --requester-id ID-OF-ANN --key ed25519:…
quell trust require --dir root --actions endpoint.run_script,file.collect --quorum 1
quell trust publish --dir root`;
  return (
    <Section
      title="How it is done"
      about="On a machine that is not the server. Only the last step talks to it; where that machine is offline, bring the newest .trust file of the directory here and publish it."
    >
      <Raw label="Commands" value={steps} />
      <Text size="sm" mt="xs">
        Enrolment tokens made from then on carry the pin. An approver reads and signs a request with{" "}
        <Code>quell trust sign ID --key ann.key --approve</Code>.
      </Text>
    </Section>
  );
}
