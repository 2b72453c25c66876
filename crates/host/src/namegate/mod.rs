//! Answers of name servers on their way into this machine (the caller's network namespace), held until somebody has looked at
//! them: one that must not be known is turned into "there is no such name".
//!
//! - [`apply`] makes a table of our own, `inet quell_names`, whose rules hand answers from port 53 to a queue (nfnetlink_queue).
//! - [`Gate`] takes them from the queue, asks its caller about each, and lets pass what is not understood.
//! - It fails open: without a process at the queue, or with a full queue, the kernel lets every answer pass by itself.
//!
//! What comes in is changed rather than what goes out, since an answer that comes from where one was expected works with every
//! resolver, whatever it bound its socket to, and since only an answer says through which other names a name led.

pub(crate) mod asked;
mod compat;
mod packet;
mod queue;

use std::fmt::Write as _;

pub use packet::refused;
pub use queue::{Gate, verdict};

use crate::isolate::{Error, nft};

const TABLE: &str = "quell_names";
/// Before the sets of blocked addresses and before isolation: both see what is left.
const PRIORITY: i32 = -310;
/// Chains: for this machine, its own loopback included, and for what it routes for others (containers).
const CHAINS: [(&str, &str); 2] = [("in", "input"), ("through", "forward")];
/// Where answers are handed over.
const LOOK: &str = "look";
/// The port of name servers.
const PORT: u16 = 53;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// What stands: the rules, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stands(String);

/// Hands answers to this queue, in place of what stood.
pub fn apply(queue: u16) -> Result<Stands, Error> {
    if nft::load(&script(Some(queue))).is_err() {
        // A kernel without queues in nftables may have them from iptables' time.
        nft::load(&script(None))?;
        if let Err(source) = compat::add(TABLE, LOOK, queue) {
            // A table without rules would say that there is something.
            let _ = remove();
            return Err(Error::Refused(format!(
                "the kernel cannot hand answers of name servers over: {source}"
            )));
        }
    }
    Ok(Stands(nft::terse("inet", TABLE)?))
}

/// Removes exactly our table; nothing there is a success too.
pub fn remove() -> Result<(), Error> {
    nft::load(&format!("add table inet {TABLE}\ndelete table inet {TABLE}\n"))
}

/// Whether chains and rules are as they were made.
pub fn is_intact(stands: &Stands) -> bool {
    nft::terse("inet", TABLE).is_ok_and(|rules| rules == stands.0)
}

fn script(queue: Option<u16>) -> String {
    let mut text = format!("add table inet {TABLE}\ndelete table inet {TABLE}\nadd table inet {TABLE}\n");
    asked::sets(&mut text, TABLE);
    let _ = writeln!(text, "add chain inet {TABLE} {LOOK}");
    if let Some(queue) = queue {
        let _ = writeln!(text, "add rule inet {TABLE} {LOOK} queue flags bypass to {queue}");
    }
    for (chain, hook) in CHAINS {
        let _ = writeln!(
            text,
            "add chain inet {TABLE} {chain} {{ type filter hook {hook} priority {PRIORITY}; policy accept; }}"
        );
        // What nobody here asked for is no answer, and must not fill the queue; where that cannot be said, all is looked at.
        for answers in asked::answers().into_iter().chain([asked::beyond()]) {
            let _ = writeln!(text, "add rule inet {TABLE} {chain} {answers} jump {LOOK}");
        }
        if hook == "forward" {
            asked::remember(&mut text, TABLE, chain);
        }
    }
    text
}
