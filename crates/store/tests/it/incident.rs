//! Incidents, detections and chains: written, found, paged, moved and removed alike on both databases.

use quell_store::chain::rows::{Activity, Filter, Process};
use quell_store::chain::{self, Chain, batch};
use quell_store::detection::{self, Detection};
use quell_store::incident::{self, Incident, group, link, note};
use quell_store::{Error, Page};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    numbers_rise_and_are_never_given_twice,
    incidents_are_found_by_everything_that_a_list_filters_by,
    who_changes_an_incident_must_have_seen_it,
    links_lead_to_open_incidents_alone,
    a_source_tells_of_a_detection_once,
    detections_are_paged_in_every_order,
    a_chain_takes_updates_in_their_turn_and_no_more_than_there_is_room_for,
    activity_is_paged_by_time,
    what_is_silent_longest_makes_room,
    bodies_go_first_where_the_incident_is_closed_and_chains_stay,
    all_that_an_incident_has_can_go_over_to_another,
    notes_are_written_changed_and_taken_away,
    what_is_over_is_removed_piece_by_piece,
);

fn incident(tenant_id: Uuid, title: &str, severity: i64, last_at: i64) -> Incident {
    Incident {
        tenant_id,
        id: Uuid::now_v7(),
        number: 0,
        title: title.to_owned(),
        is_titled: false,
        severity,
        is_graded: false,
        state: "open".to_owned(),
        resolution: None,
        assignee_id: None,
        assignee_name: None,
        created_at: last_at,
        first_at: last_at - 5,
        last_at,
        closed_at: None,
        closed_by: None,
        merged_into: None,
        detections: 0,
        revision: 1,
        search: title.to_lowercase(),
    }
}

async fn made(world: &World, title: &str, severity: i64, last_at: i64) -> Incident {
    let mut row = incident(world.tenant, title, severity, last_at);
    let written = row.clone();
    row.number = world.write(move |tx| incident::insert(tx, &written)).await.unwrap();
    row
}

fn detection(tenant_id: Uuid, source_id: &str, at: i64, severity: i64) -> Detection {
    Detection {
        tenant_id,
        id: Uuid::now_v7(),
        incident_id: None,
        origin: "product".to_owned(),
        source: "falco".to_owned(),
        source_id: source_id.to_owned(),
        endpoint_id: None,
        hint: Some("web-1".to_owned()),
        chain_id: None,
        activity: None,
        at,
        told_at: at,
        received_at: at + 1,
        rule: "r".to_owned(),
        title: "t".to_owned(),
        severity,
        verdict: None,
        techniques: r#"["T1059.004"]"#.to_owned(),
        note: String::new(),
        path: Some(b"/tmp/\xff".to_vec()),
        sha256: None,
        user_name: None,
        protection: 0,
        joined: None,
        body: Some("{}".to_owned()),
        search: "t\n100%_!\nweb-1".to_owned(),
    }
}

fn chain_of(tenant_id: Uuid, endpoint_id: Uuid, name: &str, at: i64) -> Chain {
    Chain {
        tenant_id,
        id: Uuid::now_v7(),
        endpoint_id,
        name: name.to_owned(),
        incident_id: None,
        boot_id: "b".to_owned(),
        root_pid: 7,
        root_start: 9,
        serial: 0,
        is_closed: false,
        opened_at: at,
        updated_at: at,
        processes: 0,
        activities: 0,
        detections: 0,
        bytes: 0,
        lost: 0,
        processes_beyond: 0,
        activities_beyond: 0,
        dropped: 0,
        begins_late: false,
        vanished_files: 0,
    }
}

fn activity(number: i64, at: i64, kind: &str) -> Activity {
    Activity {
        chain_id: Uuid::nil(),
        activity: number,
        at,
        kind: kind.to_owned(),
        pid: number % 3,
        start: 1,
        received_at: at,
        body: vec![number as u8],
    }
}

fn process(pid: i64) -> Process {
    let parent = (pid > 1).then(|| (pid - 1, 1));
    Process { pid, start: 1, parent, started_at: pid, body: vec![pid as u8] }
}

