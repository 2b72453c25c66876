/// What looking into an archive takes: whoever reads its password and downloads it could open it anyway.

export const INSIDE = ["artifact.read", "secret.read", "artifact.download"] as const;
