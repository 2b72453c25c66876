//! YARA rules run through the API on real files and real memory, some of which fight back.

use std::time::{Duration, Instant};

use quell_lab::site::{Machine, Site};
use serde_json::{Value, json};

use crate::{ended, id, process, said, site, succeeded, until};

const RULES: &str = r#"
rule needle : hay stack { meta: author = "lab" level = 3 strings: $a = "a-needle-4711" $b = { 4E 45 45 44 ?? 45 21 } condition: any of them }
rule named { condition: extension == ".odd" }
"#;

/// Its text never stands in a file that is looked at, nor in the memory of a process, before it is put together there.
const IN_MEMORY: &str = "rule secret { strings: $a = /token-[0-9]{4}-in-memory/ condition: $a }";

fn rules(site: &Site, name: &str, source: &str) {
    let item = json!({ "name": name, "body": source });
    site.api.post("/library/yara", &item).unwrap().good().unwrap();
}

fn rows(outcome: &Value) -> Vec<Value> {
    let rows = &outcome["matches"];
    let shown = rows["shown"].as_array().unwrap().clone();
    if rows["parts"].as_array().is_some_and(Vec::is_empty) {
        assert_eq!(rows["count"], shown.len());
    }
    shown
}

fn skipped(outcome: &Value, reason: &str) -> u64 {
    let all = outcome["skipped"].as_array().unwrap();
    all.iter().find(|one| one["reason"] == reason).map_or(0, |one| one["count"].as_u64().unwrap())
}

/// Its worker, while it is at work; looked at from outside.
fn worker(web: &Machine) -> Option<u32> {
    let found = said(web, "grep -l '^quell-worker' /proc/[0-9]*/comm 2>/dev/null | head -1; :");
    found.split('/').nth(2)?.parse().ok()
}

#[test]
fn files_are_found_wherever_they_lie() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    rules(&site, "needles", RULES);
    said(
        &web,
        "mkdir -p /root/t/deep/er '/root/t/sp ace' /root/t/ro && cd /root/t && \
         echo 'xx a-needle-4711 xx' > one.txt && printf 'NEED\\001E!' > deep/er/two.bin && echo nothing > three.odd && \
         echo a-needle-4711 > 'sp ace/four' && echo a-needle-4711 > \"$(printf 'b\\377d')\" && \
         ln -s one.txt link && mkfifo fifo && ln -s / deep/root && truncate -s 3G huge && \
         echo a-needle-4711 > ro/five && mount -t tmpfs tmpfs ro && echo a-needle-4711 > ro/six && mount -o remount,ro ro && \
         touch -d '2001-01-01' one.txt && stat -c %X one.txt > /root/before",
    );
    let params = json!({ "rules": "needles", "paths": ["/root/t"] });
    let task = site.act("web-1", "endpoint.run_yara", &params).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    let found = rows(outcome);
    let mut paths: Vec<_> = found
        .iter()
        .map(|row| format!("{}:{}", row["rule"].as_str().unwrap(), row["path"].as_str().unwrap()))
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "named:/root/t/three.odd",
            "needle:/root/t/b\u{fffd}d",
            "needle:/root/t/deep/er/two.bin",
            "needle:/root/t/one.txt",
            "needle:/root/t/sp ace/four",
        ],
        "{outcome:#}"
    );
    let one = found.iter().find(|row| row["path"] == "/root/t/one.txt").unwrap();
    assert_eq!(
        (&one["string"], &one["offset"], &one["length"], &one["data"], &one["tags"]),
        (&json!("$a"), &json!(3), &json!(13), &json!("612d6e6565646c652d34373131"), &json!("hay stack"))
    );
    assert_eq!(one["meta"], r#"{"author":"lab","level":3}"#);
    let odd = found.iter().find(|row| row["path"] == "/root/t/b\u{fffd}d").unwrap();
    assert_eq!(odd["path_hex"], "2f726f6f742f742f62ff64");
    assert_eq!((&outcome["files"], &outcome["matched"]), (&json!(5), &json!(5)));
    for (reason, count) in [("symbolic_link", 2), ("fifo", 1), ("too_large", 1), ("other_file_system", 1)] {
        assert_eq!(skipped(outcome, reason), count, "{reason}: {outcome:#}");
    }
    assert!(outcome["confined"].as_str().unwrap().starts_with("sealed"), "{outcome:#}");
    assert_eq!(
        said(&web, "stat -c %X /root/t/one.txt"),
        said(&web, "cat /root/before"),
        "looking leaves no trace"
    );
    // By pattern, over file systems, read-only ones too; and what is not there.
    let params = json!({ "rules": "needles", "paths": ["/root/t/*/s[a-z]x", "/root/t/on?.txt", "/root/none", "/proc/self/maps"],
        "cross_file_systems": true, "strings": false });
    let task = site.act("web-1", "endpoint.run_yara", &params).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["matched"], skipped(outcome, "not_found")), (&json!(2), 1), "{outcome:#}");
    assert!(rows(outcome).iter().all(|row| row["string"].is_null()));
    let task = site
        .act("web-1", "endpoint.run_yara", &json!({ "rules": "needles", "paths": ["/root/none"] }))
        .unwrap();
    assert_eq!(ended(&task), ("failed", "not_found"), "{task:#}");
    assert!(task["commands"]["items"][0].to_string().contains("nothing is at /root/none"), "{task:#}");
}