async fn chain_made(world: &World, endpoint: Uuid, name: &str, at: i64) -> Chain {
    let row = chain_of(world.tenant, endpoint, name, at);
    let written = row.clone();
    assert!(world.write(move |tx| chain::insert(tx, &written)).await.unwrap());
    row
}

async fn numbers_rise_and_are_never_given_twice(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    for expected in 1..=3 {
        assert_eq!(made(world, "x", 3, 10).await.number, expected);
    }
    let foreign = incident(other, "y", 1, 1);
    assert_eq!(world.write(move |tx| incident::insert(tx, &foreign)).await.unwrap(), 1);
    let third = world.read(move |tx| incident::by_number(tx, tenant, 3)).await.unwrap();
    let id = third.id;
    assert_eq!(world.read(move |tx| incident::get(tx, other, id)).await, None);
    world.write(move |tx| incident::delete(tx, tenant, id)).await.unwrap();
    assert_eq!(made(world, "x", 3, 10).await.number, 4);
}

async fn incidents_are_found_by_everything_that_a_list_filters_by(world: &World) {
    use incident::list::{By, Filter, count, list, unclosed};
    let (tenant, endpoint, person) = (world.tenant, world.endpoint("web-1").await, Uuid::now_v7());
    let one = made(world, "Curl ran 100%_!", 5, 30).await;
    let two = made(world, "cron", 2, 20).await;
    let three = made(world, "ssh", 2, 10).await;
    let (first, mut second) = (one.id, two.clone());
    "closed".clone_into(&mut second.state);
    second.resolution = Some("benign".to_owned());
    (second.closed_at, second.closed_by) = (Some(99), Some("Ada".to_owned()));
    (second.assignee_id, second.assignee_name) = (Some(person), Some("Ada".to_owned()));
    world
        .write(move |tx| {
            incident::change(tx, &second)?;
            group::put_member(tx, (tenant, first), endpoint, 1, 30)?;
            group::put_member(tx, (tenant, first), endpoint, 2, 25)?;
            group::put_technique(tx, tenant, first, "T1059.004")?;
            group::put_technique(tx, tenant, first, "T1059.004")
        })
        .await
        .unwrap();
    let members = world.read(move |tx| group::members(tx, tenant, first, 10)).await;
    assert_eq!((members.len(), members[0].detections, members[0].last_at), (1, 3, 30));
    assert_eq!(members[0].name, "web-1");
    let found = async |filter: Filter| {
        let (rows, total) = world
            .read(move |tx| {
                let (rows, _) = list(tx, tenant, &filter, (By::Last, false), None, 10)?;
                Ok((rows, count(tx, tenant, &filter)?))
            })
            .await;
        assert_eq!(rows.len() as u64, total);
        rows.into_iter().map(|row| row.number).collect::<Vec<_>>()
    };
    let none = Filter::default;
    let all = [one.number, two.number, three.number];
    assert_eq!(found(none()).await, all);
    assert_eq!(found(Filter { states: Some(" open in_progress ".into()), ..none() }).await, [all[0], all[2]]);
    assert_eq!(found(Filter { states: Some(" closed ".into()), ..none() }).await, [all[1]]);
    assert_eq!(world.read(move |tx| unclosed(tx, tenant)).await, [(5, 1), (2, 1)]);
    assert_eq!(found(Filter { severities: Some(" 1 5 ".into()), ..none() }).await, [all[0]]);
    assert_eq!(found(Filter { resolutions: Some(" benign ".into()), ..none() }).await, [all[1]]);
    assert_eq!(found(Filter { assignee: Some(person), ..none() }).await, [all[1]]);
    assert_eq!(found(Filter { is_assigned: Some(false), ..none() }).await, [all[0], all[2]]);
    assert_eq!(found(Filter { endpoint: Some(endpoint), ..none() }).await, [all[0]]);
    assert_eq!(found(Filter { technique: Some("T1059".into()), ..none() }).await, [all[0]]);
    assert!(found(Filter { technique: Some("T1059.003".into()), ..none() }).await.is_empty());
    assert_eq!(found(Filter { text: Some("100%_!".into()), ..none() }).await, [all[0]]);
    assert!(found(Filter { text: Some("100_".into()), ..none() }).await.is_empty());
    assert_eq!(found(Filter { since: Some(20), until: Some(25), ..none() }).await, [all[1]]);
    // Page after page, in every order.
    for (by, upwards, expected) in [
        (By::Last, true, [2, 1, 0]),
        (By::Number, true, [0, 1, 2]),
        (By::Number, false, [2, 1, 0]),
        (By::Severity, false, [0, 2, 1]),
        (By::Severity, true, [1, 2, 0]),
    ] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (rows, next) =
                world.read(move |tx| list(tx, tenant, &Filter::default(), (by, upwards), after, 1)).await;
            seen.extend(rows.into_iter().map(|row| row.number));
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected.map(|place: usize| all[place]), "{by:?} {upwards}");
    }
}

