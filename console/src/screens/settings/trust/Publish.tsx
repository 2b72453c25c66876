/// Handing on a bundle that the root signed: pasted, or from the file that `quell trust` wrote.

import { Checkbox, FileButton, Button, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";

import { api, data } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { Note } from "../../../ui/Note";

/** Bytes of the largest file that is read. */
const MOST = 1 << 20;

export function Publish({ before, close }: { before: number | undefined; close: () => void }) {
  const [bundle, setBundle] = useState("");
  const [isReplacement, replace] = useState(false);
  const [problem, setProblem] = useState<string | undefined>();
  const read = async (file: File | null): Promise<void> => {
    if (file === null) return;
    setProblem(file.size > MOST ? "That file is too large to be a bundle." : undefined);
    if (file.size <= MOST) setBundle((await file.text()).trim());
  };
  const send = async (): Promise<void> => {
    const body = { bundle: bundle.trim(), ...(isReplacement ? { replace: true } : {}) };
    const state = await data(api.PUT("/api/v1/trust", { body }));
    notifications.show({ message: `Bundle ${String(state.trust?.serial ?? "")} is published.`, color: "teal" });
    await refresh("/api/v1/trust");
  };
  return (
    <Ask
      title="Publish a bundle"
      deed="Publish"
      size="lg"
      act={send}
      close={close}
      why={bundle.trim() === "" ? "Paste a bundle, or choose its file." : undefined}
    >
      {(field) => (
        <>
          <Text size="sm">
            Endpoints that pinned its root take it with their next word from the server, and from then on carry out
            nothing that its rules name without the signatures.{" "}
            {before === undefined
              ? ""
              : `It takes the place of bundle ${String(before)}, and must have a higher serial.`}
          </Text>
          <Textarea
            data-autofocus
            required
            label="Bundle"
            description="As quell trust wrote it: the content of a .trust file."
            autosize
            minRows={5}
            maxRows={12}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            value={bundle}
            error={problem ?? field("bundle")}
            onChange={(event) => {
              setBundle(event.currentTarget.value);
            }}
          />
          <FileButton onChange={(file) => void read(file)}>
            {(props) => (
              <Button {...props} variant="default" style={{ alignSelf: "flex-start" }}>
                From a file
              </Button>
            )}
          </FileButton>
          <Checkbox
            label="The root before is lost: take this in its place although it does not follow it"
            checked={isReplacement}
            onChange={(event) => {
              replace(event.currentTarget.checked);
            }}
          />
          {isReplacement ? (
            <Note tone="bad">
              Endpoints that pinned the root before do not take it. They must be pinned or enrolled anew, one by one.
            </Note>
          ) : null}
        </>
      )}
    </Ask>
  );
}
