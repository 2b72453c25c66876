//! The tree and the timeline of any chain.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quell_incident::chain::{Place, merged};
use quell_incident::{Chain, View};
use quell_wire::activity::{Activity, Deed, Detection, Image, Process, ProcessKey, Severity, Source};

use crate::scene::{Scene, key, setting};
use crate::stories;

#[test]
fn a_chain_is_a_tree_by_time() {
    let chain = stories::dropper().chain;
    let view = View::of(&chain);
    let told: Vec<_> = view.nodes.iter().map(|node| (node.key.pid, node.depth, node.place)).collect();
    let child = |pid, depth| (pid, depth, Place::Child);
    assert_eq!(told, [(100, 0, Place::Root), child(101, 1), child(102, 1), child(103, 2)]);
    let x = view.node(key(102)).unwrap();
    assert_eq!((x.counts.starts, x.counts.files, x.counts.connections), (1, 1, 1));
    assert_eq!(x.techniques, ["T1053.003", "T1059.004", "T1105", "T1571"]);
    assert_eq!((x.severity, x.key_events.len()), (Some(Severity::High), 3));
    assert_eq!(view.descendants(0), [1, 2, 3]);
    assert_eq!(view.ancestry(3), [3, 2, 0]);
    assert_eq!(view.key_entry().unwrap().1.title, "Dropper");
    assert_eq!(view.users().into_iter().collect::<Vec<_>>(), [("ann", 1000)]);
}

#[test]
fn a_start_is_what_ran_at_that_moment() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/bin/sh");
    let first = scene.connect(100, "192.0.2.1", 1);
    scene.run(100, 0, "/tmp/x");
    let second = scene.connect(100, "192.0.2.1", 2);
    let view = View::of(&scene.chain);
    let at = |id| view.image_at(key(100), view.entry(id).unwrap().activity.at_us).unwrap().path.clone();
    assert_eq!((at(first), at(second)), (b"/bin/sh".to_vec(), b"/tmp/x".to_vec()));
    assert_eq!(view.nodes.len(), 1, "the same process, told twice");
}

#[test]
fn parents_that_cannot_be_are_not_believed() {
    let mut scene = Scene::new("e1", "c", 1);
    for (pid, parent) in [(10, 11), (11, 12), (12, 10), (20, 20), (30, 31), (40, 2), (50, 0)] {
        scene.run(pid, parent, "/tmp/x");
    }
    // All of the first three started in the same tick: only the circle itself gives them away.
    for process in &mut scene.chain.processes {
        if process.key.pid < 20 {
            process.key.start = 5;
            process.parent.as_mut().unwrap().start = 5;
        }
    }
    scene.deed(31, Deed::Start(Image::default()));
    let view = View::of(&scene.chain);
    let place = |pid: u32| {
        view.nodes.iter().find(|node| node.key.pid == pid && node.process.is_some()).unwrap().place
    };
    let circle: Vec<_> =
        [10, 11, 12].map(place).into_iter().filter(|place| *place == Place::ParentImpossible).collect();
    assert_eq!(circle.len(), 1, "a circle is cut once");
    assert_eq!(place(20), Place::ParentImpossible);
    assert_eq!(place(30), Place::ParentImpossible, "a parent younger than its child");
    assert_eq!((place(40), place(50)), (Place::ParentAbsent, Place::ParentUnknown));
    assert_eq!(view.node(key(31)).unwrap().place, Place::ParentUnknown, "only its activity was told");
}

#[test]
fn what_is_beyond_the_limits_is_counted() {
    let mut chain = Chain { endpoint: "e1".into(), ..Chain::default() };
    for pid in 1..=5000 {
        chain.processes.push(Process { key: key(pid), ..Process::default() });
    }
    for id in 1..=30_000_u64 {
        let process = key(u32::try_from(id).unwrap() * 7);
        chain.activities.push(Activity { id, at_us: -5, process, deed: None });
        chain.detections.push(Detection { id: id.to_string(), activity: id, ..Detection::default() });
    }
    let view = View::of(&chain);
    assert_eq!(
        (view.left_out.processes, view.left_out.activities, view.left_out.detections),
        (3000, 10_000, 29_000)
    );
    assert_eq!(view.entries.len(), 20_000);
    assert_eq!(view.nodes.len(), 4000);
}

