/// A QR code, drawn here: what it says leaves the browser in no request.

import { useMemo } from "react";
import { encode } from "uqr";

/** Dark on light in both themes: cameras want it so. */
export function Qr({ text, label }: { text: string; label: string }) {
  const { path, size } = useMemo(() => {
    const { data, size: modules } = encode(text, { ecc: "M", border: 2 });
    const squares = data.flatMap((row, y) =>
      row.flatMap((isDark, x) => (isDark ? [`M${String(x)} ${String(y)}h1v1h-1z`] : [])),
    );
    return { path: squares.join(""), size: modules };
  }, [text]);
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${String(size)} ${String(size)}`}
      width={208}
      height={208}
      shapeRendering="crispEdges"
      style={{ background: "#fff", borderRadius: 4, maxWidth: "100%" }}
    >
      <path d={path} fill="#000" />
    </svg>
  );
}
