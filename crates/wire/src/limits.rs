//! Every limit of the protocol, in one place. Bytes where nothing else is said.

use std::ops::RangeInclusive;

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
/// Keys whose investigation kits run.
pub const KIT_KEYS: usize = 32;
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
/// A delta of a block list, or a part of a snapshot, encoded.
pub const BLOCK_LIST_DELTA: usize = 1 << 20;
/// Objects of one tenant's block list.
pub const BLOCK_LIST_OBJECTS: usize = 500_000;
/// Exceptions of one tenant's block list.
pub const BLOCK_LIST_EXCEPTIONS: usize = 1000;
/// Parts of one snapshot: enough for the objects and exceptions above at their longest.
pub const BLOCK_LIST_PARTS: usize = 1024;
/// Bytes of one answer with deltas or a snapshot.
pub const BLOCK_LIST_ANSWER: usize = 1 << 30;
/// Bytes of one value of a block list: the longest is a URL.
pub const BLOCK_LIST_VALUE: usize = 2048;
/// What an agent says of what it enforces, JSON.
pub const BLOCK_LIST_KINDS: usize = 4 << 10;
/// A path of a file, of Linux (`PATH_MAX`).
pub const PATH: usize = 4096;
/// A command line, its arguments each with what ends it.
pub const COMMAND_LINE: usize = 4096;
/// Arguments of one command line: as many as fit.
pub const ARGUMENTS: usize = 2048;
/// A name of the domain name system, escaped.
pub const DNS_NAME: usize = 1024;
/// Addresses of one answer.
pub const DNS_ANSWERS: usize = 16;
/// Techniques of one rule.
pub const TECHNIQUES: usize = 16;
/// Processes of one chain update: at their longest a frame holds no more.
pub const UPDATE_PROCESSES: usize = 64;
/// Activity events of one chain update.
pub const UPDATE_ACTIVITIES: usize = 128;
/// Detections of one chain update.
pub const UPDATE_DETECTIONS: usize = 16;
/// Processes of one chain.
pub const CHAIN_PROCESSES: usize = 2000;
/// Activity events of one chain.
pub const CHAIN_ACTIVITIES: usize = 20_000;
/// Detections of one chain.
pub const CHAIN_DETECTIONS: usize = 1000;
/// Chains of one endpoint that are open at a time.
pub const OPEN_CHAINS: usize = 64;
/// A protection document, encoded.
pub const PROTECTION: usize = 256 << 10;
/// A body of rules that a protection document names.
pub const PROTECTION_RULES: u64 = 4 << 20;
/// What an agent says of its recorder, JSON.
pub const RECORDER_STATE: usize = 16 << 10;
/// Exclusions of a protection document.
pub const EXCLUSIONS: usize = 500;
/// What a recorder's ring may take on a disk.
pub const RING_BYTES: RangeInclusive<u64> = 4 << 20..=4 << 30;
/// How long a recorder keeps activity, seconds: an hour to 90 days.
pub const RING_AGE_S: RangeInclusive<u64> = 3600..=90 * 24 * 3600;
