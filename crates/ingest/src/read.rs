//! Reading a body: record by record, each within limits.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::{Event, LINE, cut};
use crate::expression::{Expression, Got, Scope, Wanted};
use crate::frame::{Measure, Records, measure, member};
use crate::pack::Pack;
use crate::refused::{Reason, Refused};
use crate::value::{kind, shown};

/// What is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the whole body.
    pub body_bytes: usize,
    /// Of one record.
    pub record_bytes: usize,
    /// Of one body.
    pub records: usize,
    /// Objects and arrays in each other.
    pub depth: usize,
    /// Of one record, on all levels.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 8 << 20, record_bytes: 256 << 10, records: 10_000, depth: 32, values: 10_000 }
    }
}

/// The events of a body, one after the other. Records that the pack does not take are passed over and counted.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    pack: &'a Pack,
    limits: Limits,
    records: Records<'a>,
    /// Elements of the record at hand, where the pack says that records come in bundles.
    bundle: Option<Records<'a>>,
    /// Of a body that is longer than may be.
    too_long: Option<usize>,
    index: usize,
    skipped: u64,
}

impl<'a> Read<'a> {
    pub(crate) fn new(pack: &'a Pack, body: &'a [u8], limits: Limits) -> Self {
        let too_long = (body.len() > limits.body_bytes).then_some(body.len());
        let records = Records::of(if too_long.is_some() { b"" } else { body });
        Self { pack, limits, records, bundle: None, too_long, index: 0, skipped: 0 }
    }

    /// Records that were passed over up to now, for the pack does not take them.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Records that were looked at up to now, of whatever end.
    pub fn records(&self) -> usize {
        self.index
    }

    fn record(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(bundle) = &mut self.bundle {
                match bundle.next() {
                    Some(record) => return Some(record),
                    None => self.bundle = None,
                }
            }
            let record = self.records.next()?;
            let inner = if self.pack.records.is_empty() { None } else { member(record, &self.pack.records) };
            match inner.and_then(Records::elements) {
                Some(bundle) => self.bundle = Some(bundle),
                None => return Some(inner.unwrap_or(record)),
            }
        }
    }

    fn end(&mut self) {
        self.records = Records::of(b"");
        self.bundle = None;
    }
}

impl Iterator for Read<'_> {
    type Item = Result<Event, Refused>;

    fn next(&mut self) -> Option<Result<Event, Refused>> {
        if let Some(bytes) = self.too_long.take() {
            let reason = Reason::BodyTooLong { bytes, most: self.limits.body_bytes };
            return Some(Err(Refused { index: 0, pointer: String::new(), reason }));
        }
        loop {
            let record = self.record()?;
            let index = self.index;
            if index == self.limits.records {
                self.end();
                let reason = Reason::TooMany { most: index };
                return Some(Err(Refused { index, pointer: String::new(), reason }));
            }
            self.index += 1;
            match event(self.pack, record, &self.limits) {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => self.skipped += 1,
                Err((pointer, reason)) => return Some(Err(Refused { index, pointer, reason })),
            }
        }
    }
}

type Fault = (String, Reason);

/// The event of a record; none where the pack passes it over.
fn event(pack: &Pack, record: &[u8], limits: &Limits) -> Result<Option<Event>, Fault> {
    let whole = |reason| (String::new(), reason);
    if record.len() > limits.record_bytes {
        return Err(whole(Reason::TooLong { bytes: record.len(), most: limits.record_bytes }));
    }
    let Measure { depth, values } = measure(record);
    if depth > limits.depth {
        return Err(whole(Reason::TooDeep { most: limits.depth }));
    }
    if values > limits.values {
        return Err(whole(Reason::TooManyValues { most: limits.values }));
    }
    // Log lines of any encoding are carried along by some products: a byte that is no UTF-8 must not cost the alert.
    let text = String::from_utf8_lossy(record);
    let value: Value =
        serde_json::from_str(&text).map_err(|error| whole(Reason::NotJson(error.to_string())))?;
    if !value.is_object() {
        return Err(whole(Reason::NotAnObject(kind(&value))));
    }
    if let Some(failed) = pack.expect.iter().find(|expected| !expected.holds(&value)) {
        return Err(whole(Reason::NotOfSource { origin: pack.title.clone(), what: failed.words() }));
    }
    let taken = pack.take.iter().all(|condition| condition.holds(&value));
    if !taken || pack.skip.iter().any(|condition| condition.holds(&value)) {
        return Ok(None);
    }
    let mut event = mapped(pack, &value)?;
    event.raw_sha256 = hex(&Sha256::digest(record));
    if event.source_id.is_empty() {
        event.source_id.clone_from(&event.raw_sha256);
    }
    if matches!(text, std::borrow::Cow::Owned(_)) {
        event.remark("", "some of its bytes were no UTF-8 and are shown as \u{fffd}");
    }
    Ok(Some(event))
}

fn mapped(pack: &Pack, record: &Value) -> Result<Event, Fault> {
    let scope = Scope { base: record, prefix: "", missing: &pack.missing };
    let mut event = Event { source: pack.source.clone(), ..Event::default() };
    let at = required(&pack.at, "at", scope)?;
    let wrong = || format!("a time was expected, {} is there", shown(&at.text));
    event.at_us = at.time.read(&at.text).ok_or_else(|| (at.pointer.clone(), Reason::Wrong(wrong())))?;
    let title = required(&pack.heading, "title", scope)?;
    let (kept, is_cut) = cut(title.text.trim(), LINE);
    event.title = kept;
    if is_cut {
        event.remark(&title.pointer, format!("cut to {LINE} bytes of {}", title.text.len()));
    }
    pack.group.fill(scope, &mut event);
    for rule in &pack.observables {
        rule.fill(scope, &mut event);
    }
    Ok(event)
}

/// A field that every event has.
fn required<'a>(from: &'a Expression, field: &'static str, scope: Scope<'a>) -> Result<Got<'a>, Fault> {
    let mut complaints = Vec::new();
    match from.read(scope, Wanted::One, &mut complaints).into_iter().next() {
        Some(got) => Ok(got),
        None => Err(match complaints.into_iter().next() {
            Some((pointer, why)) => (pointer, Reason::Wrong(why)),
            None => (String::new(), Reason::Missing { field, from: from.places() }),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
