/// Artifacts.

import { Page } from "../../ui/Page";

export default function Artifacts() {
  return <Page title="Artifacts">…</Page>;
}
