//! Every limit of the protocol, in one place. Bytes where nothing else is said.

/// A WebSocket message. Larger ones end the session.
pub const FRAME: usize = 1 << 20;
/// An identifier (tenant, endpoint, task, order).
pub const ID: usize = 64;
/// A stable code (action id, reason code, event kind).
pub const CODE: usize = 64;
/// A sentence for a person.
pub const MESSAGE: usize = 2048;
/// Parameters of an action, as JSON.
pub const PARAMS: usize = 256 << 10;
/// What an action answers, as JSON.
pub const RESULT: usize = 512 << 10;
/// Facts about an endpoint, as JSON.
pub const FACTS: usize = 64 << 10;
/// Details of an event, as JSON.
pub const EVENT: usize = 64 << 10;
/// Orders that an agent names as held when it connects; older ones are named in later frames.
pub const HELD: usize = 4096;
/// Actions that an agent announces.
pub const CAPABILITIES: usize = 512;
/// Addresses of the gateway that are pushed to an agent.
pub const ADDRESSES: usize = 64;
/// Order keys that are valid at one time.
pub const KEYS: usize = 8;
/// Secrets in one order, and the length of each.
pub const SECRETS: usize = 8;
/// Length of one secret.
pub const SECRET: usize = 256;
/// Hashes of an inclusion proof: enough for 2^32 targets.
pub const PROOF: usize = 32;
/// Targets of one task.
pub const TARGETS: usize = 100_000;
/// A certificate signing request, DER.
pub const CSR: usize = 8 << 10;
/// A certificate, DER.
pub const CERTIFICATE: usize = 8 << 10;
/// A body of an enrolment request, and all of an answer but the trust bundles.
pub const ENROL: usize = 128 << 10;
/// An answer to an enrolment request.
pub const ENROL_ANSWER: usize = ENROL + TRUST_CHAIN * (TRUST + 1024);
/// A chunk of an upload.
pub const CHUNK: usize = 4 << 20;
/// Approvals that travel with one order.
pub const APPROVALS: usize = 16;
/// Name of a person.
pub const NAME: usize = 256;
/// A detached signature of an approver: 64 with Ed25519, at most 72 with ECDSA P-256 in ASN.1.
pub const SIGNATURE: usize = 128;
/// What an authenticator says in a WebAuthn assertion.
pub const AUTHENTICATOR_DATA: usize = 1 << 10;
/// What a browser says in a WebAuthn assertion, JSON.
pub const CLIENT_DATA: usize = 2 << 10;
/// A trust bundle, encoded.
pub const TRUST: usize = 64 << 10;
/// Trust bundles that are handed over together: rotations of the root, and the newest.
pub const TRUST_CHAIN: usize = 8;
/// Keys of a keyring.
pub const KEYRING: usize = 256;
/// Rules of a trust bundle.
pub const RULES: usize = 64;
/// Actions of one rule.
pub const RULE_ACTIONS: usize = 128;
/// Ids of one human as a requester.
pub const REQUESTER_IDS: usize = 16;
/// Pages that may ask for a passkey's assertion.
pub const ORIGINS: usize = 8;
/// How far the clocks of the two ends may differ, microseconds: five minutes.
pub const CLOCK_SKEW_US: i64 = 5 * 60 * 1_000_000;
/// The longest window in which an order may start, microseconds: 30 days.
pub const ORDER_WINDOW_US: i64 = 30 * 24 * 3600 * 1_000_000;
/// Seconds between an agent's keep-alives, unless the gateway says otherwise.
pub const KEEP_ALIVE_S: u32 = 30;
