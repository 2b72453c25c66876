/// The build: everything from our own origin, hashed names, a nonce in place of inline permission.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env["QUELL_URL"] ?? "http://127.0.0.1:8420";

export default defineConfig({
  plugins: [react()],
  html: { cspNonce: "__NONCE__" },
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      // What every screen needs comes as one file: left alone it is sixty, most of them an icon that a screen has as well.
      output: { codeSplitting: { groups: [{ name: "frame", tags: ["$initial"] }] } },
    },
  },
  server: { port: 5173, proxy: { "/api": { target: server, changeOrigin: false } } },
});
