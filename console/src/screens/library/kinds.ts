/// What the library holds, in words, and what each of it is for.

export type Kind = "script" | "yara" | "sigma" | "query" | "evidence" | "kit" | "indicators";

type About = {
  /** Of many. */
  title: string;
  /** Of one. */
  one: string;
  about: string;
  /** The action that takes it, and by which parameter. */
  use?: { action: string; param: string };
  /** Whether the protection of endpoints takes it. */
  isProtection?: boolean;
  /** Bytes that a body may have, as the API says. */
  most: number;
  /** How it is written here; what is no text is uploaded. */
  isText: boolean;
  /** Names of files that are offered to be read. */
  files: string;
};

const MIB = 1024 * 1024;

export const KINDS: Record<Kind, About> = {
  script: {
    title: "Scripts",
    one: "script",
    about: "Run on endpoints with arguments.",
    use: { action: "endpoint.run_script", param: "script" },
    most: MIB,
    isText: true,
    files: ".sh,.bash,.py,.ps1",
  },
  yara: {
    title: "YARA rules",
    one: "set of rules",
    about: "Looked for in files and in the memory of processes.",
    use: { action: "endpoint.run_yara", param: "rules" },
    isProtection: true,
    most: 8 * MIB,
    isText: true,
    files: ".yar,.yara,.txt",
  },
  sigma: {
    title: "Behaviour rules",
    one: "set of behaviour rules",
    about: "Sigma rules for what endpoints record: processes, files, connections, names, logins.",
    isProtection: true,
    most: 4 * MIB,
    isText: true,
    files: ".yml,.yaml",
  },
  query: {
    title: "Queries",
    one: "query",
    about: "SQL over an endpoint’s tables, with what it is for.",
    use: { action: "endpoint.run_osquery", param: "query" },
    most: MIB,
    isText: true,
    files: ".yaml,.yml",
  },
  evidence: {
    title: "Evidence",
    one: "set of definitions",
    about: "What to collect from an endpoint, as ForensicArtifacts definitions.",
    use: { action: "endpoint.collect_evidence", param: "definitions" },
    most: 8 * MIB,
    isText: true,
    files: ".yaml,.yml",
  },
  kit: {
    title: "Kits",
    one: "investigation kit",
    about: "Signed bundles of scripts, tools, queries and definitions.",
    use: { action: "endpoint.run_investigation_kit", param: "kit" },
    most: 64 * MIB,
    isText: false,
    files: ".zip,.tar,.kit",
  },
  indicators: {
    title: "Indicators",
    one: "list of indicators",
    about: "Hashes, addresses, domains and URLs for the block list.",
    use: { action: "blocklist.add", param: "list" },
    most: 64 * MIB,
    isText: true,
    files: ".csv,.txt,.json",
  },
};

export const ALL = Object.keys(KINDS) as Kind[];

export function kindOf(name: string | undefined): Kind {
  return ALL.find((kind) => kind === name) ?? "script";
}

/** What is known of a body, in a few words. */
export function knownOf(facts: unknown): string {
  if (typeof facts !== "object" || facts === null) return "";
  return Object.entries(facts)
    .map(([name, value]) =>
      typeof value === "string"
        ? value
        : typeof value === "number"
          ? `${String(value)} ${name.replaceAll("_", " ")}`
          : "",
    )
    .filter((words) => words !== "")
    .join(" · ");
}