#[test]
fn memory_is_looked_at_in_every_kind_of_process() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    rules(&site, "secret", IN_MEMORY);
    said(
        &web,
        "cat > /root/v.sh <<'E'\nsecret=token-$(printf %s 4 7 1 1)-in-memory\nwhile :; do sleep 7301; done\nE\n\
         setsid bash /root/v.sh >/dev/null 2>&1 & setsid unshare --pid --fork bash /root/v.sh inner >/dev/null 2>&1 & \
         setsid bash -c 'sleep 0 & exec sleep 7302' >/dev/null 2>&1 & :",
    );
    let sleeping = |seconds: u32| {
        let look = format!(
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '[s]leep {seconds} ' | wc -l"
        );
        said(&web, &look)
    };
    until("the processes", || sleeping(7301) == "2" && sleeping(7302) == "1");
    let (pid, start) = process(&web, "bash \\/root\\/v.sh $");
    let (inner, _) = process(&web, "bash \\/root\\/v.sh inner");
    let params = json!({ "rules": "secret", "processes": [format!("{pid}@{start}")] });
    let task = site.act("web-1", "endpoint.run_yara", &params).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    let found = rows(outcome);
    assert!(
        !found.is_empty() && found.iter().all(|row| row["pid"] == pid && row["start_time"] == start),
        "{outcome:#}"
    );
    let text = found[0]["data"].as_str().unwrap();
    assert_eq!(text, "746f6b656e2d343731312d696e2d6d656d6f7279");
    let task =
        site.act("web-1", "endpoint.run_yara", &json!({ "rules": "secret", "all_processes": true })).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    let pids: Vec<u64> = rows(outcome).iter().filter_map(|row| row["pid"].as_u64()).collect();
    assert!(pids.contains(&u64::from(pid)) && pids.contains(&u64::from(inner)), "{pids:?} {outcome:#}");
    assert!(skipped(outcome, "own_process") >= 1, "{outcome:#}");
    assert!(skipped(outcome, "zombie") >= 1, "{outcome:#}");
    println!(
        "all processes: {} of {} bytes in {} ms",
        outcome["processes"], outcome["bytes"], outcome["duration_ms"]
    );
    // Not that process any more, and none of that name.
    let params =
        json!({ "rules": "secret", "processes": [format!("{pid}@1")], "process_names": ["no-such-name"] });
    let task = site.act("web-1", "endpoint.run_yara", &params).unwrap();
    assert_eq!(ended(&task), ("failed", "nothing_looked_at"), "{task:#}");
    assert_eq!(said(&web, &format!("cat /proc/{pid}/comm")), "bash", "it runs on");
}

