//! What follows from one more word that something is listed, or one less.
//!
//! An object is listed while any source of it stands. Of what the sources say, the strictest action, the highest risk and
//! the latest end count. Each batch of changes makes one version, with the delta that leads to it, in the transaction that
//! changes the rows: the delta and the rows cannot differ.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::discriminant;

use prost::Message as _;
use quell_catalog::blocklist::{Kind, Value};
use quell_store::blocklist::{self as rows, Exception, Key, Object, Source, State, Whose};
use quell_store::{Error, Micros, Tx};
use quell_wire::blocklist::{Delta, Group, Held, Plain};
use quell_wire::limits;
use uuid::Uuid;

/// Changes of one transaction, and so of one version: a delta of them is far below its limit, and other writers do not wait
/// long.
pub(crate) const BATCH: usize = 2000;
/// Versions that are kept, so that agents come forward by deltas.
const KEPT: i64 = 2000;

/// A change that is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A task says that this is listed.
    Put(Box<Source>),
    /// Whoever says so, it is listed no more.
    Drop { value: Value, by: Uuid },
    /// One task says so no more.
    DropOf { value: Value, task: Uuid, by: Uuid },
    /// Its time is over.
    Expire { value: Value },
    /// Never listed from now on.
    Except(Box<Exception>),
    /// No exception any more.
    Unexcept { value: Value },
}

impl Change {
    /// What it is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Put(source) => key_of(source),
            Self::Except(exception) => (exception.kind, exception.value.clone()),
            Self::Drop { value, .. }
            | Self::DropOf { value, .. }
            | Self::Expire { value }
            | Self::Unexcept { value } => key(value),
        }
    }

    /// Whether both differ in what they are about alone, or in what is said of it.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Drop { by, .. }, Self::Drop { by: others, .. }) => by == others,
            (Self::DropOf { task, by, .. }, Self::DropOf { task: of, by: others, .. }) => {
                (task, by) == (of, others)
            }
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// What became of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a count beside the others")]
pub(crate) struct Changed {
    pub added: u32,
    pub changed: u32,
    pub unchanged: u32,
    pub removed: u32,
    /// Still listed by others.
    pub kept: u32,
    /// Was not listed.
    pub unlisted: u32,
    /// No room.
    pub full: u32,
    pub state: State,
}

impl Changed {
    /// Adds what became of the next batch.
    pub fn add(&mut self, next: Self) {
        self.added += next.added;
        self.changed += next.changed;
        self.unchanged += next.unchanged;
        self.removed += next.removed;
        self.kept += next.kept;
        self.unlisted += next.unlisted;
        self.full += next.full;
        self.state = next.state;
    }

    /// Objects that agents have something to do about.
    pub fn touched(&self) -> u32 {
        self.added + self.changed + self.removed
    }
}

/// Makes changes, at most [`BATCH`], and the version that they lead to.
pub(crate) fn make(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    changes: &[Change],
    cause: &str,
    now: Micros,
) -> Result<Changed, Error> {
    tx.serialise(tenant, quell_engine::service::id(quell_catalog::AGENTS))?;
    let before = rows::state(tx, tenant)?;
    let mut work = Work { tenant, now, next: before.version + 1, objects: before.objects, ..Work::default() };
    for run in runs(changes) {
        work.make(tx, run)?;
    }
    work.done.state = before.clone();
    if !work.is_news {
        return Ok(work.done);
    }
    let (delta, added, removed) = work.delta(&before);
    let bytes = delta.encode_to_vec();
    let held = Held { version: before.version.unsigned_abs(), digest: before.digest }.then(&bytes);
    let state =
        State { version: work.next, digest: held.digest.clone(), objects: work.objects, updated_at: now };
    let row = rows::Delta {
        version: work.next,
        digest: held.digest,
        delta: bytes,
        signature: None,
        key_id: None,
        made_at: now,
        cause: cause.to_owned(),
        added,
        removed,
    };
    rows::advance(tx, tenant, &state, &row)?;
    rows::forget(tx, tenant, work.next - KEPT)?;
    Ok(Changed { state, ..work.done })
}

/// Cuts changes into runs of one sort that name nothing twice: what becomes of one depends on no other of its run, and so each
/// run is a few statements, whatever its length.
fn runs(changes: &[Change]) -> Vec<&[Change]> {
    let (mut runs, mut rest, mut named) = (Vec::new(), changes, HashSet::new());
    while let Some(first) = rest.first() {
        named.clear();
        let fits = |change: &&Change| change.is_like(first) && named.insert(change.key());
        let (run, others) = rest.split_at(rest.iter().take_while(fits).count());
        runs.push(run);
        rest = others;
    }
    runs
}

/// How objects are grouped in a delta: by all but their value.
type Said = (i64, i64, i64, i64);

