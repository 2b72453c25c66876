//! What may be done about each activity event, and why something may not.

use quell_catalog::ActionKind;
use quell_incident::offer::{self, Offers};
use quell_incident::{Setting, View};
use quell_wire::activity::{Connection, Deed, FileDeed, Format, Image, Login, Severity, Source};
use serde_json::{Map, Value, json};

use crate::scene::{Scene, endpoint, hash, setting};

fn of(scene: &Scene, activity: u64, setting: &Setting) -> Offers {
    offer::of_activity(&View::of(&scene.chain), activity, setting)
}

/// Each offer as its action, with the codes of its warnings, or `!` and why it is refused.
fn told(offers: &Offers) -> Vec<String> {
    let line = |offer: &offer::Offer| {
        if let Some(why) = &offer.refused {
            return format!("{} !{}", offer.action.id(), why.code);
        }
        let codes: Vec<_> = offer.warnings.iter().map(|told| told.code).collect();
        [&[offer.action.id()], &codes[..]].concat().join(" ")
    };
    let nothing = offers.nothing.iter().map(|why| format!("nothing !{}", why.code));
    offers.offers.iter().map(line).chain(nothing).collect()
}

fn params(offers: &Offers, action: ActionKind) -> Value {
    offers.get(action).unwrap().params.clone().unwrap()
}

#[test]
fn each_kind_of_event_has_its_actions() {
    let mut scene = Scene::new("e1", "c", 100);
    let start = scene.run(100, 0, "/tmp/x");
    let create = scene.create(100, "/tmp/y", 0x12, Format::Elf);
    let write = scene.write(100, "/tmp/w", 0x13, Format::Elf);
    let rename = scene.rename(100, "/tmp/q", "/tmp/r", 0x14, Format::Elf);
    let connect = scene.connect(100, "203.0.113.9", 443);
    let ask = scene.ask(100, "evil.example.", [1; 4]);
    let listen =
        scene.deed(100, Deed::Listen(Connection { local_port: 4444, protocol: 6, ..Connection::default() }));
    let login = scene.deed(100, Deed::Login(Login { user: "ann".into(), ..Login::default() }));
    let all = |id| told(&of(&scene, id, &setting()));
    let file = ["file.prevent_run", "file.quarantine", "file.delete"];
    assert_eq!(all(start), [&file[..], &["process.terminate"]].concat());
    for id in [create, write, rename] {
        assert_eq!(all(id), file);
    }
    assert_eq!(all(connect), ["blocklist.add all_endpoints"]);
    assert_eq!(all(ask), ["blocklist.add all_endpoints"]);
    assert_eq!(all(listen), ["nothing !port"]);
    assert_eq!(all(login), ["nothing !login"]);
    assert_eq!(all(999), ["nothing !no_activity"]);

    let offers = of(&scene, start, &setting());
    let hash = "11".repeat(32);
    assert_eq!(params(&offers, ActionKind::FilePreventRun), json!({ "sha256": hash, "path": "/tmp/x" }));
    assert_eq!(
        params(&offers, ActionKind::FileQuarantine),
        json!({ "path": "/tmp/x", "sha256": hash, "lift_immutable": false, "max_bytes": 1_u64 << 30 })
    );
    assert_eq!(
        params(&offers, ActionKind::ProcessTerminate),
        json!({ "pid": 100, "start_time": 100, "boot_id": "boot-1", "descendants": false, "grace_seconds": 0 })
    );
    let listed = params(&of(&scene, ask, &setting()), ActionKind::BlocklistAdd);
    assert_eq!(listed["objects"], json!([{ "kind": "domain", "value": "evil.example" }]));
    assert_eq!(listed["note"], "evil.example. on web-1, 2026-11-23T08:00:06.000000Z");
}

#[test]
fn of_an_interpreter_the_script_is_the_object() {
    let mut scene = Scene::new("e1", "c", 100);
    let script = scene.script(100, 0, "/bin/sh", "/tmp/x.sh");
    let bare = scene.run(101, 100, "/bin/sh -c id");
    let offers = of(&scene, script, &setting());
    assert_eq!(offers.object, "/tmp/x.sh");
    assert_eq!(params(&offers, ActionKind::FilePreventRun)["sha256"], "22".repeat(32));
    assert_eq!(told(&offers)[..3], ["file.prevent_run", "file.quarantine", "file.delete"]);
    let bare = of(&scene, bare, &setting());
    assert_eq!(
        told(&bare),
        [
            "file.prevent_run !interpreter",
            "file.quarantine !interpreter",
            "file.delete !interpreter",
            "process.terminate"
        ]
    );
    let why = bare.get(ActionKind::FileQuarantine).unwrap().refused.as_ref().unwrap();
    assert!(why.text.contains("sh 1.0-1") && why.text.contains("terminate the process"), "{}", why.text);
}

