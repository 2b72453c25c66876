/// The way out.

import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

import { api } from "../api/client";
import { queries } from "../api/query";

/** Ends the session; nothing of it stays on the screen. */
export function useLeave(): () => Promise<void> {
  const navigate = useNavigate();
  return useCallback(async () => {
    await api.DELETE("/api/v1/session");
    queries.clear();
    await navigate({ to: "/sign-in" });
  }, [navigate]);
}