async fn who_changes_an_incident_must_have_seen_it(world: &World) {
    let seen = made(world, "x", 3, 10).await;
    let (tenant, id) = (world.tenant, seen.id);
    let (first, second) =
        (Incident { title: "one".into(), ..seen.clone() }, Incident { title: "two".into(), ..seen });
    world.write(move |tx| incident::change(tx, &first)).await.unwrap();
    assert!(matches!(world.write(move |tx| incident::change(tx, &second)).await, Err(Error::Conflict(_))));
    let mut stored = world.read(move |tx| incident::get(tx, tenant, id)).await.unwrap();
    assert_eq!((stored.title.as_str(), stored.revision), ("one", 2));
    // What is detected meanwhile is no change of a person.
    stored.detections = 7;
    let grown = stored.clone();
    world.write(move |tx| incident::grow(tx, &grown)).await.unwrap();
    assert_eq!(world.read(move |tx| incident::get(tx, tenant, id)).await.unwrap(), stored);
    let broken = Incident { state: "closed".into(), ..stored };
    assert!(matches!(world.write(move |tx| incident::change(tx, &broken)).await, Err(Error::Invalid(_))));
}

async fn links_lead_to_open_incidents_alone(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let (one, two) = (made(world, "a", 3, 10).await, made(world, "b", 3, 10).await);
    let (first, second) = (one.id, two.id);
    let many: Vec<(&str, String, i64)> = (0..300).map(|number| ("hash", format!("h{number}"), 50)).collect();
    world
        .write(move |tx| {
            link::put(tx, tenant, first, &many)?;
            link::put(tx, tenant, second, &[("hash", "h1".into(), 60), ("user", "u".into(), 60)])?;
            // Seen again, and earlier than before: the latest counts.
            link::put(tx, tenant, second, &[("hash", "h1".into(), 5)])
        })
        .await
        .unwrap();
    let ask = async |of: Uuid, since| {
        let found = world
            .read(move |tx| link::linked(tx, of, "hash", &["h1".into(), "h2".into(), "u".into()], since, 10))
            .await;
        found.into_iter().map(|link| (link.value, link.incident_id, link.last_at)).collect::<Vec<_>>()
    };
    let (h1, h2) = (("h1".to_owned(), second, 60), ("h1".to_owned(), first, 50));
    let mut all = ask(tenant, 0).await;
    all.sort_by_key(|found| (found.0.clone(), -found.2));
    assert_eq!(all, [h1.clone(), h2, ("h2".to_owned(), first, 50)]);
    assert_eq!(ask(tenant, 55).await, std::slice::from_ref(&h1));
    assert!(ask(other, 0).await.is_empty());
    let closed = Incident {
        state: "closed".into(),
        resolution: Some("benign".into()),
        closed_at: Some(70),
        closed_by: Some("Ada".into()),
        ..two
    };
    world.write(move |tx| incident::change(tx, &closed)).await.unwrap();
    assert!(!ask(tenant, 0).await.contains(&h1));
    assert_eq!(world.read(move |tx| group::count_links(tx, tenant, first)).await, 300);
}