#[derive(Default)]
struct Work {
    tenant: Uuid,
    now: Micros,
    next: i64,
    objects: i64,
    /// By kind and value: what it is from now on; `None`: listed no more.
    objects_now: BTreeMap<Key, Option<Said>>,
    /// The same of exceptions.
    exceptions_now: BTreeMap<Key, bool>,
    is_news: bool,
    done: Changed,
}

impl Work {
    /// Makes a [run](runs) of changes.
    fn make(&mut self, tx: &mut Tx<'_>, run: &[Change]) -> Result<(), Error> {
        let keys: Vec<Key> = run.iter().map(Change::key).collect();
        let tenant = self.tenant;
        match run.first() {
            None => Ok(()),
            Some(Change::Put(_)) => self.put(tx, run, &keys),
            Some(Change::Drop { by, .. }) => {
                let dropped = rows::drop_words(tx, tenant, &keys, Whose::Everybody, &by.to_string())?;
                self.settle_some(tx, &keys, dropped)
            }
            Some(Change::DropOf { task, by, .. }) => {
                let dropped = rows::drop_words(tx, tenant, &keys, Whose::Task(*task), &by.to_string())?;
                self.settle_some(tx, &keys, dropped)
            }
            Some(Change::Expire { .. }) => {
                rows::drop_words(tx, tenant, &keys, Whose::Over(self.now), "expiry")?;
                self.settle(tx, keys)
            }
            Some(Change::Except(_) | Change::Unexcept { .. }) => {
                run.iter().zip(keys).try_for_each(|(change, key)| self.except(tx, change, key))
            }
        }
    }

    fn except(&mut self, tx: &mut Tx<'_>, change: &Change, key: Key) -> Result<(), Error> {
        let is_one = if let Change::Except(exception) = change {
            rows::except(tx, self.tenant, exception)?;
            true
        } else {
            if !rows::unexcept(tx, self.tenant, key.0, &key.1)? {
                return Ok(());
            }
            false
        };
        self.exceptions_now.insert(key, is_one);
        self.is_news = true;
        Ok(())
    }

