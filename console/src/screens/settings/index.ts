/// Settings of a tenant and of the server.

import {
  IconBell,
  IconBuildingCommunity,
  IconCertificate,
  IconFingerprint,
  IconKey,
  IconMail,
  IconPlugConnected,
  IconShieldHalf,
  IconSignature,
  IconUsers,
  IconUserShield,
  IconWebhook,
} from "@tabler/icons-react";

import type { Screen } from "../../app/screen";

const group = "Settings";

export const screens: Screen[] = [
  {
    path: "/settings/protection",
    title: "Protection",
    load: () => import("./protection/Protection"),
    needs: "protection.read",
    nav: { group, icon: IconShieldHalf, key: "n" },
  },
  {
    path: "/settings/people",
    title: "People",
    load: () => import("./people/People"),
    needs: "person.read",
    nav: { group, icon: IconUsers, key: "u" },
  },
  { path: "/settings/people/$id", title: "Person", load: () => import("./people/Person"), needs: "person.read" },
  {
    path: "/settings/roles",
    title: "Roles",
    load: () => import("./roles/Roles"),
    needs: "person.read",
    nav: { group, icon: IconUserShield },
  },
  { path: "/settings/roles/$id", title: "Role", load: () => import("./roles/Role"), needs: "person.read" },
  {
    path: "/settings/keys",
    title: "API keys",
    load: () => import("./keys/Keys"),
    needs: "key.read",
    nav: { group, icon: IconKey },
  },
  {
    path: "/settings/sso",
    title: "Single sign-on",
    load: () => import("./sso/Providers"),
    needs: "sso.read",
    nav: { group, icon: IconFingerprint },
  },
  { path: "/settings/sso/$id", title: "Identity provider", load: () => import("./sso/Provider"), needs: "sso.read" },
  {
    path: "/settings/mail",
    title: "Mail",
    load: () => import("./mail/Mail"),
    needs: "mail.read",
    nav: { group, icon: IconMail },
  },
  {
    path: "/settings/webhooks",
    title: "Webhooks",
    load: () => import("./webhooks/Webhooks"),
    needs: "webhook.read",
    nav: { group, icon: IconWebhook },
  },
  {
    path: "/settings/notices",
    title: "Notices",
    load: () => import("./notices/Notices"),
    needs: "notice.read",
    nav: { group, icon: IconBell },
  },
  {
    path: "/settings/gateway",
    title: "Gateway",
    load: () => import("./gateway/Gateway"),
    needs: "gateway.read",
    nav: { group, icon: IconPlugConnected },
  },
  {
    path: "/settings/trust",
    title: "Trust",
    load: () => import("./trust/Trust"),
    needs: "trust.read",
    nav: { group, icon: IconCertificate },
  },
  {
    path: "/settings/kit-keys",
    title: "Kit keys",
    load: () => import("./kit-keys/KitKeys"),
    needs: "trust.read",
    nav: { group, icon: IconSignature },
  },
  {
    path: "/settings/tenants",
    title: "Tenants",
    load: () => import("./tenants/Tenants"),
    needs: "tenant.manage",
    nav: { group, icon: IconBuildingCommunity },
  },
];