async fn a_source_tells_of_a_detection_once(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let row = detection(tenant, "1", 10, 3);
    let (id, written, again) = (row.id, row.clone(), detection(tenant, "1", 20, 3));
    let foreign = detection(other, "1", 20, 3);
    assert!(world.write(move |tx| detection::insert(tx, &written)).await.unwrap());
    assert!(!world.write(move |tx| detection::insert(tx, &again)).await.unwrap());
    assert!(world.write(move |tx| detection::insert(tx, &foreign)).await.unwrap());
    assert_eq!(world.read(move |tx| detection::get(tx, tenant, id)).await, Some(row));
    assert_eq!(world.read(move |tx| detection::get(tx, other, id)).await, None);
    assert_eq!(world.read(move |tx| detection::known(tx, tenant, "falco", "1")).await, Some(id));
    assert_eq!(world.read(move |tx| detection::known(tx, tenant, "wazuh", "1")).await, None);
}

async fn detections_are_paged_in_every_order(world: &World) {
    use detection::list::{By, Filter, count, list};
    let tenant = world.tenant;
    let of = made(world, "x", 3, 10).await.id;
    let mut ids = Vec::new();
    for (number, (at, severity)) in [(30, 1), (10, 5), (20, 5), (20, 2)].into_iter().enumerate() {
        let mut row = detection(tenant, &number.to_string(), at, severity);
        row.incident_id = (number < 2).then_some(of);
        row.verdict = (number == 3).then(|| "prevented".to_owned());
        ids.push(row.id);
        world.write(move |tx| detection::insert(tx, &row)).await.unwrap();
    }
    let read = async |filter: Filter, by, upwards, limit| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let filter = filter.clone();
            let (rows, next) =
                world.read(move |tx| list(tx, tenant, &filter, (by, upwards), after, limit)).await;
            seen.extend(rows.into_iter().map(|row| ids.iter().position(|id| *id == row.id).unwrap()));
            after = next;
            if after.is_none() {
                break seen;
            }
        }
    };
    for limit in [1, 2, 10] {
        assert_eq!(read(Filter::default(), By::At, false, limit).await, [0, 3, 2, 1]);
        assert_eq!(read(Filter::default(), By::At, true, limit).await, [1, 2, 3, 0]);
        assert_eq!(read(Filter::default(), By::Severity, false, limit).await, [2, 1, 3, 0]);
        assert_eq!(read(Filter::default(), By::Severity, true, limit).await, [0, 3, 1, 2]);
        assert_eq!(read(Filter::default(), By::Received, false, limit).await, [3, 2, 1, 0]);
        assert_eq!(
            read(Filter { incident: Some(of), ..Filter::default() }, By::At, false, limit).await,
            [0, 1]
        );
        assert_eq!(
            read(Filter { incident: Some(of), ..Filter::default() }, By::Received, true, limit).await,
            [0, 1]
        );
    }
    let only = async |filter: Filter| {
        let total = filter.clone();
        let rows = read(filter, By::At, true, 10).await;
        assert_eq!(world.read(move |tx| count(tx, tenant, &total)).await, rows.len() as u64);
        rows
    };
    let none = Filter::default;
    assert_eq!(only(Filter { is_joined: Some(false), ..none() }).await, [2, 3]);
    assert_eq!(only(Filter { is_joined: Some(true), ..none() }).await, [1, 0]);
    assert_eq!(only(Filter { severities: Some(" 5 ".into()), ..none() }).await, [1, 2]);
    assert_eq!(only(Filter { verdicts: Some(" prevented ".into()), ..none() }).await, [3]);
    assert_eq!(only(Filter { sources: Some(" falco ".into()), ..none() }).await.len(), 4);
    assert!(only(Filter { sources: Some(" wazuh ".into()), ..none() }).await.is_empty());
    assert!(only(Filter { origin: Some("endpoint".into()), ..none() }).await.is_empty());
    assert_eq!(only(Filter { technique: Some("T1059".into()), ..none() }).await.len(), 4);
    assert!(only(Filter { technique: Some("T1003".into()), ..none() }).await.is_empty());
    assert_eq!(only(Filter { text: Some("100%_!".into()), ..none() }).await.len(), 4);
    assert_eq!(only(Filter { since: Some(20), until: Some(30), ..none() }).await, [2, 3]);
    assert_eq!(only(Filter { incident: Some(of), since: Some(20), ..none() }).await, [0]);
}