#[test]
fn what_never_ends_is_given_up_and_the_rest_goes_on() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let endless = "rule endless { condition: filesize > 1000 and for all i in (0..999999) : ( for all j in (0..999999) : ( i + j >= 0 ) ) }\n\
                   rule small { strings: $a = \"small\" condition: $a }";
    rules(&site, "endless", endless);
    said(
        &web,
        "mkdir /root/e && cd /root/e && echo small > a && head -c 5000 /dev/zero > b && echo small > c",
    );
    let params = json!({ "rules": "endless", "paths": ["/root/e"], "seconds_per_target": 1 });
    let task = site.submit("web-1", "endpoint.run_yara", &params).unwrap();
    let mut seen = String::new();
    until("the worker", || {
        let Some(pid) = worker(&web) else { return false };
        seen = web.sh(&format!("cat /proc/{pid}/status")).map(|said| said.stdout).unwrap_or_default();
        seen.contains("Seccomp:\t2")
    });
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Uid:\t65534"] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
    let task = site.ended(&task).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!(skipped(outcome, "target_time_limit"), 1, "{outcome:#}");
    assert_eq!(rows(outcome).len(), 2, "{outcome:#}");
    // Called off, it stops within a second, and its worker with it.
    let params = json!({ "rules": "endless", "paths": ["/root/e"], "seconds_per_target": 600 });
    let task = site.submit("web-1", "endpoint.run_yara", &params).unwrap();
    until("the worker", || worker(&web).is_some());
    let begun = Instant::now();
    site.api.post(&format!("/tasks/{}/cancel", id(&task)), &Value::Null).unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    println!("canceled within {:?}", begun.elapsed());
    assert_eq!(ended(&task).0, "canceled", "{task:#}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    until("the worker's end", || worker(&web).is_none());
}

#[test]
fn many_files_changing_ones_and_a_killed_worker() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    rules(&site, "needles", RULES);
    said(
        &web,
        "mkdir /root/m && cd /root/m && i=0 && while [ $i -lt 100 ]; do mkdir $i; for j in 0 1 2 3 4 5 6 7 8 9; do for k in 0 1 2 3 4 5 6 7 8 9; do \
         echo \"file $i $j $k a-needle-4711\" > $i/$j$k; done; done; i=$((i+1)); done",
    );
    let begun = Instant::now();
    let task =
        site.act("web-1", "endpoint.run_yara", &json!({ "rules": "needles", "paths": ["/root/m"] })).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    println!("10,000 files: {:?}, {} B/s while at work", begun.elapsed(), outcome["bytes_per_second"]);
    assert_eq!(
        (&outcome["files"], &outcome["matched"], &outcome["matches"]["count"]),
        (&json!(10_000), &json!(10_000), &json!(10_000))
    );
    assert!(
        outcome["matches"]["parts"].as_array().is_some_and(|parts| !parts.is_empty()),
        "rows went out in parts"
    );
    // Limits end it, and say so.
    let params = json!({ "rules": "needles", "paths": ["/root/m"], "max_files": 10 });
    let task = site.act("web-1", "endpoint.run_yara", &params).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["files"], &outcome["ended_by"]), (&json!(10), &json!("max_files")));
    // A file that grows, one that is deleted while it is held, and a worker that dies in the middle.
    said(
        &web,
        "mkdir /root/g && cd /root/g && (setsid sh -c 'while :; do echo a-needle-4711 >> /root/g/grows; done' >/dev/null 2>&1 &) && head -c 30000000 /dev/urandom > b && echo a-needle-4711 > c",
    );
    let params =
        json!({ "rules": "needles", "paths": ["/root/g", "/root/m"], "cpu_percent": 50, "max_matches": 3 });
    let task = site.submit("web-1", "endpoint.run_yara", &params).unwrap();
    // It is at work once it told how far it is.
    until("progress", || {
        site.task(&task).unwrap()["commands"]["items"][0]["progress"]["done"].as_u64() > Some(20)
    });
    let victim = worker(&web).unwrap();
    said(&web, &format!("kill -9 {victim}; rm -rf /root/m/1 /root/m/2 /root/m/99"));
    let outcome = succeeded(&site.ended(&task).unwrap())["outcome"].clone();
    assert!(outcome["restarts"].as_u64().unwrap() >= 1, "{outcome:#}");
    assert!(skipped(&outcome, "worker_crashed") <= 1, "{outcome:#}");
    assert!(outcome["files"].as_u64().unwrap() >= 9_000, "{outcome:#}");
    said(&web, "pkill -f '[w]hile :; do echo a-needle' || :");
}

#[test]
fn rules_are_checked_before_they_are_kept() {
    let Some(site) = site() else { return };
    for (name, body) in [
        ("broken", "rule a {\n condition: $x }"),
        ("costly", "rule a { strings: $a = /.*/ condition: $a }"),
        ("include", "include \"/etc/passwd\"\nrule a { condition: true }"),
    ] {
        let answer = site.api.post("/library/yara", &json!({ "name": name, "body": body })).unwrap();
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
    }
    let answer = site.api.post("/library/yara", &json!({ "name": "fine", "body": RULES })).unwrap();
    answer.good().unwrap();
}
