//! What the agent makes of orders that an earlier run of it left: how often it tries, what it holds, how it ends them.

use super::*;

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
