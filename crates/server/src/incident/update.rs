//! What an agent sent of a chain, as rows: everything once, times brought into what is plausible, names fit to be kept.

use std::collections::BTreeMap;

use prost::Message as _;
use quell_store::Micros;
use quell_store::chain::rows::{Activity as ActivityRow, Process as ProcessRow};
use quell_wire::activity::{Activity, ChainUpdate, Detection, Gaps, Process, ProcessKey};
use quell_wire::limits;

use super::word;

/// How old what an agent tells may be, microseconds: as long as a recorder keeps anything.
const OLDEST: Micros = *limits::RING_AGE_S.end() as Micros * 1_000_000;

/// An update of a chain, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// What the endpoint calls the chain.
    pub name: String,
    /// Its number.
    pub serial: i64,
    /// The boot that its processes belong to.
    pub boot_id: String,
    /// Topmost process.
    pub root: ProcessKey,
    /// Processes, each key once.
    pub processes: Vec<Process>,
    /// The same as rows.
    pub process_rows: Vec<ProcessRow>,
    /// Activity events, each number once.
    pub activities: Vec<Activity>,
    /// The same as rows.
    pub activity_rows: Vec<ActivityRow>,
    /// Detections, each id once, with the time that was told.
    pub detections: Vec<(Detection, Micros)>,
    /// What the chain lacks.
    pub gaps: Gaps,
    /// Nothing more will come.
    pub is_closed: bool,
    /// What it took on its way.
    pub bytes: i64,
    /// When it came.
    pub received_at: Micros,
}

/// A time that can be: no older than what a recorder keeps, and no further ahead than clocks may differ.
pub(crate) fn plausible(at: Micros, now: Micros) -> Micros {
    at.clamp(now - OLDEST, now + limits::CLOCK_SKEW_US)
}

/// The time of a process. It may be as old as the machine; 0 stays 0, which says that there is none.
fn lived(at: Micros, now: Micros) -> Micros {
    at.clamp(0, now + limits::CLOCK_SKEW_US)
}

impl Update {
    /// Reads an update that was checked against the limits.
    pub fn of(update: ChainUpdate, now: Micros) -> Self {
        let bytes = i64::try_from(update.encoded_len()).unwrap_or(i64::MAX);
        let ChainUpdate { chain_id, serial, boot_id, root, processes, activities, detections, gaps, closed } =
            update;
        let processes: BTreeMap<ProcessKey, Process> =
            processes.into_iter().map(|process| (process.key, settled(process, now))).collect();
        let activities: BTreeMap<u64, Activity> = activities
            .into_iter()
            .map(|activity| (activity.id, Activity { at_us: plausible(activity.at_us, now), ..activity }))
            .collect();
        let mut found: BTreeMap<String, (Detection, Micros)> = BTreeMap::new();
        for detection in detections {
            let told = detection.at_us;
            let detection = Detection { at_us: plausible(told, now), ..detection };
            found.entry(detection.id.clone()).or_insert((detection, told));
        }
        let processes: Vec<Process> = processes.into_values().collect();
        let activities: Vec<Activity> = activities.into_values().collect();
        Self {
            name: chain_id,
            serial: signed(serial),
            boot_id,
            root,
            process_rows: processes.iter().map(process_row).collect(),
            activity_rows: activities.iter().map(|activity| activity_row(activity, now)).collect(),
            processes,
            activities,
            detections: found.into_values().collect(),
            gaps,
            is_closed: closed,
            bytes,
            received_at: now,
        }
    }
}

fn settled(process: Process, now: Micros) -> Process {
    Process {
        started_at_us: lived(process.started_at_us, now),
        ended_at_us: lived(process.ended_at_us, now),
        ..process
    }
}

/// A number of the protocol as the database has it; the limits keep it within.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The key of a process as the database has it.
pub(crate) fn key(key: ProcessKey) -> (i64, i64) {
    (i64::from(key.pid), signed(key.start))
}

fn process_row(process: &Process) -> ProcessRow {
    let (pid, start) = key(process.key);
    ProcessRow {
        pid,
        start,
        parent: process.parent.map(key),
        started_at: process.started_at_us,
        body: process.encode_to_vec(),
    }
}

fn activity_row(activity: &Activity, now: Micros) -> ActivityRow {
    let (pid, start) = key(activity.process);
    ActivityRow {
        chain_id: uuid::Uuid::nil(),
        activity: signed(activity.id),
        at: activity.at_us,
        kind: activity.deed.as_ref().map_or("", word::kind).to_owned(),
        pid,
        start,
        received_at: now,
        body: activity.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_800_000_000_000_000;
    const AHEAD: Micros = NOW + limits::CLOCK_SKEW_US;

    #[test]
    fn absurd_times_are_brought_into_what_is_plausible() {
        let key = ProcessKey { pid: 7, start: 9 };
        let process = |at| Process { key, started_at_us: at, ended_at_us: i64::MAX, ..Process::default() };
        let activity = |id, at_us| Activity { id, at_us, process: key, deed: None };
        let detection = |at_us| Detection { id: "d".to_owned(), at_us, ..Detection::default() };
        let update = ChainUpdate {
            processes: vec![process(5), process(i64::MAX)],
            activities: vec![activity(1, 0), activity(2, i64::MAX), activity(2, NOW - 1)],
            detections: vec![detection(i64::MAX), detection(3)],
            ..ChainUpdate::default()
        };
        let update = Update::of(update, NOW);
        assert_eq!(update.processes.len(), 1, "the later of two with one key counts");
        assert_eq!((update.processes[0].started_at_us, update.processes[0].ended_at_us), (AHEAD, AHEAD));
        let times: Vec<Micros> = update.activity_rows.iter().map(|row| row.at).collect();
        assert_eq!(times, [NOW - OLDEST, NOW - 1]);
        let (first, told) = &update.detections[0];
        assert_eq!((update.detections.len(), first.at_us, *told), (1, AHEAD, i64::MAX));
    }
}
