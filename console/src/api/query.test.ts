import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, test } from "vitest";

import { readAgain } from "./query";

const KEY = ["get", "/api/v1/artifacts"];

/** A list that somebody looks at; each answer tells what there was when it was asked for, and comes when it is let. */
function watched() {
  const client = new QueryClient();
  let there = 0;
  const waiting: (() => void)[] = [];
  const observer = new QueryObserver(client, {
    queryKey: KEY,
    queryFn: () => {
      const seen = there;
      return new Promise<number>((resolve) => {
        waiting.push(() => {
          resolve(seen);
        });
      });
    },
  });
  observer.subscribe(() => undefined);
  return {
    client,
    asked: () => waiting.length,
    change: () => {
      there += 1;
    },
    answer: async (number: number) => {
      waiting[number]?.();
      await new Promise((resolve) => setTimeout(resolve));
    },
    shown: () => client.getQueryData(KEY),
  };
}

test("what changed while the first answer was on its way is read once that has come", async () => {
  const list = watched();
  list.change();
  const read = readAgain(list.client, () => true);
  expect(list.asked()).toBe(1);
  await list.answer(0);
  expect([list.shown(), list.asked()]).toEqual([0, 2]);
  await list.answer(1);
  await read;
  expect([list.shown(), list.asked()]).toEqual([1, 2]);
});

test("an answer that is there is read again at once, and once", async () => {
  const list = watched();
  await list.answer(0);
  list.change();
  const read = readAgain(list.client, () => true);
  expect(list.asked()).toBe(2);
  await list.answer(1);
  await read;
  expect([list.shown(), list.asked()]).toEqual([1, 2]);
});
