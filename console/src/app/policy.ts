/// What the page's Content-Security-Policy wants of its code.

import { setNonce } from "get-nonce";

/** The nonce of this page: style sheets that the component library makes carry it. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

setNonce(nonce);

/**
 * Text becomes markup nowhere: the one default policy (Trusted Types) lets style sheets through, which the component library
 * writes by `innerHTML`, and nothing that could begin an element.
 */
export function permitStyleText(): void {
  const factory = (window as { trustedTypes?: { createPolicy: (name: string, rules: object) => void } }).trustedTypes;
  factory?.createPolicy("default", {
    createHTML: (text: string) => (text.includes("<") ? null : text),
  });
}
