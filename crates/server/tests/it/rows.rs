//! Rows that agents send: merged, paged, filtered, exported; and what hostile agents send in their place.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use quell_store::{ArtifactStore, artifact, command};
use quell_wire::digest::{hex, sha256};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

crate::both!(
    rows_of_all_endpoints_are_one_list,
    what_a_hostile_agent_sends_is_bounded_and_said,
    a_page_ends_where_its_rows_take_much_memory,
    parts_are_files_of_their_endpoints_and_asked_for_as_such,
);

/// A task of three endpoints, and what they send.
struct Case {
    world: World,
    files: ArtifactStore,
    task: Uuid,
    /// By the place of their endpoints: command and endpoint.
    commands: Vec<(Uuid, Uuid)>,
}

fn gzip(lines: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(lines).unwrap();
    encoder.finish().unwrap()
}

fn lines(range: std::ops::Range<u32>) -> Vec<u8> {
    let rows = range.map(|pid| format!("{{\"pid\":{pid},\"name\":\"p{}\",\"path\":null}}\n", pid % 3));
    rows.collect::<String>().into_bytes()
}

impl Case {
    async fn new() -> Self {
        let world = World::new().await;
        for name in ["a", "b", "c"] {
            world.endpoint(name).await;
        }
        let (status, task) = world
            .post(
                "/api/v1/tasks",
                json!({ "action": "process.list", "params": {}, "targets": { "endpoints": ["a", "b", "c"] },
                    "reason": "look" }),
            )
            .await;
        assert_eq!(status, 201, "{task}");
        let id = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
        let mut commands: Vec<(String, Uuid, Uuid)> = task["commands"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["endpoint_name"].to_string(), id(&row["id"]), id(&row["endpoint_id"])))
            .collect();
        commands.sort();
        let files = ArtifactStore::open(&world.directory.path().join("artifacts")).await.unwrap();
        let commands = commands.into_iter().map(|(_, command, endpoint)| (command, endpoint)).collect();
        Self { task: id(&task["id"]), world, files, commands }
    }

    /// Moves a command on, as the engine would.
    async fn become_(&self, of: usize, from: &'static str, to: &'static str, outcome: Option<Value>) {
        let (tenant, (command, _)) = (self.world.tenant, self.commands[of]);
        let outcome = outcome.map(|value| value.to_string());
        let moved = self.world.store.write(move |tx| {
            let change = command::Change {
                to,
                dispatched_at: Some(1),
                ended_at: outcome.as_ref().map(|_| 2),
                outcome: outcome.as_deref(),
                ..command::Change::default()
            };
            command::transition(tx, tenant, command, from, &change)
        });
        assert!(moved.await.unwrap());
    }

    async fn part(&self, of: usize, part: i64, bytes: Vec<u8>) -> Value {
        let (tenant, id, task) = (self.world.tenant, Uuid::now_v7(), self.task);
        let (command_id, endpoint_id) = self.commands[of];
        let (size, digest) = (bytes.len(), sha256(&[&bytes]));
        let row = artifact::Artifact {
            tenant_id: tenant,
            id,
            task_id: task,
            command_id,
            endpoint_id,
            kind: "rows".to_owned(),
            part,
            name: format!("rows.{part}.jsonl.gz"),
            media_type: "application/gzip".to_owned(),
            size: size as i64,
            sha256: digest,
            sha1: None,
            state: "uploading".to_owned(),
            received: 0,
            object_key: None,
            created_at: 1,
            stored_at: None,
            expires_at: i64::MAX,
        };
        self.world.store.write(move |tx| artifact::insert(tx, &row)).await.unwrap();
        let piece = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(bytes))]);
        self.files.append(tenant, id, 0, size as u64, piece).await.unwrap();
        let key = self.files.finish(tenant, id, size as u64, &digest).await.unwrap();
        self.world.store.write(move |tx| artifact::stored(tx, tenant, id, &key, 2)).await.unwrap();
        json!({ "artifact_id": id.to_string(), "rows": 0, "size": size, "sha256": hex(&digest) })
    }

    async fn get(&self, query: &str) -> Value {
        let (status, page) = self.world.get(&format!("/api/v1/tasks/{}/rows{query}", self.task)).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    async fn raw(&self, query: &str) -> String {
        let path = format!("/api/v1/tasks/{}/rows{query}", self.task);
        self.world.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
    }
}

