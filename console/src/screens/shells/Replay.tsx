/// The recording of a remote shell: played as it was, searched, with what was typed and who was there beside it.

import { ActionIcon, Box, Button, Grid, Group, Loader, SegmentedControl, Slider, Switch, Text } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlayerSkipBack } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";

import { api } from "../../api/client";
import { useFilters } from "../../app/url";
import { useRoom } from "../../ui/DataTable";
import { Failure } from "../../ui/Failure";
import { Note } from "../../ui/Note";
import { bytes, clip, inert } from "../../ui/text";
import { castOf, clock, type Cast } from "./cast";
import { Moments } from "./Moments";
import { Player, type Position } from "./player";
import { Screen } from "./Screen";
import type { Shell } from "./Live";
import { usePaper } from "./usePaper";

/** Bytes of a recording that are read into the page. */
const MOST = 64 << 20;
/** Characters that are drawn at once to show the end of a recording. */
const POSTER = 4 << 20;
const SPEEDS = ["1", "2", "4", "16"];

type Read = { cast: Cast; isCut: boolean };

/** Reads a recording, once: each look at it is recorded. */
async function read(id: string): Promise<Read> {
  const answer = await api.GET("/api/v1/shells/{id}/recording", { params: { path: { id } }, parseAs: "stream" });
  const reader = answer.data?.getReader();
  const decoder = new TextDecoder();
  let [text, size, isCut] = ["", 0, false];
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    text += decoder.decode(value, { stream: true });
    if (size > MOST) {
      isCut = true;
      await reader.cancel();
      break;
    }
  }
  return { cast: castOf(text), isCut };
}

export default function Replay({ shell }: { shell: Shell }) {
  const answer = useQuery({
    // Not under the path of the shell: news of it do not read this again.
    queryKey: ["recording", shell.id, shell.state],
    queryFn: () => read(shell.id),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  if (answer.data === undefined) {
    return answer.error === null ? (
      <Loader m="xl" aria-label="Reading the recording" />
    ) : (
      <Failure error={answer.error} retry={() => void answer.refetch()} />
    );
  }
  return <Played shell={shell} {...answer.data} />;
}

function shownBy({ events }: Cast): number {
  return events.reduce((sum, { code, data }) => sum + (code === "o" ? data.length : 0), 0);
}

function Played({ shell, cast, isCut }: Read & { shell: Shell }) {
  const [search, set] = useFilters();
  const frame = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const room = useRoom(frame);
  const size = useMemo(() => ({ cols: cast.cols, rows: cast.rows }), [cast]);
  const paper = usePaper(box, shell.id, { readOnly: true, size });
  const [position, setPosition] = useState<Position>({ time: 0, length: 0, at: 0, isPlaying: false });
  const [speed, setSpeed] = useState("1");
  const [isSkipping, setSkipping] = useState(true);
  const player = useRef<Player | undefined>(undefined);
  // Where a link points to; later jumps are not written into the address.
  const first = useRef(Number(search["at"] ?? 0) || 0);
  useEffect(() => {
    if (paper === undefined) return undefined;
    const made = new Player(cast, paper.terminal, true, setPosition);
    player.current = made;
    // Where nothing else is said it begins with how it ended, which `Play` plays from the beginning.
    const start = first.current > 0 ? first.current : shownBy(cast) < POSTER ? cast.length : 0;
    if (start > 0) void made.seek(start);
    return () => {
      player.current = undefined;
      made.dispose();
    };
  }, [paper, cast]);
  const go = (at: number): void => {
    player.current?.pause();
    void player.current?.seek(at);
  };
  const name = clip(inert(shell.endpoint_name), 60);
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, md: 9 }}>
        {isCut ? (
          <Box mb="xs">
            <Note tone="warn">
              Only the first {bytes(MOST)} are played here; the artifact has all of it, and `quell shells replay` plays
              it.
            </Note>
          </Box>
        ) : null}
        <div ref={frame}>
          <Screen
            label={`Recording of ${name}`}
            box={box}
            paper={paper}
            height={Math.max(room - 150, 240)}
            takesKeys={false}
          />
        </div>
        <Group gap="sm" mt="xs" wrap="nowrap" role="group" aria-label="Player">
          <ActionIcon
            size={36}
            aria-label={position.isPlaying ? "Pause" : "Play"}
            onClick={() => {
              if (position.isPlaying) player.current?.pause();
              else player.current?.play();
            }}
          >
            {position.isPlaying ? <IconPlayerPause size={18} /> : <IconPlayerPlay size={18} />}
          </ActionIcon>
          <ActionIcon
            size={36}
            variant="default"
            aria-label="To the beginning"
            onClick={() => {
              void player.current?.jump(0);
            }}
          >
            <IconPlayerSkipBack size={18} />
          </ActionIcon>
          <Slider
            flex={1}
            miw={80}
            min={0}
            max={Math.max(position.length, 0.1)}
            step={0.1}
            value={position.time}
            label={clock(position.at)}
            thumbLabel="Position"
            thumbProps={{ "aria-valuetext": clock(position.at) }}
            onChange={(time) => {
              void player.current?.jump(time);
            }}
          />
          <Text size="sm" style={{ fontVariantNumeric: "tabular-nums", whiteSpace: "nowrap" }} data-testid="clock">
            {clock(position.at)} / {clock(cast.length)}
          </Text>
        </Group>
        <Group gap="md" mt="xs">
          <SegmentedControl
            size="xs"
            aria-label="Speed"
            data={SPEEDS.map((value) => ({ value, label: `${value}×` }))}
            value={speed}
            onChange={(value) => {
              setSpeed(value);
              player.current?.setSpeed(Number(value));
            }}
          />
          <Switch
            size="sm"
            label="Skip pauses"
            checked={isSkipping}
            onChange={(event) => {
              setSkipping(event.currentTarget.checked);
              player.current?.setCut(event.currentTarget.checked);
            }}
          />
          {shell.state === "ended" ? null : (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                set({ view: undefined, at: undefined });
              }}
            >
              Back to the terminal
            </Button>
          )}
        </Group>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 3 }}>
        <Moments shell={shell} cast={cast} at={position.at} go={go} />
      </Grid.Col>
    </Grid>
  );
}
