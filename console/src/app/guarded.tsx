/// A screen that says what is missing instead of being drawn for whom the server would refuse everything on it.

import { IconLock } from "@tabler/icons-react";
import { lazyRouteComponent, type RouteComponent } from "@tanstack/react-router";

import { lacking, useMe, whyNot } from "../api/me";
import { Empty } from "../ui/Empty";
import { Page } from "../ui/Page";
import type { Screen } from "./screen";

/** The component of a screen, behind the permissions that it needs. */
export function guarded({ title, load, needs }: Screen): RouteComponent {
  const Lazy: RouteComponent = lazyRouteComponent(load);
  if (needs === undefined) return Lazy;
  function Guarded() {
    const me = useMe();
    const lack = lacking(me, needs);
    if (lack === undefined) return <Lazy />;
    return (
      <Page title={title}>
        <Empty icon={IconLock} title="You may not see this">
          {whyNot(me, lack)} An administrator gives roles.
        </Empty>
      </Page>
    );
  }
  return Object.assign(Guarded, Lazy.preload === undefined ? {} : { preload: Lazy.preload });
}
