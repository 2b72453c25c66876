//! Which incident a detection belongs to.
//!
//! A chain leaves *links*: values under which it is found again. A new detection asks for some of them among the open
//! incidents; what each match is worth is decided here, and one incident at most is chosen. A link that everything on a
//! machine shares (root, a shell, a daemon's tree, a package's program) would make one incident swallow all others: such
//! links are never left.

mod links;

use serde::Serialize;

pub use links::{leaves, links, of_content, of_file};

const MINUTE_US: i64 = 60 * 1_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// The least score that joins.
const ENOUGH: u32 = 50;
/// What each further kind of link adds.
const FURTHER: u32 = 5;

/// What two detections have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The chain.
    Chain,
    /// The process tree on one endpoint, of several chains.
    Tree,
    /// The content of a file, on any endpoint.
    Hash,
    /// A file on one endpoint, made by one tree and run by another.
    File,
    /// A user on one endpoint.
    User,
}

impl LinkKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Chain, Self::Tree, Self::Hash, Self::File, Self::User];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Tree => "tree",
            Self::Hash => "hash",
            Self::File => "file",
            Self::User => "user",
        }
    }

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it is worth.
    const fn score(self) -> u32 {
        match self {
            Self::Chain => 100,
            Self::Tree => 90,
            Self::Hash => 80,
            Self::File => 75,
            Self::User => 50,
        }
    }

    /// How far apart in time it holds, microseconds.
    pub const fn window_us(self) -> i64 {
        match self {
            Self::Chain => i64::MAX,
            Self::Tree => DAY_US,
            Self::Hash | Self::File => 7 * DAY_US,
            Self::User => 30 * MINUTE_US,
        }
    }

    /// Chains of an incident beyond which it takes no more by such a link.
    const fn most_chains(self) -> usize {
        match self {
            Self::Chain => usize::MAX,
            Self::Tree => 1000,
            Self::Hash | Self::File => 200,
            Self::User => 20,
        }
    }
}

/// A value under which a chain is found again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Link {
    /// What it says.
    pub kind: LinkKind,
    /// 64 lower-case hex digits: of a hash the SHA-256 itself, else a digest of the value and of where it holds.
    pub value: String,
    /// The value for people, clean text.
    pub shown: String,
    /// When it was last true, microseconds since 1970.
    pub at_us: i64,
}

/// The links of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// What is to be stored with the chain's incident; a later one of the same kind and value replaces its time.
    pub kept: Vec<Link>,
    /// What is to be looked up among open incidents, by kind and value.
    pub asked: Vec<Link>,
}

/// An open incident that has some of the links that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Its id.
    pub incident: String,
    /// The links of it that were found; others do no harm.
    pub links: Vec<Link>,
    /// Chains that it has.
    pub chains: usize,
    /// Its last detection, microseconds since 1970.
    pub last_at_us: i64,
}

/// The incident that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// Its id.
    pub incident: String,
    /// How sure that is; 50 to 120.
    pub score: u32,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
}

/// Why a detection joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What both have.
    pub kind: LinkKind,
    /// One sentence without its full stop.
    pub text: String,
}

/// The open incident that a chain belongs to, by the links that it asked for; `None` where a new one begins.
pub fn decide(asked: &[Link], open: &[Open]) -> Option<Joined> {
    let judged = open.iter().filter_map(|open| judge(asked, open).map(|joined| (open, joined)));
    let best = judged.max_by(|(one, a), (other, b)| {
        let rank = |joined: &Joined, open: &Open| (joined.score, open.last_at_us);
        // The lowest id last, so that the order of the look-up decides nothing.
        rank(a, one).cmp(&rank(b, other)).then_with(|| b.incident.cmp(&a.incident))
    });
    best.map(|(_, joined)| joined)
}

fn judge(asked: &[Link], open: &Open) -> Option<Joined> {
    let mut reasons: Vec<Reason> = Vec::new();
    for kind in LinkKind::ALL {
        if open.chains >= kind.most_chains() {
            continue;
        }
        let own = open.links.iter().filter(|link| link.kind == kind);
        let found = own.filter_map(|own| {
            let is_same = |ask: &&Link| ask.kind == kind && ask.value == own.value;
            let ask = asked.iter().find(is_same)?;
            let apart = ask.at_us.saturating_sub(own.at_us).saturating_abs();
            (apart <= kind.window_us()).then_some((apart, ask))
        });
        if let Some((apart, ask)) = found.min_by_key(|(apart, ask)| (*apart, ask.value.clone())) {
            reasons.push(Reason { kind, text: words(kind, &ask.shown, apart) });
        }
    }
    let further = u32::try_from(reasons.len().saturating_sub(1)).unwrap_or(0) * FURTHER;
    let score = reasons.first()?.kind.score() + further;
    (score >= ENOUGH).then(|| Joined { incident: open.incident.clone(), score, reasons })
}

fn words(kind: LinkKind, shown: &str, apart_us: i64) -> String {
    let minutes = apart_us / MINUTE_US;
    let apart = match minutes {
        0 => "within a minute".to_owned(),
        1..120 => format!("within {} minutes", minutes + 1),
        _ => format!("within {} hours", minutes / 60 + 1),
    };
    match kind {
        LinkKind::Chain => "it is of the same threat development chain".to_owned(),
        LinkKind::Tree => format!("it is of the same process tree, below {shown}, {apart}"),
        LinkKind::Hash => format!("the same content was met before: {shown}, {apart}"),
        LinkKind::File => format!("the file {shown} was made or run there before, {apart}"),
        LinkKind::User => format!("the same user, {shown}, {apart}"),
    }
}
