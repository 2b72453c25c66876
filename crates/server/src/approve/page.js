// The page behind a link in a mail. What comes from the server is shown as text, never as markup.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  let request = null;
  let hasPasskey = false;
  let signing = null;

  const say = (text, kind) => {
    const status = $("status");
    status.textContent = text;
    status.className = kind || "";
  };

  const call = async (path, body) => {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      credentials: "omit",
      cache: "no-store",
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const problem = new Error([answer.detail, answer.hint].filter(Boolean).join(" ") || "The server did not answer as it should.");
      problem.code = answer.code;
      throw problem;
    }
    return answer;
  };

  // Marks that change the direction or the look of a text are written out: a name must not read as another.
  const visible = (text) =>
    String(text).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

  const fact = (name, value) => {
    if (value === undefined || value === null || value === "") return;
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = visible(value);
    $("facts").append(dt, dd);
  };

  const names = (blast) => {
    const list = (blast.endpoints || []).map((endpoint) => endpoint.name);
    const more = (blast.targets || list.length) - list.length;
    return list.join(", ") + (more > 0 ? ` and ${more} more` : "");
  };

  const wayBack = (blast) => {
    if (blast.read_only) return "changes nothing";
    if (blast.reversible_by) return `undone by ${blast.reversible_by}`;
    return blast.effect === "piecewise" ? `piece by piece, a request for each: ${blast.undone_by}` : "cannot be undone";
  };

  const show = (answer) => {
    request = answer.request;
    signing = answer.signing;
    hasPasskey = answer.has_passkey && "credentials" in navigator;
    const blast = request.blast || {};
    $("title").textContent = `${request.title} - ${request.requester} asks`;
    fact("Organisation", answer.tenant);
    fact("Action", `${request.title} (${request.action})`);
    fact("On", names(blast));
    fact("Reason", request.reason);
    fact("Asked by", request.requester);
    fact("You are", answer.person);
    fact("Protected", (blast.protected || []).map((one) => `${one.endpoint} (${one.why})`).join(", "));
    fact("Logged on", (blast.logged_on || []).map((one) => `${one.endpoint}: ${one.users.join(", ")}`).join("; "));
    fact("Way back", wayBack(blast));
    fact("Undoes itself", blast.revert_after_seconds ? `${blast.revert_after_seconds} seconds after its effect` : "");
    fact("Needs", request.quorum === 1 ? "one person" : `${request.quorum} people`);
    fact("Decided so far", (request.decisions || []).map((one) => `${one.name}: ${one.decision}`).join(", "));
    fact("Until", new Date(request.expires_at).toLocaleString());
    if (signing) fact("Signature", signing.keys.length ? "your own, by your passkey" : "your own: quell trust sign makes it");
    fact("Digest", request.digest);
    $("params").textContent = visible(JSON.stringify(request.params, null, 2));
    for (const line of request.trace || []) {
      const li = document.createElement("li");
      li.textContent = visible(line);
      $("trace").append(li);
    }
    $("with-password").hidden = !answer.has_password;
    $("with-totp").hidden = !answer.asks_totp;
    $("passkey-hint").hidden = !hasPasskey;
    $("deed").hidden = false;
    if (request.state !== "pending") {
      say(`This request is ${request.state} already.`);
      $("form").hidden = true;
    } else {
      say("Read it, then decide. Nothing happens before you do.");
    }
  };

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // Signs in with a passkey for the moment of deciding; the session ends with the decision.
  const passkeySession = async () => {
    const begun = await call("/api/v1/session/passkey/begin", {});
    const options = begun.options.publicKey;
    options.challenge = bytes(options.challenge);
    for (const known of options.allowCredentials || []) known.id = bytes(known.id);
    const found = await navigator.credentials.get({ publicKey: options });
    const credential = {
      id: found.id,
      rawId: base64url(found.rawId),
      type: found.type,
      extensions: found.getClientExtensionResults(),
      response: {
        authenticatorData: base64url(found.response.authenticatorData),
        clientDataJSON: base64url(found.response.clientDataJSON),
        signature: base64url(found.response.signature),
        userHandle: found.response.userHandle ? base64url(found.response.userHandle) : null,
      },
    };
    const session = await call("/api/v1/session/passkey/finish", { ceremony: begun.ceremony, credential, deliver: "token" });
    return session.token;
  };

  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

  // The person's own signature: an assertion whose challenge is the digest of the request. Endpoints check it themselves.
  const signature = async () => {
    if (!signing.keys.length) {
      throw new Error("Endpoints demand your own signature for this, and none of your passkeys can give it: use `quell trust sign --approve`.");
    }
    const found = await navigator.credentials.get({
      publicKey: {
        challenge: Uint8Array.from(request.digest.match(/../g), (pair) => parseInt(pair, 16)),
        rpId: signing.rp_id,
        allowCredentials: signing.keys.map((key) => ({ type: "public-key", id: bytes(key.credential) })),
        userVerification: "required",
      },
    });
    const key = signing.keys.find((one) => one.credential === base64url(found.rawId));
    return {
      key_id: key.key_id,
      kind: "webauthn",
      signature: base64(found.response.signature),
      authenticator_data: base64(found.response.authenticatorData),
      client_data: base64(found.response.clientDataJSON),
    };
  };

  const decide = async (approve) => {
    const buttons = [$("approve"), $("reject")];
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const body = { token, approve, digest: request.digest, note: $("note").value };
      if ($("password").value) {
        body.password = $("password").value;
        if ($("totp").value) body.totp = $("totp").value;
      } else if (hasPasskey) {
        body.session = await passkeySession();
      } else {
        throw new Error("Enter your password: a link alone decides nothing.");
      }
      if (approve && signing) body.signature = await signature();
      const answer = await call("/api/v1/approval-links/decide", body);
      $("form").hidden = true;
      $("password").value = "";
      const state = answer.request.state;
      say(state === "pending" ? `Recorded: ${answer.approvals} of ${answer.needed} agreed.` : `The request is ${state}.`, "good");
    } catch (problem) {
      if (problem.code === "totp_needed") $("with-totp").hidden = false;
      say(problem.message, "bad");
      buttons.forEach((button) => { button.disabled = false; });
    }
  };

  document.addEventListener("DOMContentLoaded", async () => {
    $("form").addEventListener("submit", (event) => event.preventDefault());
    $("approve").addEventListener("click", () => decide(true));
    $("reject").addEventListener("click", () => decide(false));
    if (!token) {
      say("The link is not whole: copy all of it from the mail.", "bad");
      return;
    }
    try {
      show(await call("/api/v1/approval-links/show", { token }));
    } catch (problem) {
      say(problem.message, "bad");
    }
  });
})();
