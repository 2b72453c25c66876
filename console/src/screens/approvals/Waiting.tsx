/// Beside the navigation's entry: how many requests wait for this person's own decision.

import { Badge } from "@mantine/core";

import { holds, useMe } from "../../api/me";
import { usePending } from "./request";

export function Waiting() {
  const me = useMe();
  return holds(me, "approval.decide") && holds(me, "approval.read") ? <Count /> : null;
}

function Count() {
  const { data } = usePending();
  const mine = (data?.items ?? []).filter((request) => request.you?.can_decide).length;
  if (mine === 0) return null;
  return (
    <Badge size="sm" color="orange.9" variant="filled" circle={mine < 10} aria-label={`${String(mine)} wait for you`}>
      {mine > 99 ? "99+" : mine}
    </Badge>
  );
}
