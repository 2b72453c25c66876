/// On to another address, once: the router's own element goes again with every drawing until the address has changed.

import { Loader } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import type { Search } from "./url";

export function Redirect({ to, search = {} }: { to: string; search?: Search }) {
  const navigate = useNavigate();
  const goal = useRef({ to, search: search as never, replace: true });
  useEffect(() => {
    void navigate(goal.current);
  }, [navigate]);
  return <Loader m="xl" aria-label="One moment" />;
}