#[test]
fn what_the_machine_runs_on_is_not_taken_from_it() {
    let mut scene = Scene::new("e1", "c", 100);
    let refused = |offers: &Offers| told(offers).iter().filter(|line| line.contains(" !")).count();
    for (number, path) in [
        "/usr/bin/dash",
        "/usr/bin/bash",
        "/usr/bin/python3",
        "/usr/bin/python3.13",
        "/bin/busybox",
        "/usr/bin/curl",
    ]
    .into_iter()
    .enumerate()
    {
        let start = scene.run(101 + u32::try_from(number).unwrap(), 100, &format!("{path} -c x"));
        let offers = of(&scene, start, &setting());
        assert_eq!(refused(&offers), 3, "{path}: {:?}", told(&offers));
        assert_eq!(told(&offers)[3], "process.terminate", "{path}");
    }
    // In a container no package is known: an interpreter is one still, and another program may be anybody's.
    let bare = |path: &str| Image { path: path.into(), sha256: hash(3), ..Image::default() };
    let start = scene.start(201, 100, bare("/usr/bin/python3"));
    assert_eq!(told(&of(&scene, start, &setting()))[0], "file.prevent_run !interpreter");
    let start = scene.start(202, 100, bare("/usr/bin/xz-helper"));
    assert_eq!(told(&of(&scene, start, &setting()))[1], "file.quarantine system_path");
    // An interpreter that was brought along is the intruder's own.
    let start = scene.start(203, 100, bare("/tmp/.x/python3"));
    assert_eq!(told(&of(&scene, start, &setting()))[1], "file.quarantine");
    let over = scene.write(203, "/usr/bin/bash", 4, Format::Elf);
    assert_eq!(refused(&of(&scene, over, &setting())), 3);
    // A copy of a package's program is taken away by its name; its content is that program's too.
    let copy = scene.create(203, "/tmp/.b", 0xaa, Format::Elf);
    assert_eq!(
        told(&of(&scene, copy, &setting())),
        ["file.prevent_run !packaged", "file.quarantine", "file.delete"]
    );
}

#[test]
fn a_file_is_looked_for_where_it_is_now() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/tmp/x");
    let create = scene.create(100, "/tmp/a", 0x12, Format::Elf);
    scene.write(100, "/tmp/a", 0x13, Format::Elf);
    scene.rename(100, "/tmp/a", "/tmp/b", 0, Format::Elf);
    let offers = of(&scene, create, &setting());
    assert_eq!(
        told(&offers),
        ["file.prevent_run", "file.quarantine moved changed", "file.delete moved changed"]
    );
    assert_eq!(params(&offers, ActionKind::FileQuarantine)["path"], "/tmp/b");
    assert_eq!(params(&offers, ActionKind::FileQuarantine)["sha256"], "13".repeat(32));
    // The content of that moment is what must not run, and no path holds it any more.
    assert_eq!(params(&offers, ActionKind::FilePreventRun), json!({ "sha256": "12".repeat(32) }));
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    let file = |path: &[u8], sha256: Vec<u8>, mode| FileDeed {
        path: path.to_vec(),
        sha256,
        mode,
        ..FileDeed::default()
    };
    let unknown = scene.deed(100, Deed::FileCreate(file(b"/tmp/u", vec![], 0o100_755)));
    let odd = scene.deed(100, Deed::FileCreate(file(b"/tmp/\xff", hash(1), 0)));
    let control = scene.deed(100, Deed::FileCreate(file(b"/tmp/a\nb", hash(1), 0)));
    let relative = scene.deed(100, Deed::FileCreate(file(b"tmp/../x", hash(1), 0)));
    let nowhere = scene.deed(100, Deed::FileCreate(file(b"", hash(1), 0)));
    let directory = scene.deed(100, Deed::FileCreate(file(b"/tmp/d", hash(1), 0o040_755)));
    let agent = scene.deed(100, Deed::FileWrite(file(b"/usr/bin/quell-agent", hash(1), 0o100_755)));
    let library =
        scene.deed(100, Deed::FileWrite(file(b"/usr/lib/x86_64-linux-gnu/libc.so.6", hash(1), 0o100_755)));
    let all = |id| told(&of(&scene, id, &setting()));
    assert_eq!(all(unknown), ["file.prevent_run !no_hash", "file.quarantine no_hash", "file.delete no_hash"]);
    assert_eq!(all(odd), ["file.prevent_run", "file.quarantine", "file.delete"]);
    assert_eq!(params(&of(&scene, odd, &setting()), ActionKind::FileDelete)["path_hex"], "2f746d702fff");
    assert_eq!(all(control), ["file.prevent_run", "file.quarantine !path_unfit", "file.delete !path_unfit"]);
    assert_eq!(all(relative), ["file.prevent_run", "file.quarantine !path_unfit", "file.delete !path_unfit"]);
    assert_eq!(all(nowhere), ["file.prevent_run", "file.quarantine !no_path", "file.delete !no_path"]);
    assert_eq!(all(directory)[1..], ["file.quarantine !not_a_file", "file.delete !not_a_file"]);
    assert_eq!(
        all(agent),
        ["file.prevent_run !protected", "file.quarantine !protected", "file.delete !protected"]
    );
    assert_eq!(all(library)[1], "file.quarantine system_path");
}

