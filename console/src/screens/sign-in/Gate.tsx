/// The page in front of the console: one card, for whoever is not signed in yet.

import { Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

import classes from "./Gate.module.css";

type Props = { title: string; about?: ReactNode; isWide?: boolean; foot?: ReactNode; children: ReactNode };

export function Gate({ title, about, isWide = false, foot, children }: Props) {
  useDocumentTitle(`${title} · Quell`);
  return (
    <div className={classes.page}>
      <main className={classes.middle}>
        <div className={classes.brand}>
          <img src="/icon.svg" width={30} height={30} alt="" /> Quell
        </div>
        <div className={isWide ? `${classes.card ?? ""} ${classes.wide ?? ""}` : classes.card}>
          <Title order={1}>{title}</Title>
          {about === undefined ? null : (
            <Text c="dimmed" size="sm" mt={4} component="div">
              {about}
            </Text>
          )}
          {children}
        </div>
      </main>
      <footer className={classes.foot}>
        <Text size="xs" c="dimmed" component="div">
          {foot ?? "Response management for security teams"}
        </Text>
      </footer>
    </div>
  );
}
