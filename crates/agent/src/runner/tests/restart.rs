//! What the agent makes of orders that an earlier run of it left: how often it tries, what it holds, how it ends them.

use super::*;

#[tokio::test]
async fn a_script_that_outlived_many_restarts_keeps_its_result() {
    let world = World::new();
    let params = json!({ "script": format!("sha256:{}", "0".repeat(64)) });
    die_in_the_middle(&world, world.order("a", "endpoint.run_script", &params)).await;
    for attempt in 2..=6 {
        let play = Play::new(0);
        let (runner, _) = world.runner(&play);
        runner.resume().unwrap();
        while play.runs.load(Ordering::SeqCst) == 0 {
            tokio::time::timeout(Duration::from_secs(5), tokio::task::yield_now()).await.unwrap();
            assert_eq!(runner.running(), 1, "attempt {attempt} was not made");
        }
    }
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    runner.resume().unwrap();
    runner.deliver(world.order("a", "endpoint.run_script", &params));
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Done, ""));
}

#[tokio::test]
async fn an_order_about_to_be_written_down_is_held() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, _) = world.runner(&play);
    assert!(runner.held().is_empty());
    let claim = Running {
        order_sha256: vec![1; 32],
        cancel: Cancel::default(),
        secrets: watch::channel(None).0,
        started_us: None,
    };
    runner.0.running().insert("a".into(), claim);
    assert!(runner.0.ledger.with(|journal| journal.held()).is_empty(), "the disk has not answered yet");
    assert_eq!(runner.held(), ["a"]);
}
