//! What is on its way when an incident is closed, and what is detected on it afterwards: nothing of that is lost.

use quell_store::incident::Incident;
use quell_store::{detection, incident};
use quell_wire::activity::{ChainUpdate, Severity};
use uuid::Uuid;

use super::agent::Agent;
use super::chain::{answer, chain_of, hit, incidents, stored, update};
use super::rig::{Rig, now};

/// A person closes the only incident.
async fn close(rig: &Rig, resolution: &str) {
    let mut row = incidents(rig).await.remove(0);
    "closed".clone_into(&mut row.state);
    row.resolution = Some(resolution.to_owned());
    (row.closed_at, row.closed_by) = (Some(now()), Some("Ada".to_owned()));
    rig.write(move |tx| incident::change(tx, &row)).await;
}

async fn only(rig: &Rig) -> Incident {
    let mut all = incidents(rig).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn titles(rig: &Rig, incident: Uuid) -> Vec<String> {
    let tenant = rig.tenant;
    let rows = rig.read(move |tx| detection::of_incident(tx, tenant, incident, 100)).await;
    rows.into_iter().map(|row| row.title).collect()
}

/// A rule that did not hit before.
fn another(chain: &str, serial: u64, id: &str) -> ChainUpdate {
    let mut more = update(chain, serial);
    let mut found = hit(id, 2, Severity::Critical);
    (found.rule, found.title) = (format!("rule of {id}"), "Another rule".to_owned());
    more.detections = vec![found];
    more
}

fn quiet(chain: &str, serial: u64) -> ChainUpdate {
    ChainUpdate { detections: Vec::new(), ..update(chain, serial) }
}

#[tokio::test]
async fn what_is_on_its_way_when_an_incident_is_closed_arrives() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    for resolution in ["true_positive", "false_positive", "benign", "duplicate"] {
        let name = format!("c-{resolution}");
        let mut first = update(&name, 1);
        first.detections[0].id = format!("{name}-1");
        assert_eq!(stored(&mut session, first).await, answer(&name, 1, false));
        close(&rig, resolution).await;
        // No more is wanted; what the agent sent before it heard so is taken in its turn.
        assert_eq!(stored(&mut session, quiet(&name, 2)).await, answer(&name, 2, true));
        assert_eq!(only(&rig).await.state, "closed");
        let before = only(&rig).await.detections;
        let found = another(&name, 3, &format!("{name}-2"));
        assert_eq!(stored(&mut session, found).await, answer(&name, 3, false));
        let row = only(&rig).await;
        assert_eq!(
            (row.state.as_str(), row.severity, row.detections),
            ("open", 5, before + 1),
            "{resolution}"
        );
        assert_eq!(titles(&rig, row.id).await.last().unwrap(), "Another rule");
        // Open again, so that the next one joins it.
        assert_eq!(stored(&mut session, quiet(&name, 4)).await, answer(&name, 4, false));
        // The agent closes it, and yet tells of something afterwards.
        let last = ChainUpdate { closed: true, ..quiet(&name, 5) };
        assert_eq!(stored(&mut session, last).await, answer(&name, 5, true));
        assert_eq!(stored(&mut session, quiet(&name, 6)).await, answer(&name, 6, true));
        let late = another(&name, 7, &format!("{name}-3"));
        assert_eq!(stored(&mut session, late).await, answer(&name, 7, false));
        assert_eq!(only(&rig).await.detections, before + 2);
    }
    assert_eq!(rig.audited("incident.reopen", "ok").await, 4);
}

#[tokio::test]
async fn what_was_judged_as_nothing_disturbs_nobody_again() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    stored(&mut session, update("c", 1)).await;
    close(&rig, "false_positive").await;
    // The same rule on the same object: kept, and the incident stays closed.
    let mut again = update("c", 2);
    again.detections = vec![hit("hit-2", 2, Severity::High)];
    assert_eq!(stored(&mut session, again).await, answer("c", 2, true));
    let row = only(&rig).await;
    assert_eq!((row.state.as_str(), row.detections), ("closed", 2));
    assert_eq!(titles(&rig, row.id).await.len(), 2);
    // The same rule on another object, or on another content in the same place, was judged by nobody.
    let mut other = update("c", 3);
    other.detections = vec![hit("hit-3", 2, Severity::High)];
    other.detections[0].sha256 = vec![8; 32];
    assert_eq!(stored(&mut session, other).await, answer("c", 3, false));
    assert_eq!(only(&rig).await.state, "open");
    close(&rig, "benign").await;
    let mut other = update("c", 4);
    other.detections = vec![hit("hit-4", 2, Severity::High)];
    other.detections[0].path = b"/tmp/y".to_vec();
    assert_eq!(stored(&mut session, other).await, answer("c", 4, false));
    assert_eq!((only(&rig).await.state.as_str(), only(&rig).await.detections), ("open", 4));
    assert_eq!(chain_of(&rig, agent.id(), "c").await.unwrap().detections, 4);
}
