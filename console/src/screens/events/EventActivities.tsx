/// All activity events of an event's chain; the chosen one with what can be done about it.

import { Button, Group, Skeleton } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { Failure } from "../../ui/Failure";
import { EventDetails } from "../incidents/page/EventDetails";
import { EventLine } from "../incidents/page/EventLine";
import { eventPlace, parsePlace } from "../incidents/page/place";
import type { Activity, WholeDetection } from "../incidents/types";
import classes from "../incidents/page/page.module.css";

export function EventActivities({ event }: { event: WholeDetection }) {
  const [search, set] = useFilters();
  const incident = event.incident ?? { id: "", number: 0 };
  const place = parsePlace(search["at"]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/incidents/{id}/activity",
    {
      params: {
        path: { id: incident.id },
        query: { ...(event.chain == null ? {} : { chain: event.chain }), limit: 100 },
      },
    },
    PAGED,
  );
  const pages = usePages<Activity>(answer);
  if (place?.kind === "event") {
    return (
      <>
        <Group>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconArrowLeft size={14} aria-hidden />}
            onClick={() => {
              set({ at: undefined });
            }}
          >
            All activity events
          </Button>
        </Group>
        <EventDetails
          incident={incident}
          place={place}
          go={(at) => {
            if (at?.startsWith("e:") === true) set({ at });
          }}
        />
      </>
    );
  }
  return (
    <>
      <Failure error={answer.error} retry={pages.again} />
      {pages.isFirst ? <Skeleton height={200} /> : null}
      <ul className={classes.events}>
        {pages.rows.map((each) => (
          <li key={each.id}>
            <EventLine
              event={each}
              choose={() => {
                set({ at: eventPlace(each) });
              }}
            />
          </li>
        ))}
      </ul>
      {pages.isMore ? (
        <Button size="compact-sm" variant="default" loading={pages.isFetching} onClick={pages.more}>
          More
        </Button>
      ) : null}
    </>
  );
}
