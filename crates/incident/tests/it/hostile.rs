//! Chains that nobody honest tells: whatever can be stored is answered, and quickly.

use quell_incident::chain::Place;
use quell_incident::{Setting, View, cut, join, offer, summary};
use quell_wire::activity::{
    Activity, Connection, Deed, Dns, FileDeed, Format, Image, Login, Process, ProcessKey, Script, Severity,
    Source,
};

use crate::scene::{Scene, key, setting};

/// Names with all that hurts, in every field.
pub fn chain() -> Scene {
    let bad = b"/tmp/<script>alert(1)</script>\n\x1b[31m\xff\xe2\x80\xae'\"&".to_vec();
    let mut scene = Scene::new("e1", "c-bad", 100);
    let image = Image {
        path: bad.clone(),
        arguments: vec![bad.clone(), b"<img src=x onerror=alert(1)>".to_vec(), vec![0xff; 2000]],
        directory: bad.clone(),
        package: "</td><script>".into(),
        script: Some(Script { path: bad.clone(), sha256: vec![9; 32] }),
        terminal: "\u{202e}".into(),
        ..Image::default()
    };
    let start = scene.start(100, 0, image);
    scene.process(100).user = "javascript:<b>".into();
    let file = |from: &[u8]| FileDeed {
        path: bad.clone(),
        from: from.to_vec(),
        sha256: vec![7; 32],
        size: u64::MAX,
        mode: u32::MAX,
        format: Format::Elf.into(),
        copy_of: "\u{202e}<b>".into(),
    };
    let written = scene.deed(100, Deed::FileCreate(file(b"")));
    scene.deed(100, Deed::FileRename(file(&bad)));
    scene.deed(
        100,
        Deed::Connect(Connection {
            protocol: 255,
            remote: vec![0; 16],
            remote_port: 65_535,
            ..Connection::default()
        }),
    );
    scene.deed(
        100,
        Deed::Connect(Connection {
            inbound: true,
            remote: vec![1, 2, 3, 4],
            fate: 77,
            ..Connection::default()
        }),
    );
    scene.deed(100, Deed::Listen(Connection::default()));
    let dns = Dns {
        name: "<script>\\000.example".into(),
        kind: 65_535,
        server: vec![],
        answers: vec![vec![1; 4], vec![2; 16]],
    };
    scene.deed(100, Deed::Dns(dns));
    scene.deed(
        100,
        Deed::Login(Login {
            user: "<b>root</b>".into(),
            from: "::1".into(),
            terminal: String::new(),
            failed: true,
        }),
    );
    let last = scene.deed(4_000_000, Deed::FileWrite(FileDeed::default()));
    scene
        .detect(start, Source::Yara, Severity::Critical, "</title><script>alert(1)</script>", &["T1059"])
        .note = "\u{202e}<img>".into();
    scene.detect(written, Source::Behaviour, Severity::Low, "", &["T9999"]).path = bad;
    scene.detect(last, Source::Asked, Severity::Informational, "asked", &[]);
    scene.detect(99_999, Source::BlockList, Severity::High, "of an event that is not there", &["T1105"]);
    scene
}

/// Everything that is asked of a chain, asked.
fn all(chain: &quell_incident::Chain, setting: &Setting) {
    let view = View::of(chain);
    let links = join::links(&view, setting);
    assert!(links.kept.len() <= 5 * 256 && links.asked.len() <= 5 * 64);
    assert!(
        links.kept.iter().all(|link| link.value.len() == 64 && quell_catalog::is_clean_text(&link.shown))
    );
    let views = [view];
    let summary = summary::of(&views, setting);
    assert!(
        summary.title.chars().count() <= 200 && quell_catalog::is_clean_text(&summary.title),
        "{}",
        summary.title
    );
    for entry in views[0].entries.iter().take(200) {
        let offers = offer::of_activity(&views[0], entry.activity.id, setting);
        assert!(quell_catalog::is_clean_text(&offers.object));
        for offer in offers.offers {
            assert!(offer.params.is_some() != offer.refused.is_some(), "{offer:?}");
        }
    }
    let plan = cut::plan(&views, Severity::High, setting);
    assert!(plan.steps.len() <= cut::STEPS);
}

#[test]
fn names_of_any_bytes_are_answered() {
    let chain = chain().chain;
    all(&chain, &setting());
    all(&chain, &Setting::default());
    all(&quell_incident::Chain::default(), &setting());
}

#[test]
fn a_fork_bomb_is_judged_in_no_time() {
    let mut scene = Scene::new("e1", "c", 100);
    scene.run(100, 0, "/usr/bin/bash -i");
    let first = scene.run(101, 100, "/tmp/bomb");
    for pid in 102..2100 {
        let parent = if pid % 3 == 0 { 101 } else { pid - 1 };
        scene.run(pid, parent, "/tmp/bomb");
        if pid % 5 == 0 {
            scene.end(pid);
        }
    }
    for number in 0..18_000_u32 {
        let pid = 101 + number % 1999;
        scene.create(pid, &format!("/tmp/f{}", number % 9000), 0x12, Format::Elf);
    }
    scene.detect(first, Source::Yara, Severity::High, "bomb", &[]);
    let began = std::time::Instant::now();
    all(&scene.chain, &setting());
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[test]
fn a_plan_that_would_be_too_long_says_what_it_leaves_out() {
    let mut scene = Scene::new("e1", "c", 100);
    let first = scene.run(100, 0, "/tmp/x");
    for number in 0..250_u32 {
        let path = format!("/tmp/f{number:03}");
        scene.create(100, &path, u8::try_from(number % 250).unwrap(), Format::Elf);
    }
    scene.detect(first, Source::Yara, Severity::High, "x", &[]);
    let plan = cut::plan(&[View::of(&scene.chain)], Severity::High, &setting());
    assert_eq!(plan.steps.len(), cut::STEPS);
    let beyond: Vec<_> = plan.left.iter().filter(|told| told.code == "beyond").collect();
    assert_eq!(beyond.len(), 1, "{:?}", plan.left);
    let text = &beyond[0].text;
    assert!(text.starts_with("a plan has at most 200 steps, and ") && text.len() < 1500, "{text}");
    assert!(
        text.contains("Prevent Run: /tmp/f") && text.contains(" on web-1") && text.contains("; and "),
        "{text}"
    );
}

#[test]
fn one_path_that_is_written_and_moved_for_ever_is_judged_in_no_time() {
    let mut scene = Scene::new("e1", "c", 100);
    let first = scene.run(100, 0, "/tmp/x");
    for _ in 0..9990 {
        scene.rename(100, "/tmp/a", "/tmp/b", 0x12, Format::Elf);
        scene.rename(100, "/tmp/b", "/tmp/a", 0x13, Format::Elf);
    }
    scene.detect(first, Source::Yara, Severity::High, "x", &[]);
    let began = std::time::Instant::now();
    all(&scene.chain, &setting());
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[test]
fn a_chain_as_deep_as_it_is_long_is_laid_out() {
    let mut chain = quell_incident::Chain { endpoint: "e1".into(), root: key(10), ..Default::default() };
    for pid in 10..2000 {
        let parent = (pid > 10).then(|| ProcessKey { pid: pid - 1, start: u64::from(pid) - 1 });
        chain.processes.push(Process { key: key(pid), parent, ..Process::default() });
    }
    let view = View::of(&chain);
    assert_eq!(view.nodes.last().unwrap().depth, 1989);
    assert!(view.nodes.iter().skip(1).all(|node| node.place == Place::Child));
    chain.activities.push(Activity { id: 1, process: key(1999), ..Activity::default() });
    all(&chain, &setting());
}