async fn a_chain_takes_updates_in_their_turn_and_no_more_than_there_is_room_for(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let row = chain_made(world, endpoint, "c", 10).await;
    let (id, twice) = (row.id, chain_of(tenant, endpoint, "c", 11));
    assert!(!world.write(move |tx| chain::insert(tx, &twice)).await.unwrap());
    let first = Chain { serial: 1, bytes: 100, lost: 3, begins_late: true, vanished_files: 4, ..row.clone() };
    let written = first.clone();
    assert!(world.write(move |tx| chain::update(tx, &written)).await.unwrap());
    let again = first.clone();
    assert!(!world.write(move |tx| chain::update(tx, &again)).await.unwrap());
    let gap = Chain { serial: 3, ..first.clone() };
    assert!(!world.write(move |tx| chain::update(tx, &gap)).await.unwrap());
    assert_eq!(world.read(move |tx| chain::by_name(tx, tenant, endpoint, "c")).await, Some(first));
    assert_eq!(
        world.read(move |tx| chain::held(tx, tenant, endpoint)).await,
        chain::Held { chains: 1, bytes: 100 }
    );
    // Twenty, of which fifteen find room; then the same again, which replaces them.
    let rows: Vec<Activity> = (1..=20).map(|number| activity(number, number, "start")).collect();
    let (written, again) =
        (rows.clone(), rows.iter().map(|row| Activity { at: 99, ..row.clone() }).collect::<Vec<_>>());
    let put = world.write(move |tx| batch::put_activities(tx, tenant, id, &written, 15)).await.unwrap();
    assert_eq!(put, (15, 5));
    let put = world.write(move |tx| batch::put_activities(tx, tenant, id, &again, 0)).await.unwrap();
    assert_eq!(put, (0, 5));
    let stored = world.read(move |tx| chain::rows::activities(tx, tenant, id, 100)).await;
    assert_eq!(stored.len(), 15);
    assert!(stored.iter().all(|row| row.at == 99 && row.chain_id == id));
    let processes: Vec<Process> = (1..=40).map(process).collect();
    let written = processes.clone();
    let put = world.write(move |tx| batch::put_processes(tx, tenant, id, &written, 100)).await.unwrap();
    assert_eq!(put, (40, 0));
    assert_eq!(world.read(move |tx| chain::rows::processes(tx, tenant, id, 100)).await, processes);
    let changed = Process { body: vec![1, 2, 3], parent: None, ..process(40) };
    let written = changed.clone();
    assert_eq!(
        world
            .write(move |tx| batch::put_processes(tx, tenant, id, std::slice::from_ref(&written), 0))
            .await
            .unwrap(),
        (0, 0)
    );
    assert_eq!(world.read(move |tx| chain::rows::process(tx, tenant, id, 40, 1)).await, Some(changed));
}

