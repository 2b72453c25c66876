/// A secret that is shown only when somebody asks, which the audit trail keeps.

import { Group, Text } from "@mantine/core";
import { IconEye, IconEyeOff } from "@tabler/icons-react";
import { useState } from "react";

import { useMe, whyNot } from "../../api/me";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { inert } from "../../ui/text";

type Props = {
  /** `the archive password`. */
  what: string;
  about: string;
  /** Asks the server, which writes it down before it answers. */
  read: () => Promise<string>;
  /** Why there is none to read. */
  why?: string | undefined;
};

export function Reveal({ what, about, read, why }: Props) {
  const me = useMe();
  const [secret, setSecret] = useState<string>();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const show = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setSecret(await read());
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div>
      <Group gap="xs">
        {secret === undefined ? (
          <Deed
            size="compact-sm"
            variant="default"
            leftSection={<IconEye size={14} aria-hidden />}
            why={why ?? whyNot(me, "secret.read")}
            loading={isBusy}
            onClick={() => void show()}
          >
            Show {what}
          </Deed>
        ) : (
          <>
            <Text component="code" ff="monospace" size="sm" style={{ overflowWrap: "anywhere" }} data-testid="secret">
              {inert(secret)}
            </Text>
            <Copy value={secret} label={`Copy ${what}`} />
            <Deed
              size="compact-sm"
              variant="subtle"
              leftSection={<IconEyeOff size={14} aria-hidden />}
              onClick={() => {
                setSecret(undefined);
              }}
            >
              Hide
            </Deed>
          </>
        )}
      </Group>
      <Text size="xs" c="dimmed" mt={2}>
        {about}{" "}
        {secret === undefined
          ? "To show it is written into the audit trail."
          : "The audit trail has it that you saw it."}
      </Text>
      {error === null ? null : <Failure error={error} />}
    </div>
  );
}