#[test]
fn a_program_without_a_file_is_ended_and_kept_from_running() {
    let mut scene = Scene::new("e1", "c", 100);
    let start = scene.run(100, 0, "/tmp/x");
    let image = |scene: &mut Scene, nameless, in_memory| match &mut scene.chain.activities[0].deed {
        Some(Deed::Start(image)) => (image.nameless, image.in_memory) = (nameless, in_memory),
        _ => unreachable!(),
    };
    image(&mut scene, true, false);
    let offers = of(&scene, start, &setting());
    assert_eq!(
        told(&offers),
        ["file.prevent_run", "file.quarantine !deleted", "file.delete !deleted", "process.terminate"]
    );
    assert_eq!(params(&offers, ActionKind::FilePreventRun), json!({ "sha256": "11".repeat(32) }));
    image(&mut scene, true, true);
    assert_eq!(told(&of(&scene, start, &setting()))[1], "file.quarantine !memory_only");
}

#[test]
fn a_process_is_ended_only_where_it_still_is() {
    let mut scene = Scene::new("e1", "c", 100);
    let start = scene.run(100, 0, "/tmp/x");
    scene.run(101, 100, "/tmp/y");
    let terminate = |scene: &Scene, setting: &Setting| told(&of(scene, start, setting)).pop().unwrap();
    let offers = of(&scene, start, &setting());
    let offer = offers.get(ActionKind::ProcessTerminate).unwrap();
    assert_eq!(offer.choices[0].text, "end its descendants too: 1 is known to run");
    assert!(offer.choices[0].preset);
    let chosen = |value: Value| offer.with(&value.as_object().unwrap().clone());
    assert_eq!(chosen(json!({ "descendants": false })).unwrap()["descendants"], false);
    assert_eq!(chosen(json!({ "pid": 1 })).unwrap_err().code, "not_a_choice");
    assert_eq!(chosen(json!({ "descendants": "yes" })).unwrap_err().code, "unfit");
    assert_eq!(chosen(json!({})).unwrap()["pid"], 100);

    let mut elsewhere = setting();
    elsewhere.endpoints.get_mut("e1").unwrap().boot_id = Some("boot-2".into());
    assert_eq!(terminate(&scene, &elsewhere), "process.terminate !other_boot");
    elsewhere.endpoints.get_mut("e1").unwrap().boot_id = None;
    assert_eq!(terminate(&scene, &elsewhere), "process.terminate boot_unknown");
    elsewhere.endpoints.get_mut("e1").unwrap().actions.clear();
    assert_eq!(terminate(&scene, &elsewhere), "process.terminate !not_capable");
    elsewhere.endpoints.clear();
    assert_eq!(terminate(&scene, &elsewhere), "process.terminate !no_endpoint");
    scene.end(100);
    assert_eq!(terminate(&scene, &setting()), "process.terminate !ended");
    assert_eq!(
        of(&scene, start, &setting())
            .get(ActionKind::ProcessTerminate)
            .unwrap()
            .with(&Map::new())
            .unwrap_err()
            .code,
        "ended"
    );
    scene.process(100).ended_at_us = 0;
    scene.process(100).image.path = b"/usr/sbin/sshd".to_vec();
    scene.process(100).from_before = true;
    assert_eq!(terminate(&scene, &setting()), "process.terminate daemon from_before");
    scene.process(100).image.path = b"/usr/bin/quell-agent".to_vec();
    assert_eq!(terminate(&scene, &setting()), "process.terminate !protected");
}

