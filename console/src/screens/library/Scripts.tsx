/// Library.

import { Page } from "../../ui/Page";

export default function Scripts() {
  return <Page title="Library">…</Page>;
}
