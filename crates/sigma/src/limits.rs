//! What a set of rules may cost. Rules come from tenants and from the world; each bound is refused with a reason, and none
//! is silent.

/// One text with one or more documents. Bytes.
pub const TEXT: usize = 1 << 20;
/// One document. Characters.
pub const DOCUMENT: usize = 64 << 10;
/// Documents in all: rules, correlations and filters.
pub const DOCUMENTS: usize = 4000;
/// Rules in a set.
pub const RULES: usize = 2000;
/// Correlations in a set.
pub const CORRELATIONS: usize = 100;
/// Filters in a set.
pub const FILTERS: usize = 500;
/// Values within values, in YAML.
pub const DEPTH: usize = 12;
/// YAML values in one text.
pub const NODES: usize = 100_000;
/// One value of a detection, before what a modifier makes of it. Bytes.
pub const VALUE: usize = 4096;
/// Values of one rule, after what modifiers make of them.
pub const VALUES: usize = 4000;
/// Values of a set.
pub const VALUES_IN_SET: usize = 100_000;
/// Wildcards in one value.
pub const WILDCARDS: usize = 16;
/// Selections of one rule.
pub const SELECTIONS: usize = 200;
/// A condition. Bytes.
pub const CONDITION: usize = 8192;
/// Parentheses and negations within each other.
pub const NESTING: usize = 32;
/// A regular expression as it is written. Bytes.
pub const REGEX: usize = 1024;
/// A regular expression as it is compiled. Bytes.
pub const REGEX_COMPILED: usize = 128 << 10;
/// Regular expressions of a set.
pub const REGEXES: usize = 1000;
/// Groups within groups of a regular expression.
pub const REGEX_NESTING: u32 = 24;
/// Memory that the automaton of one regular expression may fill while it runs. Bytes.
pub const REGEX_CACHE: usize = 256 << 10;
/// One value of a record that is looked at; what is behind it is not. Bytes.
pub const RECORD_VALUE: usize = 32 << 10;
/// Groups that one correlation remembers at a time.
pub const GROUPS: usize = 4096;
/// Moments that one group of a correlation remembers.
pub const MOMENTS: usize = 1024;
/// Moments that all groups of one correlation remember.
pub const MOMENTS_IN_ALL: usize = 64 << 10;
/// How long a correlation may look back. Seconds.
pub const TIMESPAN: u64 = 24 * 3600;
