/// From addresses to screens.

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { guarded } from "./guarded";
import { screens } from "./screens";
import { Lost, Root } from "./Root";
import { Shell } from "./Shell";
import { parseSearch, writeSearch } from "./url";

const root = createRootRoute({ component: Root, notFoundComponent: Lost });
const frame = createRoute({ getParentRoute: () => root, id: "frame", component: Shell });

const routes = (isPublic: boolean) =>
  screens
    .filter((screen) => (screen.isPublic ?? false) === isPublic)
    .map((screen) =>
      createRoute({
        getParentRoute: () => (isPublic ? root : frame) as typeof root,
        path: screen.path,
        component: isPublic ? lazyRouteComponent(screen.load) : guarded(screen),
      }),
    );

export const router = createRouter({
  routeTree: root.addChildren([frame.addChildren(routes(false)), ...routes(true)]),
  defaultPreload: "intent",
  parseSearch,
  stringifySearch: writeSearch,
  defaultNotFoundComponent: Lost,
});