fn outcome(count: u64, shown: &Value, parts: &[Value]) -> Value {
    json!({ "boot_id": "b", "seen": 1, "took_us": 1, "processes": {
        "columns": [{ "name": "pid", "type": "integer" }, { "name": "name", "type": "text" },
            { "name": "path", "type": "text" }],
        "count": count, "shown": shown, "parts": parts, "truncated": false } })
}

fn pids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().filter_map(|item| item["row"]["pid"].as_i64()).collect()
}

async fn rows_of_all_endpoints_are_one_list() {
    let case = Case::new().await;
    let empty = case.get("").await;
    assert_eq!((pids(&empty).len(), &empty["next"]), (0, &json!(null)));
    // `a` has ended with two parts, `b` still runs and has sent one, `c` had so few that its outcome holds them.
    case.become_(0, "queued", "running", None).await;
    let parts =
        [case.part(0, 0, gzip(&lines(0..1500))).await, case.part(0, 1, gzip(&lines(1500..2500))).await];
    case.become_(0, "running", "succeeded", Some(outcome(2500, &json!([]), &parts))).await;
    case.become_(1, "queued", "running", None).await;
    case.part(1, 0, gzip(&lines(5000..5010))).await;
    case.become_(2, "queued", "running", None).await;
    let shown = json!([{ "pid": 9000, "name": "=cmd()", "path": "a,\"b\"" }]);
    case.become_(2, "running", "succeeded", Some(outcome(1, &shown, &[]))).await;

    let (mut all, mut query, mut keys) =
        (Vec::new(), "?limit=700".to_owned(), std::collections::HashSet::new());
    loop {
        let page = case.get(&query).await;
        all.extend(pids(&page));
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=700&cursor={next}");
    }
    let expected: Vec<i64> = (0..2500).chain(5000..5010).chain([9000]).collect();
    assert_eq!((all.len(), keys.len()), (2511, 2511));
    assert!(all == expected, "in the order of the targets, each once");

    let page = case.get("?limit=1000&text=P1").await;
    assert!(pids(&page).iter().all(|pid| pid % 3 == 1) && !pids(&page).is_empty());
    assert_eq!(pids(&case.get("?where=pid=5007").await), [5007]);
    assert_eq!(pids(&case.get("?where=name=%3DCMD()").await), [9000]);
    let (of_b, _) = case.commands[1];
    let page = case.get(&format!("?command={of_b}")).await;
    assert_eq!((pids(&page).len(), page["items"][0]["endpoint"].as_str()), (10, Some("b")));
    assert_eq!(
        (&page["commands"][0]["complete"], &page["commands"][0]["count"]),
        (&json!(false), &json!(null))
    );
    let page = case.get("?where=pid=9000").await;
    let known: Vec<(&Value, &Value)> =
        page["commands"].as_array().unwrap().iter().map(|of| (&of["complete"], &of["count"])).collect();
    assert_eq!(known[0], (&json!(true), &json!(2500)));
    assert_eq!(known[2], (&json!(true), &json!(1)));

    let csv = case.raw("?format=csv").await;
    assert_eq!(csv.lines().count(), 2512);
    assert!(
        csv.starts_with(
            "\"endpoint\",\"endpoint_id\",\"command_id\",\"pid\",\"name\",\"path\",\"other\"\r\n"
        )
    );
    assert!(csv.contains("\"'=cmd()\",\"a,\"\"b\"\"\""), "no formula");
    assert_eq!(case.raw("?format=jsonl&where=name=p0").await.lines().count(), 837);
    for bad in ["?limit=0", "?limit=1001", "?cursor=x", "?where=x", "?command=x", "?format=xml", "?unknown=1"]
    {
        let (status, _) = case.world.get(&format!("/api/v1/tasks/{}/rows{bad}", case.task)).await;
        assert!(matches!(status, 400 | 406), "{bad}: {status}");
    }
    assert_eq!(case.world.get(&format!("/api/v1/tasks/{}/rows", Uuid::now_v7())).await.0, 404);
    let (_, listed) = case.world.get("/api/v1/artifacts").await;
    assert!(listed["items"].as_array().unwrap().is_empty(), "parts of rows crowd no list of files");
    let (_, listed) = case.world.get(&format!("/api/v1/artifacts?kind=rows&task={}", case.task)).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    case.world.stop().await;
}

