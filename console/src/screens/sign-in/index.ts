/// The ways in: signing in, the first set-up, an invitation.

import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  { path: "/sign-in", title: "Sign in", load: () => import("./SignIn"), isPublic: true },
  { path: "/setup", title: "Set up Quell", load: () => import("./SetUp"), isPublic: true },
  { path: "/welcome", title: "Welcome", load: () => import("./Welcome"), isPublic: true },
];
