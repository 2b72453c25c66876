//! Chains as they are gathered, cut into updates and told.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
use prost::Message as _;
use quell_wire::activity::{ChainUpdate, Deed, Dns, Image, Severity, Source, Verdict};

use super::*;
use crate::recorder::item::{Facts, Program, What};

fn key(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: 9 }
}

fn process(key: ProcessKey, path: &[u8]) -> Process {
    let image = Image { path: path.to_vec(), directory: path.to_vec(), ..Image::default() };
    Process { key, image, ..Process::default() }
}

fn asked(id: u64, pid: u32) -> Arc<Item> {
    let what = What::Other(Deed::Dns(Dns { name: "a".into(), ..Dns::default() }));
    Arc::new(Item { id, at_us: 1, key: key(pid), what })
}

fn detection(activity: u64) -> Detection {
    Detection {
        id: "d".into(),
        at_us: 7,
        activity,
        source: Source::Behaviour.into(),
        severity: Severity::High.into(),
        verdict: Verdict::Detected.into(),
        ..Detection::default()
    }
}

fn lost(lost: u64) -> Unseen {
    Unseen { lost, ..Unseen::default() }
}

fn update(chain: &mut Chain, path: &[u8]) -> Option<ChainUpdate> {
    let (letter, _) = chain.cut("boot", lost(10), &|key| Some(process(key, path)))?;
    assert!(letter.body.len() < 512 << 10, "{}", letter.body.len());
    let update = ChainUpdate::decode(letter.body.as_slice()).unwrap();
    assert_eq!(update.check(), Ok(()));
    assert_eq!((update.serial, letter.serial), (chain.state.serial, chain.state.serial));
    Some(update)
}

#[test]
fn a_detection_goes_first_with_its_event_and_its_process() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(4));
    for pid in 1..=200 {
        assert!(chain.process(key(pid)));
        chain.activity(&asked(u64::from(pid), pid));
    }
    chain.detection(detection(150), Some(asked(150, 150)));
    let first = update(&mut chain, b"/bin/x").unwrap();
    assert_eq!((first.serial, first.processes[0].key, first.activities[0].id), (1, key(150), 150));
    assert_eq!((first.detections.len(), first.gaps.lost), (1, 6));
    assert_eq!((first.processes.len(), first.activities.len()), (limits::UPDATE_PROCESSES, 1));
    let mut told: BTreeSet<u64> = first.activities.iter().map(|activity| activity.id).collect();
    let mut processes = first.processes.len();
    while let Some(next) = update(&mut chain, b"/bin/x") {
        processes += next.processes.len();
        assert!(next.activities.is_empty() || processes == 200, "what was done comes after who did it");
        told.extend(next.activities.iter().map(|activity| activity.id));
    }
    assert_eq!((processes, told.len()), (200, 200));
    assert!(chain.due.is_none() && chain.is_told());
}

#[test]
fn an_update_is_never_larger_than_a_frame_takes() {
    let long = vec![b'x'; limits::PATH];
    let mut chain = Chain::new(1, "c".into(), key(1), lost(0));
    let program = Arc::new(Program {
        image: Image { path: long.clone(), directory: long.clone(), ..Image::default() },
        ..Program::default()
    });
    for pid in 1..=300 {
        chain.process(key(pid));
        let what = What::Start(program.clone());
        let item = Arc::new(Item { id: pid.into(), at_us: 1, key: key(pid), what });
        chain.activity(&item);
        if pid % 10 == 0 {
            chain.detection(detection(pid.into()), Some(item));
        }
    }
    let mut updates = 0;
    while update(&mut chain, &long).is_some() {
        updates += 1;
    }
    assert!(updates > 8, "{updates}");
}

#[test]
fn what_is_beyond_the_limits_is_counted() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(0));
    let taken = (1..=3000).filter(|pid| chain.process(key(*pid))).count();
    assert_eq!(taken, limits::CHAIN_PROCESSES - RESERVE);
    assert!(chain.key_process(key(3000)));
    chain.activity(&asked(1, 2999));
    while update(&mut chain, b"/x").is_some() {}
    for id in 1..=(WAITING as u64 + 5) {
        chain.activity(&asked(id, 1));
    }
    let gaps = chain.gaps(lost(0));
    assert_eq!((gaps.processes_beyond, gaps.activities_beyond), (1000 + RESERVE as u64, 6));
    chain.drop_waiting();
    let last = update(&mut chain, b"/x").unwrap();
    assert_eq!((last.activities.len(), last.gaps.activities_beyond), (0, 6 + WAITING as u64));
    for n in 0..1100 {
        chain.detection(detection(n + 1), None);
    }
    let mut detections = 0;
    while let Some(next) = update(&mut chain, b"/x") {
        detections += next.detections.len();
    }
    assert_eq!(detections, limits::CHAIN_DETECTIONS * 19 / 20, "some are left for worse ones");
}