async fn what_a_hostile_agent_sends_is_bounded_and_said() {
    let case = Case::new().await;
    for of in 0..3 {
        case.become_(of, "queued", "running", None).await;
    }
    // A bomb; bytes that are no gzip; rows that are none; a file that is cut off; rows with other columns.
    case.part(0, 0, gzip(&vec![b' '; 300 << 20])).await;
    case.part(0, 1, b"no gzip".to_vec()).await;
    let deep = format!("{{\"pid\":{}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"pid\":\"{}\"}}\n", "x".repeat(1 << 20));
    let bad = [deep.as_bytes(), long.as_bytes(), b"[1]\n{\"pid\":\"\xff\"}\n{\"pid\":7}\n"].concat();
    case.part(0, 2, gzip(&bad)).await;
    let whole = gzip(&lines(0..1000));
    case.part(1, 0, whole[..whole.len() / 2].to_vec()).await;
    case.part(1, 1, gzip(b"{\"pid\":8,\"\\u202eevil\":\"x\",\"__proto__\":1}\n{\"pid\":7009,\"a\":[1]}\n"))
        .await;
    // An outcome that names parts which are not there, or another command's.
    let others = case.part(0, 3, gzip(&lines(1..2))).await;
    let lost = json!({ "artifact_id": Uuid::now_v7().to_string(), "rows": 1, "size": 1, "sha256": "ab" });
    let told = outcome(u64::MAX, &json!([{ "pid": 3 }, { "pid": 7004, "a": {} }]), &[others, lost]);
    case.become_(2, "running", "failed", Some(told)).await;
    let began = std::time::Instant::now();
    let page = case.get("?limit=1000").await;
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    let seen = pids(&page);
    assert!(seen.contains(&7) && seen.contains(&8) && seen.contains(&3), "what can be read is: {seen:?}");
    assert!(!seen.contains(&7009) && !seen.contains(&7004), "values are plain: {seen:?}");
    let faults: Vec<String> =
        page["commands"].as_array().unwrap().iter().map(|of| of["fault"].to_string()).collect();
    assert!(faults[0].contains("unpacks to more than 128 MiB"), "{faults:?}");
    assert!(faults[1].contains("cannot be unpacked"), "{faults:?}");
    assert!(faults[2].contains("2 of 2 parts"), "{faults:?}");
    assert!(page["commands"].as_array().unwrap().iter().all(|of| of["complete"] == false));
    let csv = case.raw("?format=csv").await;
    assert!(csv.lines().count() >= 3);
    case.world.stop().await;
}

async fn a_page_ends_where_its_rows_take_much_memory() {
    let case = Case::new().await;
    case.become_(0, "queued", "running", None).await;
    // 300 rows of 200 KiB; 1000 rows of 250 values each, small on the wire and large once read.
    let long = "x".repeat(200 << 10);
    let rows: Vec<String> = (0..300).map(|pid| format!("{{\"pid\":{pid},\"name\":\"{long}\"}}\n")).collect();
    case.part(0, 0, gzip(rows.concat().as_bytes())).await;
    let values: Vec<String> = (0..250).map(|at| format!(",\"c{at}\":1")).collect();
    let values = values.concat();
    let rows: Vec<String> = (300..1300).map(|pid| format!("{{\"pid\":{pid}{values}}}\n")).collect();
    case.part(0, 1, gzip(rows.concat().as_bytes())).await;
    let (mut all, mut query) = (Vec::new(), "?limit=1000".to_owned());
    loop {
        let page = case.get(&query).await;
        let of_page = pids(&page);
        assert!(page.to_string().len() < 10 << 20 && of_page.len() < 400, "{} rows", of_page.len());
        all.extend(of_page);
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=1000&cursor={next}");
    }
    assert!(all == (0..1300).collect::<Vec<i64>>(), "each once, in order: {}", all.len());
    assert_eq!(case.raw("?format=jsonl").await.lines().count(), 1300);
    // Outcomes of half a MiB, with rows as small as they can be: the first of them, and how many others there are.
    for of in 1..3 {
        case.become_(of, "queued", "running", None).await;
        let shown = vec![json!({ "a": 0 }); 60_000];
        case.become_(of, "running", "succeeded", Some(outcome(60_000, &json!(shown), &[]))).await;
    }
    let others = (60_000 - (192 << 10) / 7).to_string();
    let page = case.get("?limit=1000&where=a=1").await;
    for of in &page["commands"].as_array().unwrap()[1..] {
        assert!(of["complete"] == false && of["fault"].to_string().contains(&others), "{of}");
    }
    assert_eq!((page["commands"].as_array().unwrap().len(), &page["next"]), (3, &json!(null)));
    let page = case.get(&format!("?limit=1000&command={}", case.commands[2].0)).await;
    assert!(page["items"].as_array().unwrap().len() == 1000 && page["next"].is_string());
    case.world.stop().await;
}

