//! Rules with the target `NFQUEUE` of iptables in a table of nftables, for kernels whose nftables has no queues of its own. The
//! program `nft` has no words for them, so they are written as the kernel reads them (linux/netfilter/nf_tables*.h).

use std::io;

use nix::sys::socket::SockProtocol;

use crate::isolate::netlink::{Netlink, attribute};

const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
/// `NFNL_SUBSYS_NFTABLES`, and `NFT_MSG_NEWRULE` in it.
const SUBSYSTEM: u16 = 10;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
const INET: u8 = 1;
/// `struct xt_NFQ_info_v3`, and its flag that lets pass what nobody takes.
const REVISION: u32 = 3;
const BYPASS: u16 = 1;

/// Adds a rule that hands everything over which comes to this chain.
pub fn add(table: &str, chain: &str, queue: u16) -> io::Result<()> {
    let frame = [0, 0, 0, SUBSYSTEM as u8].to_vec();
    let info = [queue, 1, BYPASS].map(u16::to_ne_bytes);
    let mut list = Vec::new();
    expression(
        &mut list,
        "target",
        &[(1, &terminated("NFQUEUE")), (2, &REVISION.to_be_bytes()), (3, info.as_flattened())],
    );
    let mut body = vec![INET, 0, 0, 0];
    attribute(&mut body, 1, &terminated(table));
    attribute(&mut body, 2, &terminated(chain));
    attribute(&mut body, 4 | NESTED, &list);
    let batch = [(BEGIN, 0, frame.clone()), (NEW_RULE, CREATE | APPEND, body), (END, 0, frame)];
    Netlink::open(SockProtocol::NetlinkNetFilter)?.batch(&batch)
}

fn expression(list: &mut Vec<u8>, name: &str, attributes: &[(u16, &[u8])]) {
    let mut data = Vec::new();
    for (kind, value) in attributes {
        attribute(&mut data, *kind, value);
    }
    let mut whole = Vec::new();
    attribute(&mut whole, 1, &terminated(name));
    attribute(&mut whole, 2 | NESTED, &data);
    attribute(list, 1 | NESTED, &whole);
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