#[test]
fn a_flood_of_mild_detections_leaves_room_for_worse_ones_and_is_counted() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(10));
    chain.process(key(1));
    let of = |severity: Severity, source: Source| Detection {
        severity: severity.into(),
        source: source.into(),
        ..detection(1)
    };
    let taken = |chain: &mut Chain, count, severity, source| {
        (0..count).filter(|_| chain.detection(of(severity, source), None)).count()
    };
    assert_eq!(taken(&mut chain, 5000, Severity::Low, Source::Behaviour), 750);
    assert_eq!(taken(&mut chain, 300, Severity::High, Source::Behaviour), 200);
    assert_eq!(taken(&mut chain, 1, Severity::Informational, Source::Asked), 1);
    assert_eq!(taken(&mut chain, 100, Severity::Critical, Source::Behaviour), 49);
    assert_eq!(chain.gaps(lost(10)).lost, 4250 + 100 + 51);
    let mut told = 0;
    let mut lost = 0;
    while let Some(next) = update(&mut chain, b"/x") {
        (told, lost) = (told + next.detections.len(), next.gaps.lost);
    }
    assert_eq!((told, lost), (limits::CHAIN_DETECTIONS, 4250 + 100 + 51), "and the server is told");
}

#[test]
fn facts_that_come_late_are_told_again_and_others_once() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(0));
    let program = Arc::new(Program::default());
    let start = |id| Arc::new(Item { id, at_us: 1, key: key(1), what: What::Start(program.clone()) });
    let item = start(5);
    chain.process(key(1));
    chain.activity(&item);
    chain.facts(&item);
    let first = update(&mut chain, b"/x").unwrap();
    assert_eq!(first.activities.len(), 1);
    assert!(update(&mut chain, b"/x").is_none());
    program.late.set(Facts { sha256: Some([7; 32]), ..Facts::default() }).unwrap();
    chain.facts(&item);
    let again = update(&mut chain, b"/x").unwrap();
    assert_eq!((again.processes.len(), again.activities.len()), (1, 1));
    let Some(Deed::Start(image)) = &again.activities[0].deed else { panic!() };
    assert_eq!(image.sha256, [7; 32]);
    chain.facts(&start(9));
    assert!(update(&mut chain, b"/x").is_some_and(|update| update.activities.is_empty()), "not told yet");
    let stranger = Arc::new(Item { id: 1, at_us: 1, key: key(2), what: What::Start(program.clone()) });
    chain.facts(&stranger);
    assert!(update(&mut chain, b"/x").is_none());
}

#[test]
fn what_the_ring_answers_late_does_not_take_facts_back_that_came_meanwhile() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(0));
    let program = Arc::new(Program::default());
    let item = Arc::new(Item { id: 5, at_us: 1, key: key(1), what: What::Start(program.clone()) });
    let before = item.activity();
    chain.process(key(1));
    // One that is told already has a larger number.
    chain.activity(&asked(9, 1));
    update(&mut chain, b"/x").unwrap();
    chain.asks();
    program.late.set(Facts { sha256: Some([7; 32]), ..Facts::default() }).unwrap();
    chain.facts(&item);
    let found = Found { chain: 1, activities: vec![before], ..Found::default() };
    chain.history(found);
    let told: Vec<Activity> =
        std::iter::from_fn(|| update(&mut chain, b"/x")).flat_map(|update| update.activities).collect();
    let Some(Deed::Start(image)) = &told.last().unwrap().deed else { panic!() };
    assert_eq!((told.last().unwrap().id, image.sha256.as_slice()), (5, &[7; 32][..]));
}

#[test]
fn a_chain_that_is_closed_says_so_last() {
    let mut chain = Chain::new(1, "c".into(), key(1), lost(0));
    for pid in 1..=100 {
        chain.process(key(pid));
    }
    chain.is_closing = true;
    let first = update(&mut chain, b"/x").unwrap();
    assert!(!first.closed);
    let last = update(&mut chain, b"/x").unwrap();
    assert!(last.closed && last.processes.len() == 36);
    let kept = KeptChain { members: vec![(key(3), Reach::All)], serial: 7, lost: 5, ..chain.state.clone() };
    let mut resumed = Chain::resumed(2, kept, lost(0));
    assert!(resumed.tells(key(3)) && resumed.is_told());
    assert_eq!(resumed.gaps(lost(2)).lost, 7, "with those of an earlier run");
    let now = Unseen { vanished_files: 3, ..lost(2) };
    assert_eq!((resumed.gaps(now).lost, resumed.gaps(now).vanished_files), (7, 3), "those are no loss");
}
