//! What an operator does: with a signer that works, and with one at rest.

use quell_signer::admin::{Command, perform};
use quell_signer::{Options, Policy, listen};
use quell_wire::Trust;

use crate::world::{Asked, World};

#[test]
fn keys_rotate_without_a_gap_at_work_and_at_rest() {
    for works in [true, false] {
        let world = World::new();
        let directory = world.directory();
        let old = Trust::pinned(world.service.keys().key_set()).unwrap();
        let (folder, service) = (world.folder, world.service);
        let service = if works {
            listen(&service, &directory, Options::default()).unwrap();
            Some(service)
        } else {
            drop(service);
            None
        };
        let status = perform(&directory, Command::Rotate).unwrap();
        assert_eq!((status["key_set_version"].as_u64(), status["running"].as_bool()), (Some(2), Some(works)));
        assert_eq!(status["keys"].as_array().unwrap().len(), 2);
        let status = perform(&directory, Command::Retire).unwrap();
        assert_eq!(
            (status["key_set_version"].as_u64(), status["keys"].as_array().unwrap().len()),
            (Some(3), 1)
        );
        let keys = quell_signer::KeyFile::open(&directory.join("order.key")).unwrap();
        let mut trust = old;
        for rotation in keys.rotations() {
            trust = trust.rotate(&rotation).unwrap();
        }
        assert_eq!(trust.set(), &keys.key_set());
        if let Some(service) = &service {
            assert_eq!(service.keys().key_set(), keys.key_set());
        }
        drop(folder);
    }
}

#[test]
fn a_policy_is_followed_when_it_was_read_again_and_a_broken_one_is_not() {
    let world = World::new();
    listen(&world.service, &world.directory(), Options::default()).unwrap();
    let path = world.directory().join("signer.json");
    let order = Asked::isolate().order();
    assert!(world.sign(&order).is_ok());
    Policy { max_targets: Some(1), ..Policy::default() }.save(&path).unwrap();
    assert!(world.sign(&order).is_ok(), "not read yet");
    let status = perform(&world.directory(), Command::Reload).unwrap();
    assert_eq!(status["policy"]["max_targets"], 1);
    assert_eq!(world.code(&order), "too_many_targets");
    std::fs::write(&path, "{\"max_target\": 9}").unwrap();
    let error = perform(&world.directory(), Command::Reload).unwrap_err().to_string();
    assert!(error.contains("max_target"), "{error}");
    assert_eq!(world.code(&order), "too_many_targets", "the one before stays");
}

#[test]
fn where_no_signer_ever_was_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = perform(folder.path(), Command::Rotate).unwrap_err().to_string();
    assert!(error.contains("no order key"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
