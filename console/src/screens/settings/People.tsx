/// People.

import { Page } from "../../ui/Page";

export default function People() {
  return <Page title="People">…</Page>;
}
