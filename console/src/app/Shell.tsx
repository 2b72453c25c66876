/// The frame: where one can go, in which tenant, whether what is shown is live.

import {
  ActionIcon,
  AppShell,
  Badge,
  Burger,
  Button,
  Group,
  Kbd,
  Loader,
  NavLink,
  ScrollArea,
  Text,
  Tooltip,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBolt, IconMoon, IconSearch, IconSun } from "@tabler/icons-react";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo } from "react";

import { ActProvider, useAct } from "../act/start";
import { $api, setPlace } from "../api/client";
import { listen } from "../api/live";
import { lacking, useMe } from "../api/me";
import { useIsForeign } from "../api/page";
import { asApiError } from "../api/problem";
import { queries } from "../api/query";
import { useLiveState } from "../api/stream";
import { GlassBanner } from "../screens/approvals/glass/Banner";
import { Failure } from "../ui/Failure";
import { Name } from "../ui/Name";
import { Account } from "./Account";
import { ConfirmRequest } from "./ConfirmRequest";
import { useKeys } from "./keys";
import { openPalette } from "./palette";
import { Redirect } from "./Redirect";
import { Boundary } from "./Root";
import type { Group as NavGroup } from "./screen";
import { screens } from "./screens";
import classes from "./Shell.module.css";

const Palette = lazy(() => import("./Palette"));
const KeyHelp = lazy(() => import("./KeyHelp"));

/** Lets in who is signed in; sends the others to sign in and back. */
export function Shell() {
  const me = $api.useQuery("get", "/api/v1/me", undefined, { staleTime: 60_000 });
  const { href } = useLocation();
  if (me.data !== undefined && asApiErrorStatus(me.error) !== 401) {
    return (
      <ActProvider>
        <Frame />
      </ActProvider>
    );
  }
  if (me.isPending) return <Loader m="xl" aria-label="Reading who you are" />;
  if (asApiErrorStatus(me.error) === 401)
    return <Redirect to="/sign-in" search={{ return: href === "/" ? undefined : href }} />;
  return <Failure error={me.error} retry={() => void me.refetch()} />;
}

function asApiErrorStatus(error: unknown): number | undefined {
  return error === null || error === undefined ? undefined : asApiError(error).status;
}

function Frame() {
  const me = useMe();
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const [isHelp, help] = useDisclosure(false);
  const { pathname } = useLocation();
  const isForeign = useIsForeign();
  const owner = `${me.tenant.id} ${me.id}`;
  useEffect(() => (isForeign ? undefined : listen(queries, owner)), [isForeign, owner]);
  useKeys(help.open);
  // Where a request comes from is the screen in front.
  useEffect(() => {
    setPlace(/^\/([a-z-]{1,32})/.exec(pathname)?.[1] ?? "overview");
    close();
  }, [pathname, close]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 244, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      padding="md"
    >
      <a href="#content" className={classes.skip}>
        To the content
      </a>
      <AppShell.Header className={classes.header}>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={isOpen}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={isOpen ? "Close the navigation" : "Open the navigation"}
            />
            <Link to="/" className={classes.brand}>
              <img src="/icon.svg" width={24} height={24} alt="" /> Quell
            </Link>
            <Text size="sm" c="dimmed" visibleFrom="xs" className={classes.tenant}>
              <Name length={40}>{me.tenant.name}</Name>
            </Text>
          </Group>
          <Button
            variant="default"
            className={classes.search}
            onClick={openPalette}
            leftSection={<IconSearch size={16} aria-hidden />}
            rightSection={<Kbd size="xs">Ctrl K</Kbd>}
            visibleFrom="sm"
          >
            Find or do something
          </Button>
          <Group gap="xs" wrap="nowrap">
            <ActionIcon
              variant="default"
              size="lg"
              hiddenFrom="sm"
              aria-label="Find or do something"
              onClick={openPalette}
            >
              <IconSearch size={18} />
            </ActionIcon>
            <Live />
            <ActButton />
            <ThemeButton />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Screens">
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <NotLive />
        <GlassBanner />
        <Boundary at={pathname}>
          <Suspense fallback={<Loader m="xl" aria-label="Reading the screen" />}>
            <Outlet />
          </Suspense>
        </Boundary>
      </AppShell.Main>
      <ConfirmRequest />
      <Suspense>
        <Palette help={help.open} />
        {isHelp ? <KeyHelp close={help.close} /> : null}
      </Suspense>
    </AppShell>
  );
}

