/// What can be done with a plan: called off while it runs, undone when it is over.

import { List, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconArrowBackUp, IconBan } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api, data } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { AskWhy } from "../../ui/AskWhy";
import { Deed } from "../../ui/Deed";
import { Name } from "../../ui/Name";
import { Sure } from "../../ui/Sure";
import { count, inert } from "../../ui/text";
import { useActions } from "../tasks/catalogue";
import { isEnded, sayTargets } from "../tasks/words";
import { backOf, isOver, type Step, type WholePlan } from "./plan";

const again = (): Promise<void> =>
  refresh("/api/v1/response-plans", "/api/v1/tasks", "/api/v1/incidents", "/api/v1/approvals", "/api/v1/overview");

export function Deeds({ plan }: { plan: WholePlan }) {
  const me = useMe();
  const actions = useActions();
  const [dialog, setDialog] = useState<"cancel" | "undo">();
  const close = (): void => {
    setDialog(undefined);
  };
  const backs = plan.steps.map((step) => ({
    step,
    back: backOf(
      step,
      actions.find(({ id }) => id === step.task.action),
    ),
  }));
  const canUndo = backs.some(({ back }) => "by" in back);
  const whyNoUndo =
    whyNot(me, "task.submit") ??
    (plan.undone_by == null ? undefined : "Another plan takes it back already.") ??
    (canUndo ? undefined : "Nothing of it can be taken back.");
  return (
    <>
      {isOver(plan) ? (
        <Deed
          leftSection={<IconArrowBackUp size={16} aria-hidden />}
          why={whyNoUndo}
          onClick={() => {
            setDialog("undo");
          }}
        >
          Undo everything
        </Deed>
      ) : (
        <Deed
          variant="default"
          leftSection={<IconBan size={16} aria-hidden />}
          why={whyNot(me, "task.cancel")}
          onClick={() => {
            setDialog("cancel");
          }}
        >
          Cancel the plan
        </Deed>
      )}
      {dialog === "cancel" ? <Cancel plan={plan} close={close} /> : null}
      {dialog === "undo" ? <Undo plan={plan} backs={backs} close={close} /> : null}
    </>
  );
}

function Named({ step }: { step: Step }) {
  return (
    <>
      {step.task.title}
      {step.task.target_count === 0 ? null : (
        <>
          {" on "}
          <Name length={60}>{sayTargets(step.task)}</Name>
        </>
      )}
    </>
  );
}

function Cancel({ plan, close }: { plan: WholePlan; close: () => void }) {
  const open = plan.steps.filter(({ task }) => !isEnded(task.state));
  return (
    <Sure
      title="Cancel the plan"
      deed={`Cancel ${count(open.length, "step")}`}
      act={async () => {
        await api.POST("/api/v1/response-plans/{id}/cancel", { params: { path: { id: plan.id } } });
        await again();
      }}
      close={close}
    >
      <List size="sm">
        {open.map((step) => (
          <List.Item key={step.number}>
            <Named step={step} />
          </List.Item>
        ))}
      </List>
      <Text size="sm">
        What waits ends at once and is never begun. What runs is asked to stop: how far it came, its outcome says. What
        was done stays, until the plan is undone.
      </Text>
    </Sure>
  );
}

type Backs = { step: Step; back: ReturnType<typeof backOf> }[];

function Undo({ plan, backs, close }: { plan: WholePlan; backs: Backs; close: () => void }) {
  const navigate = useNavigate();
  const actions = useActions();
  const title = (id: string): string => actions.find((action) => action.id === id)?.title ?? id;
  const taken = backs.filter(({ back }) => "by" in back).reverse();
  const left = backs.filter(({ back }) => "left" in back);
  const send = async (reason: string): Promise<void> => {
    const made = await data(
      api.POST("/api/v1/response-plans/{id}/undo", { params: { path: { id: plan.id } }, body: { reason } }),
    );
    await again();
    const rest = [
      ...made.left.map(({ number, why }) => `Step ${String(number)}: ${inert(why)}`),
      ...made.passed_over.map(({ message }) => inert(message)),
    ];
    if (rest.length > 0) {
      notifications.show({
        color: "yellow",
        autoClose: false,
        title: "Not everything is taken back",
        closeButtonProps: { "aria-label": "Close" },
        message: rest.slice(0, 8).join(". "),
      });
    }
    void navigate({ to: `/response-plans/${made.id}` });
  };
  return (
    <AskWhy
      title="Undo everything"
      deed={`Undo ${count(taken.length, "step")}`}
      label="Reason"
      description="People read it, and it stays in the audit trail."
      act={send}
      close={close}
    >
      <Stack gap="sm">
        <Text size="sm">The last step first; one that fails does not keep the others from it:</Text>
        <List size="sm" type="ordered">
          {taken.map(({ step, back }) => (
            <List.Item key={step.number}>
              <b>{"by" in back ? title(back.by) : ""}</b>: <Named step={step} />
            </List.Item>
          ))}
        </List>
        {left.length === 0 ? null : (
          <>
            <Text size="sm" c="var(--quell-warn)">
              What stays as it is:
            </Text>
            <List size="sm">
              {left.map(({ step, back }) => (
                <List.Item key={step.number}>
                  <Named step={step} />: {"left" in back ? back.left : ""}
                </List.Item>
              ))}
            </List>
          </>
        )}
      </Stack>
    </AskWhy>
  );
}
