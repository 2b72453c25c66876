/// After saving settings: that it is done, and the way back.

import { Alert, Group, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { Deed } from "../Deed";
import { Failure } from "../Failure";

type Props = { children: ReactNode; putBack: () => Promise<void>; why: string | undefined };

export function Saved({ children, putBack, why }: Props) {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await putBack();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <Alert color="teal" variant="outline" mb="sm" py={8} role="status">
      <Group justify="space-between" gap="xs">
        <Text size="sm">{children}</Text>
        <Deed size="compact-sm" variant="default" why={why} loading={isBusy} onClick={() => void send()}>
          Put the former back
        </Deed>
      </Group>
      <Failure error={error} />
    </Alert>
  );
}
