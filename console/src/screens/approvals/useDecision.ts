/// Sends one decision, with a signature where endpoints demand one, and says what became of it.

import { notifications } from "@mantine/notifications";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { $api } from "../../api/client";
import { refresh } from "../../api/query";
import { signDigest } from "./signing";
import type { Request } from "./request";

export type Ballot = { word: "approve" | "reject"; note: string; validFor: number | undefined };

export function useDecision(request: Request, done: () => void) {
  const navigate = useNavigate();
  const approve = $api.useMutation("post", "/api/v1/approvals/{id}/approve");
  const reject = $api.useMutation("post", "/api/v1/approvals/{id}/reject");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const params = { path: { id: request.task } };

  const send = async ({ word, note, validFor }: Ballot): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const { digest } = request;
      if (word === "reject") {
        await reject.mutateAsync({ params, body: { digest, note } });
        notifications.show({ message: `Rejected: ${request.title}. Who asked is told why.`, color: "gray" });
        done();
      } else {
        const signing = request.you?.signing;
        const signature = signing ? await signDigest(signing, digest) : undefined;
        const answer = await approve.mutateAsync({
          params,
          body: {
            digest,
            note,
            ...(validFor === undefined ? {} : { valid_for_seconds: validFor }),
            ...(signature === undefined ? {} : { signature }),
          },
        });
        done();
        if (answer.request.state === "pending") {
          notifications.show({
            message: `Recorded: ${String(answer.approvals)} of ${String(answer.needed)} agreed.`,
            color: "teal",
          });
        } else {
          notifications.show({ message: `Approved: ${request.title}. It begins now.`, color: "teal" });
          void navigate({ to: "/tasks/$id" as never, params: { id: request.task } as never });
        }
      }
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      // Also after a refusal: somebody else may have decided meanwhile.
      void refresh("/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview");
    }
  };
  return { send, error, isBusy };
}
