/// Around every screen: what must not take the rest along when it fails, and what is everywhere.

import { Button, Container } from "@mantine/core";
import { IconMapQuestion } from "@tabler/icons-react";
import { Link, Outlet } from "@tanstack/react-router";
import { Component, type ReactNode } from "react";

import { Empty } from "../ui/Empty";
import { Failure } from "../ui/Failure";
import { Hints } from "../ui/Hints";
import { Foreign } from "./Foreign";

/** Shows what failed in a screen, in the place of that screen. */
export class Boundary extends Component<{ children: ReactNode; at: string }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override componentDidUpdate(before: { at: string }): void {
    if (before.at !== this.props.at && this.state.error !== undefined) this.setState({ error: undefined });
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children;
    return (
      <Failure
        error={this.state.error}
        retry={() => {
          this.setState({ error: undefined });
        }}
      />
    );
  }
}

export function Root() {
  return (
    <>
      <Outlet />
      <Hints />
      <Foreign />
    </>
  );
}

/** An address that leads nowhere. */
export function Lost() {
  return (
    <Container>
      <Empty
        icon={IconMapQuestion}
        title="There is nothing here"
        action={
          <Button component={Link} to="/">
            To the overview
          </Button>
        }
      >
        The address leads to no screen. What it named may have been removed, or belongs to another tenant.
      </Empty>
    </Container>
  );
}