#[test]
fn several_chains_have_one_timeline() {
    let (one, two) = (stories::dropper().chain, stories::by_cron().chain);
    let views = [View::of(&one), View::of(&two)];
    let all = merged(&views);
    assert_eq!(all.len(), one.activities.len() + two.activities.len());
    assert!(all.is_sorted_by_key(|moment| moment.at_us));
    assert_eq!(setting().name_of("e1"), "web-1");
    assert_eq!(setting().name_of("e9\n"), "e9\\u{a}");
}

prop_compose! {
    fn any_key()(pid in 0_u32..12, start in 0_u64..6) -> ProcessKey {
        ProcessKey { pid, start }
    }
}

prop_compose! {
    fn any_process()(key in any_key(), parent in proptest::option::of(any_key()), ended in any::<bool>(), path in 0_u8..4) -> Process {
        let path = [&b"/tmp/x"[..], b"/bin/sh", b"/usr/sbin/sshd", b""][usize::from(path)].to_vec();
        let image = Image { path, ..Image::default() };
        Process { key, parent, image, ended_at_us: i64::from(ended), ..Process::default() }
    }
}

prop_compose! {
    /// Any chain, as a stranger might tell it.
    pub fn any_chain()(
        root in any_key(),
        processes in proptest::collection::vec(any_process(), 0..24),
        events in proptest::collection::vec((any_key(), 0_i64..9, 0_u64..12, crate::cut::any_deed()), 0..24),
        hits in proptest::collection::vec((0_u64..14, 1_i32..5, 1_i32..6), 0..8),
    ) -> Chain {
        let activities = events.into_iter().map(|(process, at_us, id, deed)| Activity { id, at_us, process, deed });
        let detections = hits.into_iter().enumerate().map(|(number, (activity, source, severity))| Detection {
            id: (number % 6).to_string(),
            activity,
            source: Source::try_from(source).unwrap().into(),
            severity,
            ..Detection::default()
        });
        Chain {
            id: "c".into(),
            endpoint: "e1".into(),
            boot_id: "boot-1".into(),
            root,
            processes,
            activities: activities.collect(),
            detections: detections.collect(),
            ..Chain::default()
        }
    }
}

proptest! {
    #[test]
    fn any_chain_is_a_forest(chain in any_chain()) {
        let view = View::of(&chain);
        let keys: BTreeSet<_> = chain.processes.iter().map(|process| process.key).chain(chain.activities.iter().map(|activity| activity.process)).collect();
        let told: BTreeSet<_> = view.nodes.iter().map(|node| node.key).collect();
        // Activities of the same id replace each other, so some may be gone; every process that was told is there, once.
        prop_assert!(chain.processes.iter().all(|process| told.contains(&process.key)));
        prop_assert!(told.is_subset(&keys) && told.len() == view.nodes.len());
        for (place, node) in view.nodes.iter().enumerate() {
            prop_assert_eq!(view.place_of(node.key), Some(place));
            match node.parent {
                Some(parent) => {
                    prop_assert!(parent < place && view.nodes[parent].children.contains(&place));
                    prop_assert_eq!(node.depth, view.nodes[parent].depth + 1);
                    prop_assert_eq!(node.place, Place::Child);
                    // Never a wrong parent: only the one that was told.
                    prop_assert_eq!(node.process.unwrap().parent, Some(view.nodes[parent].key));
                }
                None => prop_assert!(node.depth == 0 && node.place != Place::Child),
            }
            let line = view.ancestry(place);
            prop_assert!(line.len() == node.depth + 1);
            prop_assert!(view.descendants(place).iter().all(|below| view.ancestry(*below).contains(&place)));
        }
        prop_assert!(view.entries.is_sorted_by_key(|entry| (entry.activity.at_us, entry.activity.id)));
        let hits = view.detections().count();
        prop_assert!(hits <= chain.detections.len());
    }
}
