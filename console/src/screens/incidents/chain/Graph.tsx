/// The processes of a chain as a tree that one walks through by keys, moves and zooms; only what is seen is drawn.

import { ActionIcon, Group, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import {
  IconChevronDown,
  IconChevronUp,
  IconFocusCentered,
  IconMaximize,
  IconMinus,
  IconPlus,
} from "@tabler/icons-react";
import {
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
} from "react";

import { useRoom } from "../../../ui/DataTable";
import { SearchInput } from "../../../ui/SearchInput";
import { count } from "../../../ui/text";
import type { Chain } from "../types";
import classes from "./graph.module.css";
import { Boxes } from "./Boxes";
import { layout, type Box } from "./layout";
import { matches, type Node, type Tree } from "./tree";
import { useFolding } from "./useFolding";
import { usePan } from "./usePan";
import { fitted, opening, seen, shown, zoomed, type View } from "./view";
import { walk, wayOf, type Way } from "./walk";

const ZOOM = 1.25;

type Props = {
  tree: Tree;
  chains: Chain[];
  /** Key of the process that is looked at. */
  chosen: string | undefined;
  choose: (node: Node) => void;
  tools?: ReactNode;
};

export function Graph({ tree, chains, chosen, choose, tools }: Props) {
  const id = useId();
  const { ref: measured, width, height } = useElementSize<HTMLDivElement>();
  const frame = useRef<HTMLDivElement>(null);
  const room = useRoom(frame);
  const [folded, setFolded] = useState<string>();
  const [text, setText] = useState("");
  const [view, setView] = useState<View>();

  const { look, toggle, reveal } = useFolding(tree);
  const { boxes, edges, ...size } = useMemo(() => layout(tree.roots, look), [tree, look]);
  const found = useMemo(() => matches(tree, text), [tree, text]);
  const hits = useMemo(() => new Set(found.map(({ key }) => key)), [found]);
  // A folded box can be where one stands without being a process that one looks at.
  const active = folded !== undefined && boxes.some((box) => box.id === folded) ? folded : chosen;
  const current = boxes.find((box) => box.id === active);

  useLayoutEffect(() => {
    if (width === 0 || height === 0 || boxes.length === 0) return;
    setView((before) => before ?? opening(size, { width, height }, current));
    // Once, when it is known how large the frame is.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [width, height, boxes.length === 0]);

  // What is chosen elsewhere is opened, and comes into view.
  const last = useRef<string>(undefined);
  const sought = useRef<string>(undefined);
  useEffect(() => {
    if (chosen === undefined || chosen === last.current) return;
    const node = tree.byKey.get(chosen);
    const box = boxes.find(({ id: each }) => each === chosen);
    if (box !== undefined) {
      last.current = chosen;
      setView((before) => (before === undefined ? before : shown(before, { width, height }, box)));
    } else if (node !== undefined && sought.current !== chosen) {
      sought.current = chosen;
      reveal(node);
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [chosen, tree, boxes]);

  const stand = (box: Box): void => {
    setView((before) => (before === undefined ? before : shown(before, { width, height }, box)));
    if (box.kind === "more") setFolded(box.id);
    else {
      setFolded(undefined);
      last.current = box.id;
      choose(box.node);
    }
  };
  const step = (way: Way): void => {
    const next = walk(boxes, active, way);
    if (next !== undefined) stand(next);
  };
  const zoom = (factor: number): void => {
    setView((before) => (before === undefined ? before : zoomed(before, factor, { x: width / 2, y: height / 2 })));
  };
  const fit = (): void => {
    setView(fitted(size, { width, height }));
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = wayOf(event.key);
    const does = ((): (() => void) | undefined => {
      if (way === "child" && current?.kind === "process" && !current.isOpen && current.node.children.length > 0)
        return () => {
          toggle(current);
        };
      if (way === "parent" && current?.isOpen === true && event.shiftKey)
        return () => {
          toggle(current);
        };
      if (way !== undefined)
        return () => {
          step(way);
        };
      if (event.key === "+" || event.key === "=")
        return () => {
          zoom(ZOOM);
        };
      if (event.key === "-")
        return () => {
          zoom(1 / ZOOM);
        };
      if (event.key === "0") return fit;
      if ((event.key === "Enter" || event.key === " ") && current !== undefined)
        return () => {
          if (current.kind === "more" || current.node.children.length > 0) toggle(current);
        };
      return undefined;
    })();
    if (does === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  };
  const toFound = (step: 1 | -1): void => {
    if (found.length === 0) return;
    const at = found.findIndex(({ key }) => key === chosen);
    const next = found[(at + step + found.length) % found.length] ?? found[0];
    if (next === undefined) return;
    setFolded(undefined);
    choose(next);
  };

  const pan = usePan(setView);
  const part = view === undefined ? undefined : seen(view, { width, height });
  const keyCount = useMemo(() => [...tree.byKey.values()].filter(({ process }) => process.is_key).length, [tree]);
  return (
    <div>
      <Group justify="space-between" gap="xs" mb={6}>
        <Group gap="xs">
          <SearchInput
            isMain
            size="xs"
            w={210}
            label="Find a process"
            value={text}
            change={setText}
            onKeyDown={(event) => {
              if (event.key === "Enter") toFound(event.shiftKey ? -1 : 1);
            }}
          />
          {text.trim() === "" ? null : (
            <Group gap={4}>
              <Text size="xs" c="dimmed" role="status">
                {count(found.length, "process", "processes")}
              </Text>
              <Tool
                label="The one before"
                icon={IconChevronUp}
                act={() => {
                  toFound(-1);
                }}
              />
              <Tool
                label="The next"
                icon={IconChevronDown}
                act={() => {
                  toFound(1);
                }}
              />
            </Group>
          )}
          {tools}
        </Group>
        <Group gap={4}>
          <Tool
            label={`Next of ${count(keyCount, "process with a key event", "processes with a key event")} (n)`}
            icon={IconFocusCentered}
            act={() => {
              step("nextKey");
            }}
          />
          <Tool
            label="Smaller (-)"
            icon={IconMinus}
            act={() => {
              zoom(1 / ZOOM);
            }}
          />
          <Tool
            label="Larger (+)"
            icon={IconPlus}
            act={() => {
              zoom(ZOOM);
            }}
          />
          <Tool label="All of it (0)" icon={IconMaximize} act={fit} />
        </Group>
      </Group>
      <div ref={frame}>
        <div
          ref={measured}
          className={classes.frame}
          style={{ height: Math.max(340, Math.min(room - 26, 900)) }}
          {...pan.handlers}
        >
          <svg
            ref={pan.ref}
            className={classes.svg}
            role="tree"
            aria-label="Threat development chain"
            aria-activedescendant={current === undefined ? undefined : `${id}${current.id}`}
            tabIndex={0}
            onKeyDown={keys}
          >
            {view === undefined || part === undefined ? null : (
              <g
                role="presentation"
                transform={`translate(${String(view.x)} ${String(view.y)}) scale(${String(view.scale)})`}
              >
                <Boxes
                  id={id}
                  boxes={boxes}
                  edges={edges}
                  part={part}
                  active={active}
                  hits={hits}
                  names={chains.length > 1 ? chains : []}
                  stand={stand}
                  toggle={toggle}
                />
              </g>
            )}
          </svg>
        </div>
      </div>
      <Text size="xs" c="dimmed" mt={4}>
        Arrows walk to parent, children and siblings, Enter opens and folds, n goes to the next key event. Drag moves,
        Ctrl and the wheel zooms.
      </Text>
    </div>
  );
}

function Tool({ label, icon: Shape, act }: { label: string; icon: typeof IconPlus; act: () => void }) {
  return (
    <ActionIcon variant="default" size="md" aria-label={label} data-hint={label} onClick={act}>
      <Shape size={16} />
    </ActionIcon>
  );
}