async fn activity_is_paged_by_time(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let id = chain_made(world, endpoint, "c", 10).await.id;
    let rows = [
        activity(1, 30, "start"),
        activity(2, 10, "dns"),
        activity(3, 20, "start"),
        activity(4, 20, "file_create"),
    ];
    let mut mark = detection(tenant, "1", 10, 3);
    (mark.chain_id, mark.activity) = (Some(id), Some(4));
    world
        .write(move |tx| {
            detection::insert(tx, &mark)?;
            batch::put_activities(tx, tenant, id, &rows, 10).map(drop)
        })
        .await
        .unwrap();
    let page = async |filter: Filter, after, upwards| {
        let rows =
            world.read(move |tx| chain::rows::page(tx, (tenant, id), &filter, after, upwards, 10)).await;
        rows.into_iter().map(|row| row.activity).collect::<Vec<_>>()
    };
    let (begin, end) = ((i64::MIN, -1), (i64::MAX, i64::MAX));
    assert_eq!(page(Filter::default(), begin, true).await, [2, 3, 4, 1]);
    assert_eq!(page(Filter::default(), end, false).await, [1, 4, 3, 2]);
    assert_eq!(page(Filter::default(), (20, 3), true).await, [4, 1]);
    assert_eq!(page(Filter::default(), (20, 3), false).await, [2]);
    let of = |filter: Filter| page(filter, begin, true);
    assert_eq!(of(Filter { kinds: Some(" start dns ".into()), ..Filter::default() }).await, [2, 3, 1]);
    assert_eq!(of(Filter { process: Some((1, 1)), ..Filter::default() }).await, [4, 1]);
    assert_eq!(of(Filter { is_key: true, ..Filter::default() }).await, [4]);
    assert_eq!(of(Filter { technique: Some("T1059".into()), ..Filter::default() }).await, [4]);
    assert!(of(Filter { technique: Some("T1003".into()), ..Filter::default() }).await.is_empty());
    let counts = world.read(move |tx| chain::rows::counts(tx, tenant, id)).await;
    assert_eq!(counts.iter().map(|count| count.count).sum::<i64>(), 4);
    assert_eq!(world.read(move |tx| detection::marks(tx, tenant, id, 10)).await.len(), 1);
}

async fn what_is_silent_longest_makes_room(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    for number in 0..5 {
        chain_made(world, endpoint, &format!("c{number}"), 100 - number).await;
    }
    world.write(move |tx| chain::make_room(tx, tenant, endpoint, 4)).await.unwrap();
    let mut open = Vec::new();
    for number in 0..5 {
        let row = world.read(move |tx| chain::by_name(tx, tenant, endpoint, &format!("c{number}"))).await;
        if !row.unwrap().is_closed {
            open.push(number);
        }
    }
    assert_eq!(open, [0, 1, 2], "room for one more");
    world.write(move |tx| chain::make_room(tx, tenant, endpoint, 4)).await.unwrap();
}

async fn bodies_go_first_where_the_incident_is_closed_and_chains_stay(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let mut over = made(world, "over", 3, 10).await;
    "closed".clone_into(&mut over.state);
    (over.resolution, over.closed_at) = (Some("benign".to_owned()), Some(20));
    let (id, closed) = (over.id, over.clone());
    world.write(move |tx| incident::change(tx, &closed)).await.unwrap();
    let mut ids = Vec::new();
    for (number, of) in [None, None, Some(id), Some(id)].into_iter().enumerate() {
        let row = chain_made(world, endpoint, &format!("c{number}"), number as i64).await;
        let chain_id = row.id;
        ids.push(chain_id);
        let rows: Vec<Activity> = (1..=10).map(|number| activity(number, number, "start")).collect();
        let write = move |tx: &mut quell_store::Tx<'_>| {
            batch::put_activities(tx, tenant, chain_id, &rows, 100)?;
            batch::put_processes(tx, tenant, chain_id, &[process(1)], 100)?;
            let whole =
                Chain { serial: 1, incident_id: of, bytes: 5, activities: 10, processes: 1, ..row.clone() };
            chain::update(tx, &whole)
        };
        assert!(world.write(write).await.unwrap());
    }
    let again: Vec<Activity> = (9..=12).map(|number| activity(number, number % 10, "start")).collect();
    let chain_id = ids[0];
    let same = world.read(move |tx| batch::unchanged(tx, tenant, chain_id, &again)).await;
    assert_eq!(same.into_iter().collect::<Vec<_>>(), [9, 10], "the body counts");
    let oldest = world.read(move |tx| chain::oldest(tx, tenant, endpoint, 3)).await;
    assert_eq!(oldest, [ids[2], ids[3], ids[0]]);
    let first = ids[2];
    let give_up = move |tx: &mut quell_store::Tx<'_>| chain::give_up_some(tx, tenant, first, 8);
    assert_eq!(world.write(give_up).await.unwrap(), (8, false));
    assert_eq!(world.write(give_up).await.unwrap(), (2, true));
    let row = world.read(move |tx| chain::get(tx, tenant, first)).await.unwrap();
    assert_eq!((row.bytes, row.activities, row.processes, row.dropped), (0, 0, 0, 11));
    assert!(world.read(move |tx| chain::rows::processes(tx, tenant, first, 10)).await.is_empty());
    let held = world.read(move |tx| chain::held(tx, tenant, endpoint)).await;
    assert_eq!(held, chain::Held { chains: 3, bytes: 15 });
    assert_eq!(world.read(move |tx| chain::oldest(tx, tenant, endpoint, 1)).await, [ids[3]]);
}

