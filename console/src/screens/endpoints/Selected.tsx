export function Selected(_: { ids: ReadonlySet<string>; select: (ids: ReadonlySet<string>) => void; rows: unknown[] }) {
  return null;
}
