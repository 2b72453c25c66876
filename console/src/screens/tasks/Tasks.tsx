/// Response management.

import { Page } from "../../ui/Page";

export default function Tasks() {
  return <Page title="Response management">…</Page>;
}
