/// What proves that it was done: each thing that was looked at, before and after, and whether that proves or supports.

import { Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconArrowRight, IconCheck, IconShieldCheck, IconX } from "@tabler/icons-react";

import { inertLines } from "../../ui/text";
import { Name } from "../../ui/Name";
import type { Evidence as Read, Probe } from "./evidence";
import classes from "./Task.module.css";

export function Evidence({ evidence }: { evidence: Read }) {
  const { verdict, why, probes, sentences } = evidence;
  if (verdict === undefined && probes.length === 0 && sentences.length === 0) return null;
  const isVerified = verdict === "verified";
  return (
    <Stack gap="xs">
      {verdict === undefined ? null : (
        <Group gap={8} wrap="nowrap" align="flex-start" c={isVerified ? "var(--quell-ok)" : "var(--quell-bad)"}>
          {isVerified ? <IconShieldCheck size={20} aria-hidden /> : <IconAlertTriangle size={20} aria-hidden />}
          <Text size="sm" fw={600}>
            {isVerified ? "Verified: the effect was seen." : "Not verified"}
            {!isVerified && why ? `: ${inertLines(why)}` : ""}
          </Text>
        </Group>
      )}
      {probes.length === 0 ? null : (
        <ul className={classes.probes} aria-label="Probes">
          {probes.map((probe, index) => (
            <ProbeRow key={index} probe={probe} />
          ))}
        </ul>
      )}
      {sentences.length === 0 ? null : (
        <ul className={classes.sentences} aria-label="Seen">
          {sentences.map((sentence, index) => (
            <li key={index}>
              <IconCheck size={16} color="var(--quell-ok)" aria-hidden className={classes.mark} />
              <Text component="span" size="sm">
                {inertLines(sentence)}
              </Text>
            </li>
          ))}
        </ul>
      )}
    </Stack>
  );
}

function ProbeRow({ probe }: { probe: Probe }) {
  return (
    <li className={classes.probe}>
      <Group component="span" gap={8} wrap="nowrap" align="flex-start">
        {probe.isHeld ? (
          <IconCheck size={16} color="var(--quell-ok)" aria-label="as required" className={classes.mark} />
        ) : (
          <IconX size={16} color="var(--quell-bad)" aria-label="not as required" className={classes.mark} />
        )}
        <span>
          <Text component="span" size="sm" fw={550} display="block">
            <Name>{probe.subject}</Name>
          </Text>
          <Text component="span" size="xs" c="dimmed" display="block">
            <Name>{probe.method}</Name>
          </Text>
        </span>
      </Group>
      <Text component="span" size="sm" className={classes.seen}>
        {probe.before === undefined ? null : (
          <>
            <Name>{probe.before}</Name>
            <IconArrowRight size={14} aria-label="then" className={classes.arrow} />
          </>
        )}
        <b>
          <Name>{probe.after}</Name>
        </b>
      </Text>
      <Text component="span" size="xs" c="dimmed">
        {probe.isHeld ? (probe.isProof ? "proves it" : "supports it") : "not as required"}
      </Text>
    </li>
  );
}