#[test]
fn what_must_stay_reachable_is_never_listed() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/tmp/x");
    let mut all = |address: &str| {
        let id = scene.connect(100, address, 443);
        told(&of(&scene, id, &setting())).pop().unwrap()
    };
    assert_eq!(all("203.0.113.250"), "blocklist.add !kept");
    assert_eq!(all("::ffff:203.0.113.250"), "blocklist.add !kept");
    assert_eq!(all("10.0.0.5"), "blocklist.add !own_address");
    assert_eq!(all("127.0.0.1"), "blocklist.add !never_blocked");
    assert_eq!(all("10.0.0.9"), "blocklist.add all_endpoints private");
    let id = scene.deed(100, Deed::Connect(Connection::default()));
    assert_eq!(told(&of(&scene, id, &setting())), ["blocklist.add !no_address"]);
    for (name, wanted) in [
        ("QUELL.example.", "!kept"),
        ("gateway.quell.internal", "!never_blocked"),
        ("\\000.example", "!unfit"),
        ("host", "!unfit"),
        ("files.github.com", "all_endpoints many_serve"),
    ] {
        let id = scene.ask(100, name, [1; 4]);
        assert_eq!(told(&of(&scene, id, &setting())), [format!("blocklist.add {wanted}")], "{name}");
    }
}

#[test]
fn a_detection_is_about_the_file_that_it_names() {
    let mut scene = Scene::new("e1", "c", 100);
    let start = scene.run(100, 0, "/usr/bin/tar xf /tmp/a.tar");
    let hit = scene.detect(start, Source::Yara, Severity::High, "Archive", &[]);
    (hit.path, hit.sha256) = (b"/tmp/a.tar".to_vec(), hash(0x55));
    let id = hit.id.clone();
    let offers = offer::of_detection(&View::of(&scene.chain), &id, &setting());
    assert_eq!((offers.object.as_str(), told(&offers).len()), ("/tmp/a.tar", 3));
    assert_eq!(params(&offers, ActionKind::FileQuarantine)["sha256"], "55".repeat(32));
    scene.chain.detections[0].path.clear();
    let offers = offer::of_detection(&View::of(&scene.chain), &id, &setting());
    assert_eq!((offers.object.as_str(), told(&offers).len()), ("/usr/bin/tar", 4));
    assert_eq!(
        told(&offer::of_detection(&View::of(&scene.chain), "?", &setting())),
        ["nothing !no_detection"]
    );
}

#[test]
fn an_endpoint_is_isolated_once_and_starts_what_a_person_says() {
    let mut one = endpoint("e1", "web-1");
    let offers = offer::of_endpoint(&one);
    assert_eq!(told(&offers), ["endpoint.isolate", "process.start"]);
    let start = offers.get(ActionKind::ProcessStart).unwrap();
    assert!(start.asks && start.params.is_none());
    let chosen = |value: Value| start.with(value.as_object().unwrap());
    assert_eq!(chosen(json!({ "path": "/usr/bin/id" })).unwrap()["watch_seconds"], 3);
    assert_eq!(chosen(json!({ "path": "id" })).unwrap_err().code, "unfit");
    let isolate = offers.get(ActionKind::EndpointIsolate).unwrap();
    assert!(isolate.with(&Map::new()).is_ok());
    one.is_isolated = true;
    one.is_connected = false;
    assert_eq!(
        told(&offer::of_endpoint(&one)),
        ["endpoint.isolate !isolated", "process.start not_connected"]
    );
}

#[test]
fn without_a_chain_it_is_said_why() {
    let mut one = endpoint("e1", "web-1");
    one.actions.remove("endpoint.collect_chain");
    assert!(!offer::without_chain(Some(&one)).1 && !offer::without_chain(None).1);
    one.actions.insert("endpoint.collect_chain".into());
    let (why, can_ask) = offer::without_chain(Some(&one));
    assert!(can_ask && why.code == "no_chain");
}
