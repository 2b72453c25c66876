//! Installs the rules and ends what they cut; takes the rules away again.

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::render::{Features, Shape, clear, render, wanted};
use super::ruleset::{Ruleset, State, Surroundings, inspect};
use super::sockets::{Severed, sever};
use super::standing::{Kept, Standing};
use super::{Error, facts, neighbours, nft};

/// Interfaces may come and go while the rules are made.
const MAX_TRIES: usize = 5;

/// What the kernel can hold, from best to least; each step gives up one thing.
const LADDER: [Features; 6] = {
    const fn step(socket: bool, egress: bool, ingress: bool) -> Features {
        Features { socket, egress, ingress }
    }
    [
        step(true, true, true),
        step(false, true, true),
        step(true, false, true),
        step(false, false, true),
        step(true, false, false),
        step(false, false, false),
    ]
};

/// What `apply` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The rules as the kernel holds them, for [`inspect`]. A new one with each `apply`.
    pub ruleset: Ruleset,
    /// How far the cut reaches on this kernel.
    pub coverage: Coverage,
    /// What became of connections that were open.
    pub severed: Severed,
}

/// How far the cut reaches. Where something is false, `reason` has the kernel's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Replies are let in to the agent's own socket only (`CONFIG_NFT_SOCKET`); else to any from a server's port.
    pub own_socket_only: bool,
    /// Raw and packet senders, and other namespaces on our interfaces, are cut (Linux 5.16,
    /// `CONFIG_NETFILTER_EGRESS`).
    pub raw_senders: bool,
    /// Frames for bridges and other namespaces are cut on arrival (`CONFIG_NETFILTER_INGRESS`).
    pub ingress: bool,
    /// Interfaces without a chain, because their names cannot be written in a rule. Their IP traffic
    /// is cut as everybody's; raw frames are not.
    pub uncovered: Vec<String>,
    /// Traffic control filters and programs, on any interface, which can carry frames past the rules. They are
    /// left where they are: whether they belong to a container network or to an intruder is for people to say.
    #[serde(default)]
    pub detours: Vec<String>,
    /// Why less than everything is covered.
    pub reason: Option<String>,
}

/// What `remove` took away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Families whose table existed.
    pub tables: Vec<String>,
}

/// Cuts this network namespace off as `plan` says; whatever stood in our tables is replaced in the same
/// transaction, but for hooks that are as they should be, so that not even a packet that is held up on its way
/// finds a gap. Repeat it at will: it is also the repair. Sockets are ended after the rules stand.
pub fn apply(plan: &Plan) -> Result<Applied, Error> {
    plan.check()?;
    let (mut ruleset, mut coverage) = install(plan)?;
    // After the rules stand: what is laid from now on shows as a difference.
    coverage.detours = ruleset.note_detours()?;
    // The cut stands whatever happens here, so a failure is told, not returned.
    let severed =
        sever(plan).unwrap_or_else(|error| Severed { reason: Some(error.to_string()), ..Severed::default() });
    Ok(Applied { ruleset, coverage, severed })
}

/// Ends the sockets that the plan does not cover, without touching the rules.
pub fn sever_again(plan: &Plan) -> Result<Severed, Error> {
    sever(plan)
}

/// Removes exactly our tables. Nothing there is a success too.
pub fn remove() -> Result<Removed, Error> {
    let mut removed = Removed::default();
    for table in Standing::read()?.tables {
        nft::commit(&clear(table.family))?;
        removed.tables.push(table.family.into());
    }
    Ok(removed)
}

fn install(plan: &Plan) -> Result<(Ruleset, Coverage), Error> {
    let mut outcome = Err(Error::Unsettled);
    for _ in 0..MAX_TRIES {
        let (devices, odd) = devices()?;
        let addresses = facts::addresses()?;
        let links = neighbours::links(&addresses);
        let leased = |four: bool| addresses.iter().any(|a| a.dynamic && a.ip.is_ipv4() == four);
        let shape = |features| Shape {
            plan,
            devices: &devices,
            links: &links,
            dhcp4: leased(true),
            dhcp6: leased(false),
            features,
        };
        match climb(shape) {
            Ok((ruleset, features, reason)) => {
                let coverage = Coverage {
                    own_socket_only: features.socket,
                    raw_senders: features.egress,
                    ingress: features.ingress,
                    uncovered: odd.iter().map(|(_, name)| name.clone()).collect(),
                    detours: Vec::new(),
                    reason,
                };
                let around = Surroundings { devices: &devices, odd: &odd, links: &links };
                outcome = Ok((settle(ruleset.within(&around))?, coverage));
            }
            Err(error @ Error::Refused(_)) => outcome = Err(error),
            Err(error) => return Err(error),
        }
        // Try again only when an interface came or went meanwhile.
        if self::devices()? == (devices, odd) {
            break;
        }
    }
    outcome
}

type Step = (Ruleset, Features, Option<String>);

/// Takes the best step of the ladder that the kernel accepts.
fn climb<'a>(shape: impl Fn(Features) -> Shape<'a>) -> Result<Step, Error> {
    // What cannot be read is replaced.
    let standing = Standing::read().unwrap_or_default();
    let mut first = None;
    for features in LADDER {
        let wanted = wanted(&shape(features));
        let kept = standing.keep(&wanted);
        // Somebody may have taken away meanwhile what was to be kept; that must not cost a step.
        let again = (!kept.tables.is_empty()).then(Kept::default);
        for kept in std::iter::once(kept).chain(again) {
            match nft::commit(&render(&wanted, &kept)) {
                Ok(report) => {
                    return Ok((Ruleset::from_transaction(kept, &report, &wanted), features, first));
                }
                Err(Error::Refused(message)) => first = first.or(Some(message)),
                Err(error) => return Err(error),
            }
        }
    }
    Err(Error::Refused(first.unwrap_or_default()))
}

/// Some releases of nft do not echo as they list; then the listing is the baseline.
fn settle(ruleset: Ruleset) -> Result<Ruleset, Error> {
    if !ruleset.is_empty()
        && !matches!(inspect(&ruleset)?, State::Drifted(d) if d.iter().any(|d| d.starts_with("missing")))
    {
        return Ok(ruleset);
    }
    tracing::debug!("the rules are listed otherwise than they were echoed; taking the listing as baseline");
    ruleset.relisted()
}

type Devices = Vec<(u32, String)>;

/// Interfaces to cover, and those whose names have no spelling in a rule. The kernel forbids little in a name,
/// and a quote or an asterisk would change the meaning of the text.
fn devices() -> Result<(Devices, Devices), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-@+:#%".contains(c);
    let outer = facts::interfaces()?.into_iter().filter(|i| !i.loopback).map(|i| (i.index, i.name));
    Ok(outer.partition(|(_, name)| name.chars().all(plain)))
}
