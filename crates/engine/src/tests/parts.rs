//! The parts that stand alone: ids, secrets, keys.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use quell_catalog::Secret;
use quell_wire::{Order, Trust};
use uuid::Uuid;

use crate::{Clock, FileSigner, Secrets, Signer as _, SystemEntropy, ids::Ids};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> i64 {
        1_750_000_000_123_456
    }
}

#[test]
fn ids_rise_even_when_the_clock_stands_still() {
    let ids = Ids::new(Arc::new(Stopped), Arc::new(SystemEntropy));
    let made: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
    assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(made.iter().all(|id| id.get_version_num() == 7));
    assert!(made.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()), "as text too");
}

#[test]
fn secrets_are_derived_each_its_own() {
    let secrets = Secrets::new(&[1; 32]);
    let (task, a, b) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let password = secrets.derive(Secret::ArchivePassword, task, a);
    assert_eq!(password, secrets.derive(Secret::ArchivePassword, task, b), "one for all archives of a task");
    assert_ne!(password, secrets.derive(Secret::ArchivePassword, b, a));
    assert_ne!(password, Secrets::new(&[2; 32]).derive(Secret::ArchivePassword, task, a));
    let code = secrets.derive(Secret::ReleaseCode, task, a);
    assert_ne!(code, secrets.derive(Secret::ReleaseCode, task, b), "one for each endpoint");
    assert_eq!((code.len(), code.matches('-').count()), (19, 3));
    assert!(password.chars().all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c)));
    assert_eq!(format!("{secrets:?}"), "Secrets(***)");
}

#[test]
fn a_secret_file_is_made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let made = Secrets::open(&path, &SystemEntropy).unwrap();
    let again = Secrets::open(&path, &SystemEntropy).unwrap();
    let of = |secrets: &Secrets| secrets.derive(Secret::ArchivePassword, Uuid::nil(), Uuid::nil());
    assert_eq!(of(&made), of(&again));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, [0; 33]).unwrap();
    assert!(Secrets::open(&path, &SystemEntropy).is_err());
}

#[tokio::test]
async fn order_keys_rotate_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.key");
    let signer = FileSigner::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let old = Trust::pinned(signer.key_set()).unwrap();
    let order = Order::default();
    let before = signer.sign(&order).await.unwrap();
    assert!(old.key(&before.key_id).is_some());
    signer.rotate().unwrap();
    let after = signer.sign(&order).await.unwrap();
    assert!(old.key(&after.key_id).is_none());
    // An agent that slept through two changes follows them one after the other.
    signer.retire().unwrap();
    let signer = FileSigner::open(&path).unwrap();
    assert_eq!(signer.sign(&order).await.unwrap(), after, "the key outlives a restart");
    let rotations = signer.rotations();
    let both = old.rotate(&rotations[0]).unwrap();
    assert!(both.key(&before.key_id).is_some() && both.key(&after.key_id).is_some());
    let new = both.rotate(&rotations[1]).unwrap();
    assert!(new.key(&before.key_id).is_none() && new.key(&after.key_id).is_some());
    assert_eq!(new.set(), &signer.key_set());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "{}").unwrap();
    assert!(FileSigner::open(&path).is_err());
}
