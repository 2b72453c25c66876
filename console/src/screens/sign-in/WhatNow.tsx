/// After the first set-up: what to do with an empty server.

import { Button, Group, List, Text, ThemeIcon } from "@mantine/core";
import { IconDeviceDesktopPlus, IconShieldCheck, IconUserPlus } from "@tabler/icons-react";

import { Name } from "../../ui/Name";
import { useEnter } from "./enter";
import { Gate } from "./Gate";

const STEPS = [
  {
    to: "/endpoints?enrol=new",
    icon: IconDeviceDesktopPlus,
    title: "Enrol an endpoint",
    about: "Make a token, run one line on the machine, and see it appear.",
  },
  {
    to: "/settings/people",
    icon: IconUserPlus,
    title: "Invite people",
    about: "An analyst acts, an approver decides. Nobody decides about their own request.",
  },
  {
    to: "/profile",
    icon: IconShieldCheck,
    title: "Protect your account",
    about: "Add a passkey or one-time codes; you are the one who can do everything.",
  },
] as const;

export function WhatNow({ name }: { name: string }) {
  const enter = useEnter();
  return (
    <Gate
      isWide
      title="Quell is yours"
      about={
        <>
          Welcome, <Name length={60}>{name}</Name>. You are the administrator. What now?
        </>
      }
    >
      <List spacing="md" mt="lg" listStyleType="none" withPadding={false}>
        {STEPS.map(({ to, icon: Shape, title, about }) => (
          <List.Item key={to} styles={{ itemWrapper: { width: "100%" }, itemLabel: { width: "100%" } }}>
            <Group wrap="nowrap" align="flex-start">
              <ThemeIcon size={36} radius="xl" variant="light" aria-hidden>
                <Shape size={20} />
              </ThemeIcon>
              <div style={{ flex: 1 }}>
                <Text fw={600}>{title}</Text>
                <Text size="sm" c="dimmed">
                  {about}
                </Text>
              </div>
              <Button variant="default" size="sm" onClick={() => void enter(to)} aria-label={`Go: ${title}`}>
                Go
              </Button>
            </Group>
          </List.Item>
        ))}
      </List>
      <Button fullWidth mt="lg" onClick={() => void enter("/")}>
        To the overview
      </Button>
    </Gate>
  );
}
