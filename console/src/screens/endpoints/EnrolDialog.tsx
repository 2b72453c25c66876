/// A new endpoint: a token is made, one command is shown, and the endpoint is awaited.

import { Button, Group, Modal, NumberInput, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { $api, type Schemas } from "../../api/client";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { Failure } from "../../ui/Failure";
import { Enrolling } from "./Enrolling";

/** Seconds for which a token can be good. */
const ENDS = [
  { value: "900", label: "15 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "28800", label: "8 hours" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days, the longest" },
];

export default function EnrolDialog({ close }: { close: () => void }) {
  const [made, setMade] = useState<Schemas["MadeEnrolmentToken"] | null>(null);
  return (
    <Modal opened onClose={close} title="Enrol an endpoint" size="lg" closeOnClickOutside={made === null}>
      {made === null ? <Make close={close} made={setMade} /> : <Enrolling token={made} close={close} />}
    </Modal>
  );
}

function Make({ close, made }: { close: () => void; made: (token: Schemas["MadeEnrolmentToken"]) => void }) {
  const [name, setName] = useState("");
  const [tags, setTags] = useState<string[]>([]);
  const [ends, setEnds] = useState("3600");
  const [uses, setUses] = useState<number | string>(1);
  const make = $api.useMutation("post", "/api/v1/enrolment-tokens", {
    onSuccess: (token) => {
      void refresh("/api/v1/enrolment-tokens");
      made(token);
    },
  });
  const problem = make.error === null ? undefined : asApiError(make.error);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    make.mutate({ body: { name: name.trim(), tags, expires_in_seconds: Number(ends), max_uses: Number(uses) } });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          A token lets machines become endpoints: each makes a key of its own, gets a certificate for it and connects.
          The token’s text is shown once; it is worth nothing when its time or its uses are over.
        </Text>
        <TextInput
          label="Name of the token"
          description="What it is for: people read it here and in the audit trail"
          placeholder="laptops of the Lisbon office"
          required
          maxLength={100}
          data-autofocus
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
          }}
          error={problem?.field("name")}
        />
        <TagsInput
          label="Tags"
          description="Every endpoint that comes with it gets them: roles and approvals can go by tags"
          value={tags}
          onChange={setTags}
          maxTags={32}
          error={problem?.field("tags")}
        />
        <Group grow align="flex-start">
          <Select
            label="Good for"
            data={ENDS}
            value={ends}
            onChange={(value) => {
              setEnds(value ?? "3600");
            }}
            allowDeselect={false}
          />
          <NumberInput
            label="Machines"
            description=""
            min={1}
            max={1000}
            allowDecimal={false}
            value={uses}
            onChange={setUses}
            error={problem?.field("max_uses")}
          />
        </Group>
        <Failure error={make.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending}>
            Make the token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
