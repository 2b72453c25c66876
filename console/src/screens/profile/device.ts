/// A program's own name for itself, in the words of people. What it is not sure of it leaves as it is.

const BROWSERS: [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/Chrome\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];

const SYSTEMS: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b|\biPad\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** `Firefox on Linux`; the text itself where no browser speaks. */
export function device(agent: string): string {
  if (agent === "") return "unknown program";
  if (/^quell\b/i.test(agent)) return "quell, the command line";
  const browser = BROWSERS.find(([sign]) => sign.test(agent))?.[1];
  if (browser === undefined || !agent.startsWith("Mozilla/")) return agent;
  const system = SYSTEMS.find(([sign]) => sign.test(agent))?.[1];
  return system === undefined ? browser : `${browser} on ${system}`;
}
