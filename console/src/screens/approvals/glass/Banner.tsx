/// Says on every screen that this person acts without approval now.

import { Box, Button, Text } from "@mantine/core";
import { IconFlame } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { refresh } from "../../../api/query";
import { tell } from "../../../ui/tell";
import { useNow } from "../../../ui/Time";
import { Remaining } from "../Remaining";
import classes from "./Glass.module.css";
import { useGlass } from "./glass";

export function GlassBanner() {
  const me = useMe();
  return holds(me, "break_glass.use") && holds(me, "approval.read") ? <Open id={me.id} /> : null;
}

function Open({ id }: { id: string }) {
  const { data } = useGlass();
  const now = useNow();
  const end = $api.useMutation("post", "/api/v1/break-glass/{id}/end");
  const own = data?.items.find((glass) => glass.is_open && glass.person === id && Date.parse(glass.until_at) > now);
  if (own === undefined) return null;
  return (
    <Box className={classes.banner} role="region" aria-label="Break-glass">
      <IconFlame size={20} aria-hidden />
      <Text size="sm" fw={600} className={classes.text}>
        Break-glass is open: what you ask for is carried out without approval, and marked. It ends{" "}
        <Remaining until={own.until_at} isPlain />.
      </Text>
      <Button
        size="compact-sm"
        variant="default"
        className={classes.button}
        renderRoot={(props: Record<string, unknown>) => <Link {...props} to="/approvals/break-glass" />}
      >
        Look
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        className={classes.button}
        loading={end.isPending}
        onClick={() => {
          end.mutate(
            { params: { path: { id: own.id } } },
            { onError: tell, onSettled: () => void refresh("/api/v1/break-glass") },
          );
        }}
      >
        End it now
      </Button>
    </Box>
  );
}
