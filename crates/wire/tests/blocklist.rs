//! A block list follows one history, upwards, as one key signed it; whatever else arrives changes nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use prost::Message as _;
use quell_wire::blocklist::{
    Action, Delta, Error, Follower, Group, Held, Kind, Part, Risk, SignedDelta, Step, framed, is_sound,
    unframe,
};
use quell_wire::keys::{KeySet, SigningKey, Trust};
use quell_wire::limits;

fn key() -> (SigningKey, Trust) {
    let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let trust = Trust::pinned(KeySet { version: 1, keys: vec![key.public()] }).unwrap();
    (key, trust)
}

fn group(values: Vec<Vec<u8>>) -> Group {
    let mut group = Group { values, ..Group::default() };
    group.set_kind(Kind::Sha1);
    group.set_action(Action::Block);
    group.set_risk(Risk::High);
    group
}

fn next(held: &Held) -> Delta {
    Delta {
        tenant_id: "t".into(),
        from_version: held.version,
        to_version: held.version + 1,
        base: held.digest.clone(),
        adds: vec![group(vec![vec![held.version as u8; 20]])],
        ..Delta::default()
    }
}

fn part(version: u64, index: u32, count: u32) -> Delta {
    let part = Part { snapshot: vec![7; 16], index, count, digest: vec![9; 32] };
    Delta {
        tenant_id: "t".into(),
        to_version: version,
        adds: vec![group(vec![vec![index as u8; 20]])],
        part: Some(part),
        ..Delta::default()
    }
}

fn sign(key: &SigningKey, delta: &Delta) -> SignedDelta {
    SignedDelta::sign(key, &delta.encode_to_vec())
}

#[test]
fn deltas_are_taken_in_order_and_no_other_way() {
    let (key, trust) = key();
    let mut follower = Follower::new("t", Held::default());
    let first = next(follower.held());
    assert_eq!(follower.take(&sign(&key, &first), &trust), Ok(Step::Change(first.clone())));
    assert_eq!(follower.held().version, 1);
    assert_eq!(follower.take(&sign(&key, &first), &trust), Err(Error::NotNext), "the same once more");
    let second = next(follower.held());
    let fork = Delta { base: vec![1; 32], ..second.clone() };
    assert_eq!(follower.take(&sign(&key, &fork), &trust), Err(Error::OtherHistory));
    let foreign = Delta { tenant_id: "u".into(), ..second.clone() };
    assert_eq!(follower.take(&sign(&key, &foreign), &trust), Err(Error::OtherTenant));
    let leap = Delta { to_version: 9, ..second.clone() };
    assert_eq!(follower.take(&sign(&key, &leap), &trust), Err(Error::Limit("to_version")));
    let (stranger, _) = self::key();
    assert_eq!(follower.take(&sign(&stranger, &second), &trust), Err(Error::Signature));
    let mut edited = sign(&key, &second);
    *edited.delta.last_mut().unwrap() ^= 1;
    assert_eq!(follower.take(&edited, &trust), Err(Error::Signature));
    assert_eq!(follower.held().version, 1);
    follower.take(&sign(&key, &second), &trust).unwrap();
    assert_eq!(follower.held().version, 2);
}

#[test]
fn an_order_key_signs_no_delta_by_signing_something_else() {
    use quell_wire::keys::{Domain, key_id};
    let (key, trust) = key();
    let delta = next(&Held::default()).encode_to_vec();
    for domain in [Domain::Order, Domain::KeySet, Domain::Outcome] {
        let signature = key.sign(domain, &delta);
        let signed = SignedDelta { delta: delta.clone(), signature, key_id: key_id(&key.public()) };
        assert_eq!(signed.open(&trust), Err(Error::Signature));
    }
}

#[test]
fn a_snapshot_counts_when_all_its_parts_came_in_their_order() {
    let (key, trust) = key();
    let held = Held { version: 5, digest: vec![5; 32] };
    let mut follower = Follower::new("t", held.clone());
    let mut take = |delta: &Delta| {
        let step = follower.take(&sign(&key, delta), &trust);
        (step, follower.held().clone())
    };
    assert_eq!(take(&part(4, 0, 2)).0, Err(Error::Stale));
    assert_eq!(take(&part(7, 1, 2)).0, Err(Error::Part), "not from its beginning");
    assert!(
        matches!(take(&part(7, 0, 3)), (Ok(Step::Part { is_first: true, is_last: false, .. }), h) if h == held)
    );
    assert_eq!(take(&part(7, 2, 3)).0, Err(Error::Part), "one is missing");
    assert_eq!(take(&part(7, 1, 3)).0, Err(Error::Part), "it was given up");
    take(&part(7, 0, 3)).0.unwrap();
    let mut other = part(7, 1, 3);
    other.part.as_mut().unwrap().snapshot = vec![8; 16];
    assert_eq!(take(&other).0, Err(Error::Part), "of another snapshot");
    for index in 0..3 {
        take(&part(7, index, 3)).0.unwrap();
    }
    assert_eq!(take(&part(6, 0, 1)).0, Err(Error::Stale));
    let (_, now) = take(&part(6, 0, 1));
    assert_eq!(now, Held { version: 7, digest: vec![9; 32] });
}

#[test]
fn values_fit_their_kind() {
    let fits = |kind: Kind, value: &[u8]| is_sound(kind.into(), value);
    assert!(fits(Kind::Sha1, &[0; 20]) && !fits(Kind::Sha1, &[0; 32]));
    assert!(fits(Kind::Ip, &[10, 0, 0, 0, 8]) && fits(Kind::Ip, &[10, 0, 0, 1, 32]));
    assert!(!fits(Kind::Ip, &[10, 0, 0, 1, 8]), "bits beyond the prefix");
    assert!(!fits(Kind::Ip, &[10, 0, 0, 1, 33]) && !fits(Kind::Ip, &[8]) && !fits(Kind::Ip, &[]));
    assert!(fits(Kind::Ip, &[&[0_u8; 16][..], &[0]].concat()) && !fits(Kind::Ip, &[0; 16]));
    assert!(fits(Kind::Domain, b"*.example.com") && !fits(Kind::Domain, b"Example.com"));
    assert!(!fits(Kind::Domain, b"exam ple.com") && !fits(Kind::Url, "http://\u{e9}/".as_bytes()));
    assert!(is_sound(99, b"what a newer server lists") && !is_sound(99, &[]));
    assert!(!is_sound(99, &vec![b'x'; limits::BLOCK_LIST_VALUE + 1]));
}

proptest! {
    #[test]
    fn any_bytes_are_a_delta_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(delta) = Delta::read(&bytes) {
            prop_assert_eq!(Delta::read(&delta.encode_to_vec()), Ok(delta));
        }
        let _ = unframe(&bytes);
    }

    #[test]
    fn frames_read_back_however_they_are_cut(count in 1_usize..5, cut in any::<prop::sample::Index>()) {
        let (key, _) = key();
        let sent: Vec<SignedDelta> =
            (0..count).map(|n| sign(&key, &part(7, n as u32, count as u32))).collect();
        let all: Vec<u8> = sent.iter().flat_map(framed).collect();
        let cut = cut.index(all.len());
        let (mut got, mut at) = (Vec::new(), 0);
        for end in [cut, all.len()] {
            while let Some((signed, taken)) = unframe(&all[at..end]).unwrap() {
                got.push(signed);
                at += taken;
            }
        }
        prop_assert_eq!((got, at), (sent, all.len()));
    }
}