async fn parts_are_files_of_their_endpoints_and_asked_for_as_such() {
    let case = Case::new().await;
    case.become_(0, "queued", "running", None).await;
    let part = case.part(0, 0, gzip(&lines(0..10))).await;
    case.become_(0, "running", "succeeded", Some(outcome(10, &json!([{ "pid": 0 }]), &[part]))).await;
    case.become_(1, "queued", "running", None).await;
    case.part(1, 0, gzip(&lines(50..60))).await;
    let (world, tenant, (_, first)) = (&case.world, case.world.tenant, case.commands[0]);
    let ada = world.person("ada", &["administrator"]).await;
    let path = format!("/api/v1/tasks/{}/rows", case.task);
    let grants = json!({ "permissions": ["task.read", "artifact.download"], "tags": ["web"] });
    let role =
        ada.post("/api/v1/roles", json!({ "name": "web", "description": "", "grants": grants })).await.1;
    let nora = world.person("nora", &[role["id"].as_str().unwrap()]).await;
    for who in [world.person("uma", &["auditor"]).await, nora.clone()] {
        let (status, page) = who.get(&path).await;
        assert_eq!((status, pids(&page)), (200, vec![0]), "what the outcome shows: {page}");
        for of in &page["commands"].as_array().unwrap()[..2] {
            assert!(of["complete"] == false && of["fault"].to_string().contains("artifact.download"), "{of}");
        }
        let csv = who.request(Method::GET, &format!("{path}?format=csv")).send().await.unwrap();
        assert_eq!(csv.text().await.unwrap().lines().count(), 2);
    }
    let tag = move |tx: &mut quell_store::Tx<'_>| {
        quell_store::endpoint::set_tags(tx, tenant, first, &["web".to_owned()], "[\"web\"]")
    };
    world.store.write(tag).await.unwrap();
    assert_eq!(pids(&nora.get(&path).await.1).len(), 10, "only of the endpoint within reach");
    assert_eq!(pids(&case.get("").await).len(), 20);
    let (_, trail) = world.get("/api/v1/audit?verb=task.rows.export").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
    // Whoever was shown rows of files stands in the trail and in their custody, once however often they read on.
    let (_, trail) = world.get("/api/v1/audit?verb=task.rows.view").await;
    let mut viewers: Vec<&str> =
        trail["items"].as_array().unwrap().iter().filter_map(|one| one["actor_kind"].as_str()).collect();
    viewers.sort_unstable();
    assert_eq!(viewers, ["api_key", "person"], "{trail}");
    let (_, listed) = world.get(&format!("/api/v1/artifacts?kind=rows&task={}", case.task)).await;
    let id = listed["items"][0]["id"].as_str().unwrap();
    let (_, custody) = world.get(&format!("/api/v1/artifacts/{id}/custody")).await;
    let verbs: Vec<&str> =
        custody["accesses"].as_array().unwrap().iter().filter_map(|one| one["verb"].as_str()).collect();
    assert_eq!(verbs.iter().filter(|verb| **verb == "task.rows.view").count(), 2, "{custody}");
    // A look at one command is none at another.
    for (command, _) in [case.commands[0], case.commands[1], case.commands[1]] {
        assert_eq!(pids(&case.get(&format!("?command={command}")).await).len(), 10);
    }
    let (_, trail) = world.get("/api/v1/audit?verb=task.rows.view").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 4, "{trail}");
    case.world.stop().await;
}