    fn put(&mut self, tx: &mut Tx<'_>, run: &[Change], keys: &[Key]) -> Result<(), Error> {
        let mut listed = self.listed(tx, keys)?;
        let (mut words, mut objects, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (change, key) in run.iter().zip(keys) {
            let Change::Put(source) = change else { continue };
            if listed.contains_key(key) {
                known.push(key.clone());
            } else if self.objects >= limits::BLOCK_LIST_OBJECTS as i64 {
                self.done.full += 1;
                continue;
            } else {
                // Nobody else lists it: what this one says is what counts.
                objects.push(self.object((**source).clone()));
            }
            words.push(&**source);
        }
        rows::put_words(tx, self.tenant, &words)?;
        // Words whose time is over count here until somebody settles them: an object is not said less of by one more word.
        for merged in rows::merged(tx, self.tenant, &known, Micros::MIN)? {
            let Some(known) = listed.remove(&key_of(&merged)) else { continue };
            match self.follow(known, merged) {
                Some(object) => {
                    self.done.changed += 1;
                    objects.push(object);
                }
                None => self.done.unchanged += 1,
            }
        }
        rows::put(tx, self.tenant, &objects)
    }

    fn listed(&self, tx: &mut Tx<'_>, keys: &[Key]) -> Result<HashMap<Key, Object>, Error> {
        let objects = rows::objects(tx, self.tenant, keys)?;
        Ok(objects.into_iter().map(|object| ((object.kind, object.value.clone()), object)).collect())
    }

    /// Settles those that lost a word. The others were not listed by whose word it was.
    fn settle_some(&mut self, tx: &mut Tx<'_>, keys: &[Key], dropped: BTreeSet<Key>) -> Result<(), Error> {
        self.done.unlisted += (keys.len() - dropped.len()) as u32;
        self.settle(tx, dropped.into_iter().collect())
    }

    /// What is listed of objects after their sources changed.
    fn settle(&mut self, tx: &mut Tx<'_>, keys: Vec<Key>) -> Result<(), Error> {
        let mut listed = self.listed(tx, &keys)?;
        // What is over does not come back.
        let said = rows::merged(tx, self.tenant, &keys, self.now)?;
        let mut said: HashMap<Key, Source> = said.into_iter().map(|one| (key_of(&one), one)).collect();
        let (mut objects, mut gone) = (Vec::new(), Vec::new());
        for key in keys {
            match (listed.remove(&key), said.remove(&key)) {
                (None, None) => self.done.unlisted += 1,
                (None, Some(merged)) => objects.push(self.object(merged)),
                (Some(_), None) => {
                    gone.push(key.clone());
                    self.objects -= 1;
                    self.done.removed += 1;
                    self.tell(key, None);
                }
                (Some(known), Some(merged)) => {
                    objects.extend(self.follow(known, merged));
                    self.done.kept += 1;
                }
            }
        }
        rows::put(tx, self.tenant, &objects)?;
        rows::delete(tx, self.tenant, &gone).map(drop)
    }

    /// An object that was not listed.
    fn object(&mut self, source: Source) -> Object {
        let Source { kind, value, task_id, action, risk, expires_at, note, added_by, added_at } = source;
        self.objects += 1;
        self.done.added += 1;
        self.tell((kind, value.clone()), Some((kind, action, risk, expires_at.unwrap_or(0))));
        Object {
            id: Uuid::now_v7(),
            kind,
            shown: shown(kind, &value),
            value,
            action,
            risk,
            expires_at,
            note,
            task_id,
            added_by,
            added_at,
            version: self.next,
        }
    }

    /// A listed object as its sources say; `None` where they say of it what was said.
    fn follow(&mut self, known: Object, merged: Source) -> Option<Object> {
        let said = (merged.kind, merged.action, merged.risk, merged.expires_at.unwrap_or(0));
        if said == (known.kind, known.action, known.risk, known.expires_at.unwrap_or(0)) {
            return None;
        }
        self.tell((known.kind, known.value.clone()), Some(said));
        Some(Object {
            action: merged.action,
            risk: merged.risk,
            expires_at: merged.expires_at,
            note: merged.note,
            task_id: merged.task_id,
            added_by: merged.added_by,
            version: self.next,
            ..known
        })
    }

    fn tell(&mut self, key: Key, said: Option<Said>) {
        self.objects_now.insert(key, said);
        self.is_news = true;
    }

    /// The delta, how many objects it adds or changes, and how many it removes.
    fn delta(&mut self, before: &State) -> (Delta, i64, i64) {
        let mut groups: BTreeMap<Said, Vec<Vec<u8>>> = BTreeMap::new();
        let mut removes: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
        let (mut added, mut removed) = (0, 0);
        for ((kind, value), said) in std::mem::take(&mut self.objects_now) {
            if let Some(said) = said {
                groups.entry(said).or_default().push(value);
                added += 1;
            } else {
                removes.entry(kind).or_default().push(value);
                removed += 1;
            }
        }
        let mut excepts: [BTreeMap<i64, Vec<Vec<u8>>>; 2] = Default::default();
        for ((kind, value), is_one) in std::mem::take(&mut self.exceptions_now) {
            excepts[usize::from(is_one)].entry(kind).or_default().push(value);
        }
        let [unexcepts, excepts] = excepts.map(plain);
        let delta = Delta {
            tenant_id: self.tenant.to_string(),
            from_version: before.version.unsigned_abs(),
            to_version: self.next.unsigned_abs(),
            base: before.digest.clone(),
            made_at_us: self.now,
            removes: plain(removes),
            adds: groups.into_iter().map(|(said, values)| group(said, values)).collect(),
            unexcepts,
            excepts,
            part: None,
        };
        (delta, added, removed)
    }
}

/// Objects that share all but their value, as agents are told them.
pub(super) fn group((kind, action, risk, expires_at_us): Said, values: Vec<Vec<u8>>) -> Group {
    Group { kind: kind as i32, action: action as i32, risk: risk as i32, expires_at_us, values }
}

pub(super) fn plain(values: BTreeMap<i64, Vec<Vec<u8>>>) -> Vec<Plain> {
    values.into_iter().map(|(kind, values)| Plain { kind: kind as i32, values }).collect()
}

/// A value as the database has it.
pub(crate) fn key(value: &Value) -> Key {
    (i64::from(value.kind().number()), value.to_bytes())
}

fn key_of(source: &Source) -> Key {
    (source.kind, source.value.clone())
}

/// A value that the database has.
pub(crate) fn value(kind: i64, bytes: &[u8]) -> Option<Value> {
    Value::from_bytes(Kind::of_number(i32::try_from(kind).ok()?)?, bytes)
}

fn shown(kind: i64, bytes: &[u8]) -> String {
    value(kind, bytes).map(|value| value.to_string()).unwrap_or_default()
}

/// What several say of one object. Who said it, and what is known of it, is of the first argument.
pub(super) fn merge(who: Source, sources: &[Source]) -> Source {
    let never = sources.iter().any(|source| source.expires_at.is_none());
    Source {
        action: sources.iter().map(|source| source.action).max().unwrap_or(who.action),
        risk: sources.iter().map(|source| source.risk).max().unwrap_or(who.risk),
        expires_at: if never { None } else { sources.iter().filter_map(|source| source.expires_at).max() },
        ..who
    }
}
