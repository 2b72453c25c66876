/// Endpoints.

import { Page } from "../../ui/Page";

export default function Endpoints() {
  return <Page title="Endpoints">…</Page>;
}