async fn all_that_an_incident_has_can_go_over_to_another(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let (one, two) = (made(world, "a", 3, 10).await.id, made(world, "b", 3, 10).await.id);
    let row = chain_made(world, endpoint, "c", 10).await;
    let (task, _) = world.task(&[endpoint]).await;
    let found = Detection { incident_id: Some(one), ..detection(tenant, "1", 10, 3) };
    let written = note_of(tenant, one, "words");
    world
        .write(move |tx| {
            chain::update(tx, &Chain { serial: 1, incident_id: Some(one), ..row.clone() })?;
            detection::insert(tx, &found)?;
            group::put_member(tx, (tenant, one), endpoint, 1, 10)?;
            group::put_member(tx, (tenant, two), endpoint, 2, 20)?;
            group::put_technique(tx, tenant, one, "T1059")?;
            link::put(tx, tenant, one, &[("hash", "h".into(), 10)])?;
            note::insert(tx, &written)?;
            tx.execute("UPDATE task SET incident_id = $2, activity = 'c/1' WHERE id = $1", &[&task.id, &one])
                .map(drop)
        })
        .await
        .unwrap();
    let counts = world.read(move |tx| incident::counts(tx, tenant, one)).await;
    assert_eq!(counts, incident::Counts { chains: 1, endpoints: 1, notes: 1, tasks: 1 });
    world
        .write(move |tx| {
            chain::move_all(tx, tenant, one, two)?;
            assert_eq!(detection::move_all(tx, tenant, one, two)?, 1);
            group::move_all(tx, tenant, one, two)
        })
        .await
        .unwrap();
    let counts = world.read(move |tx| incident::counts(tx, tenant, two)).await;
    assert_eq!(counts, incident::Counts { chains: 1, endpoints: 1, notes: 1, tasks: 1 });
    let members = world.read(move |tx| group::members(tx, tenant, two, 10)).await;
    assert_eq!((members[0].detections, members[0].last_at), (3, 20));
    assert_eq!(world.read(move |tx| group::techniques(tx, tenant, two, 10)).await, ["T1059"]);
    assert_eq!(world.read(move |tx| group::links_of(tx, tenant, two, 10)).await.len(), 1);
    assert!(world.read(move |tx| group::links_of(tx, tenant, one, 10)).await.is_empty());
    let open = world.read(move |tx| chain::open_of(tx, tenant, two)).await;
    assert_eq!(open, [chain::Open { endpoint_id: endpoint, name: "c".into(), serial: 1 }]);
    let filter = quell_store::task::Filter { incident_id: Some(two), ..Default::default() };
    let tasks =
        world.read(move |tx| quell_store::task::list(tx, tenant, &filter, Page::default())).await.rows;
    assert_eq!((tasks.len(), tasks[0].activity.as_deref()), (1, Some("c/1")));
    let filter = quell_store::task::Filter { of_incidents: true, ..Default::default() };
    let all = world.read(move |tx| quell_store::task::list(tx, tenant, &filter, Page::default())).await.rows;
    assert_eq!(all, tasks);
}

