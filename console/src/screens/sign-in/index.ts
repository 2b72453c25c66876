import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  { path: "/sign-in", title: "Sign in", load: () => import("./SignIn"), isPublic: true },
];