function ActButton() {
  const act = useAct();
  return (
    <Button
      leftSection={<IconBolt size={16} aria-hidden />}
      onClick={() => {
        act({});
      }}
    >
      Act
    </Button>
  );
}

function Live() {
  const state = useLiveState();
  const [color, word, about] = {
    live: ["teal", "Live", "What you see is kept current."] as const,
    connecting: ["gray", "Connecting", "The stream of news is being opened."] as const,
    lost: [
      "orange",
      "Not live",
      "The stream of news broke off. What you see may be old; it is tried again by itself.",
    ] as const,
  }[state];
  return (
    <Tooltip label={about}>
      <Badge variant="dot" color={color} tt="none" fw={500} role="status" className={classes.live ?? ""} tabIndex={0}>
        {word}
      </Badge>
    </Tooltip>
  );
}

/** Says over every screen that it may be old; it takes no room, so that nothing moves when it comes and goes. */
function NotLive() {
  const state = useLiveState();
  if (state !== "lost") return null;
  return <div className={classes.lost}>Not live: what you see may be old</div>;
}

function ThemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("dark");
  const next = scheme === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`Change to ${next}`}>
      <ActionIcon
        variant="default"
        size="lg"
        visibleFrom="xs"
        aria-label={`Change to ${next} colours`}
        onClick={() => {
          setColorScheme(next);
        }}
      >
        {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

/** Whether an entry of its own leads there. */
function isElsewhere(pathname: string, path: string): boolean {
  return screens.some((other) => other.nav && other.path === pathname && other.path !== path);
}

/** The headings of the navigation, in their order. */
const GROUPS: NavGroup[] = ["Respond", "Evidence", "Settings"];

function Navigation() {
  const me = useMe();
  const { pathname } = useLocation();
  const groups = useMemo(() => {
    const sorted = new Map<NavGroup, typeof screens>(GROUPS.map((group) => [group, []]));
    for (const screen of screens) {
      if (screen.nav) sorted.set(screen.nav.group, [...(sorted.get(screen.nav.group) ?? []), screen]);
    }
    return [...sorted];
  }, []);
  return (
    <ScrollArea>
      {groups.map(([group, entries]) => (
        <nav key={group} aria-label={group}>
          <Text size="xs" c="dimmed" fw={600} px="sm" pt="sm" pb={4}>
            {group}
          </Text>
          {entries.map((screen) => {
            const Shape = screen.nav?.icon;
            const Badge = screen.nav?.badge;
            const lack = lacking(me, screen.needs);
            const may = lack === undefined;
            const isHere =
              screen.path === "/"
                ? pathname === "/"
                : pathname === screen.path ||
                  (pathname.startsWith(`${screen.path}/`) && !isElsewhere(pathname, screen.path));
            const entry = (
              <NavLink
                key={screen.path}
                renderRoot={(props: Record<string, unknown>) => (
                  <Link {...props} to={screen.path} activeOptions={{ exact: true }} />
                )}
                label={screen.title}
                leftSection={Shape ? <Shape size={18} aria-hidden /> : null}
                rightSection={Badge && may ? <Badge /> : null}
                active={isHere}
                py={5}
                aria-current={isHere ? "page" : undefined}
                {...(may ? {} : { c: "dimmed" })}
              />
            );
            return may ? (
              entry
            ) : (
              <Tooltip
                key={screen.path}
                label={`This needs the permission “${lack ?? ""}”, which none of your roles has.`}
                position="right"
              >
                <div>{entry}</div>
              </Tooltip>
            );
          })}
        </nav>
      ))}
    </ScrollArea>
  );
}
