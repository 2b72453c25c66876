//! Which packets from port 53 are answers to what somebody here asked: what leaves for that port is remembered for a while, in
//! sets of the table whose rules ask. The kernel's connection tracking knows it too, but whoever asks it has it follow every
//! connection of the machine, and drop what exceeds its own bound.

use std::fmt::Write as _;

use super::PORT;

/// Questions that are remembered at one time, and for how long. Beyond that the set `beyond` says so for as long.
const HELD: u32 = 65_536;
const TIME: &str = "30s";
const FAMILIES: [(&str, &str, &str, &str); 2] =
    [("4", "ipv4", "ip", "ipv4_addr"), ("6", "ipv6", "ip6", "ipv6_addr")];

/// Sets, and a chain that remembers what this machine asks: as the packets leave it, with addresses translated.
pub(crate) fn sets(text: &mut String, table: &str) {
    let mut set = |name: &str, kind: &str, size: u32| {
        let _ = writeln!(
            text,
            "add set inet {table} {name} {{ type {kind}; flags dynamic, timeout; timeout {TIME}; size {size}; }}"
        );
    };
    for (digit, _, _, kind) in FAMILIES {
        set(&format!("asked{digit}"), &format!("{kind} . {kind} . inet_proto . inet_service"), HELD);
    }
    set("beyond", "inet_proto", 8);
    let _ = writeln!(
        text,
        "add chain inet {table} asks {{ type filter hook output priority 300; policy accept; }}"
    );
    remember(text, table, "asks");
}

/// Rules that remember who asks whom. They end the chain for a question.
pub(crate) fn remember(text: &mut String, table: &str, chain: &str) {
    for (digit, number, family, _) in FAMILIES {
        let _ = writeln!(
            text,
            "add rule inet {table} {chain} meta nfproto {number} meta l4proto {{ tcp, udp }} th dport {PORT} update @asked{digit} \
             {{ {family} daddr . {family} saddr . meta l4proto . th sport }} return"
        );
    }
    let _ = writeln!(
        text,
        "add rule inet {table} {chain} meta l4proto {{ tcp, udp }} th dport {PORT} update @beyond {{ meta l4proto }}"
    );
}

/// What matches an answer to a question that is remembered, for each family.
pub(crate) fn answers() -> [String; 2] {
    FAMILIES.map(|(digit, number, family, _)| {
        format!(
            "meta nfproto {number} meta l4proto {{ tcp, udp }} th sport {PORT} \
             {family} saddr . {family} daddr . meta l4proto . th dport @asked{digit}"
        )
    })
}

/// What matches anything that may be an answer, while more was asked than could be remembered.
pub(crate) fn beyond() -> String {
    format!("meta l4proto {{ tcp, udp }} th sport {PORT} meta l4proto @beyond")
}
