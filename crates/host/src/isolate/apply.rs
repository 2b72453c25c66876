//! Installs the rules and ends what they cut; takes the rules away again.

use serde::{Deserialize, Serialize};

use serde_json::Value;

use super::plan::Plan;
use super::render::{Features, Shape, Wanted, clear, render, wanted};
use super::ruleset::{Ruleset, State, Surroundings, inspect};
use super::sockets::{Severed, sever};
use super::standing::{Kept, Standing};
use super::{Error, facts, neighbours, nft};

/// Interfaces may come and go while the rules are made.
const MAX_TRIES: usize = 5;
/// Somebody may take a table for itself while the rules are made, but cannot foresee the name of the next one.
const MAX_SEIZED: usize = 3;
/// The outcome names at most this many tables of others.
const MAX_TOLD: usize = 32;

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
    /// Tables of our name that belong to another process, which lets nobody change them. They are left as they are,
    /// and the rules stand in tables of another name.
    #[serde(default)]
    pub seized: Vec<String>,
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
        match nft::commit(&clear(table.family, &table.name)) {
            Ok(_) => removed.tables.push(table.family.into()),
            // Somebody removed it first and took its name.
            Err(Error::Permission)
                if Standing::read()?
                    .seized
                    .iter()
                    .any(|other| (other.family, &other.name) == (table.family, &table.name)) => {}
            Err(error) => return Err(error),
        }
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
            Ok(Step { ruleset, features, reason, seized }) => {
                let coverage = Coverage {
                    own_socket_only: features.socket,
                    raw_senders: features.egress,
                    ingress: features.ingress,
                    uncovered: odd.iter().map(|(_, name)| name.clone()).collect(),
                    detours: Vec::new(),
                    seized: seized.iter().take(MAX_TOLD).cloned().collect(),
                    reason,
                };
                let around = Surroundings { devices: &devices, odd: &odd, links: &links, seized: &seized };
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

/// What came of the ladder.
struct Step {
    ruleset: Ruleset,
    features: Features,
    /// Why it is not the highest step.
    reason: Option<String>,
    /// Tables of our name that others own, in words.
    seized: Vec<String>,
}

/// Takes the best step of the ladder that the kernel accepts, on ground that nobody else owns.
fn climb<'a>(shape: impl Fn(Features) -> Shape<'a>) -> Result<Step, Error> {
    let mut seized = Vec::new();
    for _ in 0..MAX_SEIZED {
        // What cannot be read is replaced.
        let standing = Standing::read().unwrap_or_default();
        let ground = standing.ground()?;
        seized = standing.seized_in_words().collect();
        match ladder(&shape, |wanted| standing.keep(ground.clone(), wanted), nft::commit) {
            Ok((ruleset, features, reason)) => return Ok(Step { ruleset, features, reason, seized }),
            // Who may not change rules may not list tables either. Who may is kept out of a table by its owner only.
            Err(Error::Permission) => seized = Standing::read()?.seized_in_words().collect(),
            Err(error) => return Err(error),
        }
    }
    Err(if seized.is_empty() { Error::Permission } else { Error::Seized(seized.join("; ")) })
}

/// Tries one step after the other, each with what is kept and, if that is refused, without.
fn ladder<'a>(
    shape: impl Fn(Features) -> Shape<'a>,
    keep: impl Fn(&[Wanted]) -> Kept,
    commit: impl Fn(&str) -> Result<Vec<Value>, Error>,
) -> Result<(Ruleset, Features, Option<String>), Error> {
    let mut first = None;
    for features in LADDER {
        let wanted = wanted(&shape(features));
        let kept = keep(&wanted);
        // Somebody may have taken away meanwhile what was to be kept; that must not cost a step.
        let again =
            (!kept.tables.is_empty()).then(|| Kept { ground: kept.ground.clone(), ..Kept::default() });
        let mut refused = None;
        for kept in std::iter::once(kept).chain(again) {
            match commit(&render(&wanted, &kept)) {
                Ok(report) => {
                    return Ok((Ruleset::from_transaction(kept, &report, &wanted), features, first));
                }
                // Of the two, the one that asks nothing of what stands tells about the kernel.
                Err(Error::Refused(message)) => refused = Some(message),
                Err(error) => return Err(error),
            }
        }
        first = first.or(refused);
    }
    Err(Error::Refused(first.unwrap_or_default()))
}

/// Some releases of nft do not echo as they list; then the listing is the baseline, if it is of the same objects. If
/// not, somebody has changed them since, and that must show as a difference.
fn settle(ruleset: Ruleset) -> Result<Ruleset, Error> {
    if !ruleset.is_empty()
        && !matches!(inspect(&ruleset)?, State::Drifted(d) if d.iter().any(|d| d.starts_with("missing")))
    {
        return Ok(ruleset);
    }
    let listed = ruleset.clone().relisted()?;
    if !ruleset.is_empty() && listed.identities() != ruleset.identities() {
        return Ok(ruleset);
    }
    tracing::debug!("the rules are listed otherwise than they were echoed; taking the listing as baseline");
    Ok(listed)
}

type Devices = Vec<(u32, String)>;

/// Interfaces to cover, and those whose names have no spelling in a rule. The kernel forbids little in a name,
/// and a quote or an asterisk would change the meaning of the text.
fn devices() -> Result<(Devices, Devices), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-@+:#%".contains(c);
    let outer = facts::interfaces()?.into_iter().filter(|i| !i.loopback).map(|i| (i.index, i.name));
    Ok(outer.partition(|(_, name)| name.chars().all(plain)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::cell::RefCell;

    use super::*;

    /// Climbs with answers of the kernel's that are prepared; the rest is accepted.
    fn climbed(answers: &[&str]) -> (Features, Option<String>, usize) {
        let plan = Plan { mark: 1, servers: Vec::new(), allow: Vec::new() };
        let shape =
            |features| Shape { plan: &plan, devices: &[], links: &[], dhcp4: false, dhcp6: false, features };
        let asked = RefCell::new(answers.iter());
        let tries = RefCell::new(0);
        let keep = |_: &[Wanted]| Kept { tables: [("inet", Vec::new())].into(), ..Kept::default() };
        let (_, features, reason) = ladder(shape, keep, |_| {
            *tries.borrow_mut() += 1;
            asked.borrow_mut().next().map_or(Ok(Vec::new()), |words| Err(Error::Refused((*words).into())))
        })
        .unwrap();
        (features, reason, tries.into_inner())
    }

    #[test]
    fn what_was_kept_and_refused_is_no_reason_when_the_full_rules_are_taken() {
        assert_eq!(climbed(&[]), (LADDER[0], None, 1));
        assert_eq!(climbed(&["gone meanwhile"]), (LADDER[0], None, 2));
        // A reason is what the kernel said to a step without anything kept.
        assert_eq!(climbed(&["gone", "no socket"]), (LADDER[1], Some("no socket".into()), 3));
        assert_eq!(climbed(&["gone", "no socket", "gone"]), (LADDER[1], Some("no socket".into()), 4));
    }
}