fn note_of(tenant_id: Uuid, incident_id: Uuid, body: &str) -> note::Note {
    note::Note {
        tenant_id,
        incident_id,
        id: Uuid::now_v7(),
        author_kind: "person".to_owned(),
        author_id: "p".to_owned(),
        author_name: "Ada".to_owned(),
        body: body.to_owned(),
        created_at: 5,
        edited_at: None,
    }
}

async fn notes_are_written_changed_and_taken_away(world: &World) {
    let (tenant, of) = (world.tenant, made(world, "a", 3, 10).await.id);
    let rows = [note_of(tenant, of, "one\ntwo"), note_of(tenant, of, "three")];
    let (first, written) = (rows[0].id, rows.clone());
    world.write(move |tx| written.iter().try_for_each(|row| note::insert(tx, row))).await.unwrap();
    world.write(move |tx| note::edit(tx, (tenant, of), first, "four", 9)).await.unwrap();
    let listed = world.read(move |tx| note::list(tx, tenant, of, Page::default())).await.rows;
    assert_eq!(listed.iter().map(|row| row.body.as_str()).collect::<Vec<_>>(), ["three", "four"]);
    assert_eq!(listed[1].edited_at, Some(9));
    world.write(move |tx| note::remove(tx, tenant, of, first)).await.unwrap();
    assert!(matches!(
        world.write(move |tx| note::remove(tx, tenant, of, first)).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(world.read(move |tx| note::count(tx, tenant, of)).await, 1);
}

async fn what_is_over_is_removed_piece_by_piece(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let open = made(world, "open", 3, 10).await.id;
    let mut over = made(world, "over", 3, 10).await;
    over.state = "closed".into();
    (over.resolution, over.closed_at, over.closed_by) = (Some("benign".into()), Some(50), Some("Ada".into()));
    let (id, row, loose) =
        (over.id, chain_made(world, endpoint, "c", 10).await, chain_made(world, endpoint, "d", 20).await);
    let chain_id = row.id;
    let rows: Vec<Activity> = (1..=10).map(|number| activity(number, number, "start")).collect();
    let joined = Detection { incident_id: Some(id), ..detection(tenant, "1", 10, 3) };
    let alone = detection(tenant, "2", 10, 3);
    world
        .write(move |tx| {
            incident::change(tx, &over)?;
            chain::update(tx, &Chain { serial: 1, incident_id: Some(id), ..row.clone() })?;
            batch::put_activities(tx, tenant, chain_id, &rows, 100)?;
            batch::put_processes(tx, tenant, chain_id, &[process(1)], 100)?;
            detection::insert(tx, &joined)?;
            detection::insert(tx, &alone).map(drop)
        })
        .await
        .unwrap();
    assert!(world.read(|tx| incident::over(tx, 50, 10)).await.is_empty());
    assert_eq!(world.read(|tx| incident::over(tx, 51, 10)).await, [(tenant, id)]);
    let mut turns = 0;
    while !world.write(move |tx| chain::remove_some(tx, tenant, chain_id, 4)).await.unwrap() {
        turns += 1;
    }
    assert_eq!(turns, 2);
    assert_eq!(world.read(move |tx| chain::get(tx, tenant, chain_id)).await, None);
    assert!(world.read(move |tx| chain::rows::processes(tx, tenant, chain_id, 10)).await.is_empty());
    assert_eq!(world.write(move |tx| detection::remove_some(tx, tenant, id, 10)).await.unwrap(), 1);
    world.write(move |tx| incident::delete(tx, tenant, id)).await.unwrap();
    assert!(world.read(move |tx| incident::get(tx, tenant, open)).await.is_some());
    assert_eq!(world.read(|tx| chain::loose(tx, 21, 10)).await, [(tenant, loose.id)]);
    assert_eq!(world.write(|tx| detection::remove_loose(tx, 11, 10)).await.unwrap(), 0);
    assert_eq!(world.write(|tx| detection::remove_loose(tx, 12, 10)).await.unwrap(), 1);
}
