//! What is told of an order before its end: nothing where it ends at once, its beginning where it takes longer.

use super::*;

fn begun(frame: &FromAgent) -> Option<(&str, i64)> {
    match frame {
        FromAgent::Started(started) => Some((started.order_id.as_str(), started.at_us)),
        _ => None,
    }
}

/// Waits until it is told that an order began.
async fn beginning(outbox: &Outbox) -> (String, i64) {
    loop {
        match outbox.take() {
            Some(Next::Frame(frame)) => {
                if let Some((id, at_us)) = begun(&frame) {
                    return (id.to_owned(), at_us);
                }
            }
            Some(next) => panic!("{next:?} before the beginning"),
            None => tokio::time::timeout(Duration::from_secs(20), outbox.ready()).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_ends_at_once_is_told_by_its_outcome_alone() {
    let (world, play) = (World::new(), Play::new(100));
    let (runner, outbox) = world.runner(&play);
    for number in 0..20 {
        runner.deliver(world.collect(&format!("o{number}"), "/etc/hostname"));
    }
    let (outcomes, frames) = ends(&runner, &outbox, 20).await;
    assert!(outcomes.iter().all(|outcome| outcome.started_at_us == NOW), "they say when they began");
    assert!(frames.iter().all(|frame| begun(frame).is_none()), "{frames:?}");
}

#[tokio::test]
async fn what_takes_longer_is_told_as_begun_and_so_is_a_repeat_of_it() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, outbox) = world.runner(&play);
    runner.deliver(world.collect("a", "/etc/hostname"));
    assert_eq!(beginning(&outbox).await, ("a".to_owned(), NOW));
    world.now.store(NOW + 1, Ordering::SeqCst);
    runner.deliver(world.collect("a", "/etc/hostname"));
    assert_eq!(beginning(&outbox).await, ("a".to_owned(), NOW), "the same beginning");
    play.gate.add_permits(1);
    let (outcomes, frames) = ends(&runner, &outbox, 1).await;
    assert_eq!((status(&outcomes[0]).0, outcomes[0].started_at_us), (Status::Done, NOW));
    assert!(frames.iter().all(|frame| begun(frame).is_none()), "told once");
    assert_eq!(play.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_waits_for_its_turn_is_not_told_as_begun() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, outbox) = world.runner(&play);
    runner.deliver(world.order("first", "endpoint.restore", &json!({})));
    assert_eq!(beginning(&outbox).await.0, "first");
    runner.deliver(world.order("second", "endpoint.restore", &json!({})));
    runner.deliver(world.collect("beside", "/etc/hostname"));
    assert_eq!(beginning(&outbox).await.0, "beside", "the second waits");
    runner.cancel("second");
    let (outcomes, frames) = ends(&runner, &outbox, 1).await;
    assert_eq!((outcomes[0].order_id.as_str(), outcomes[0].started_at_us), ("second", 0));
    assert!(frames.iter().all(|frame| begun(frame).is_none()));
}
