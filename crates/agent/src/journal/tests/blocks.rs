//! The journal after the power went: of one write any block may be missing, and its room shows zeros there.

use prost::Message as _;

use super::*;

const BLOCK: usize = 4096;

/// A journal in which one order ended, and whose next write begins so many bytes before the end of a block.
fn up_to(path: &Path, before: usize) -> Journal {
    let (mut journal, _) = open(path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let fit = |length| {
        let outcome = vec![5; length];
        Body::Finished(Finished { order_id: "a".into(), outcome, signature: vec![6; 64] })
    };
    let left = BLOCK - before - journal.size() as usize;
    let around = record::FRAME + fit(1000).encoded_len() - 1000;
    journal.append(&[fit(left - around)], true, NOW).unwrap();
    assert_eq!(journal.size() as usize, BLOCK - before);
    journal
}

/// Goes on with what is in the file, as an agent would; what it writes is there the next time.
fn goes_on(path: &Path, mut journal: Journal) {
    journal.append(&[accepted("next"), started("next")], true, NOW).unwrap();
    drop(journal);
    let (journal, recovered) = open(path);
    assert_eq!(recovered, Recovered::default());
    assert!(matches!(journal.entry("next").unwrap().stage, Stage::Started { .. }));
    assert_eq!(journal.entry("a").unwrap().stage, Stage::Finished);
}

#[test]
fn a_write_of_which_any_block_is_lost_is_torn_wherever_the_border_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let records = [accepted("b"), started("b")];
    let first = record::FRAME + records[0].encoded_len();
    let both = first + record::FRAME + records[1].encoded_len();
    for before in 1..both {
        let _ = fs::remove_file(&path);
        let mut journal = up_to(&path, before);
        let whole = journal.size() as usize;
        journal.append(&records, true, NOW).unwrap();
        drop(journal);
        let bytes = fs::read(&path).unwrap();

        let mut torn = bytes.clone();
        torn[whole..BLOCK].fill(0);
        fs::write(&path, &torn).unwrap();
        let (journal, recovered) = open(&path);
        assert_eq!(
            recovered,
            Recovered { torn: both as u64, ..Recovered::default() },
            "{before}: its beginning is lost"
        );
        assert!(journal.entry("b").is_none() && journal.damaged_us().is_none());
        assert_eq!(journal.entry("a").unwrap().stage, Stage::Finished);
        assert_eq!((journal.size() as usize, fs::metadata(&path).unwrap().len() as usize), (whole, whole));
        goes_on(&path, journal);

        let mut torn = bytes.clone();
        torn[BLOCK..].fill(0);
        fs::write(&path, &torn).unwrap();
        let (journal, recovered) = open(&path);
        assert!(recovered.damaged.is_none(), "{before}: its end is lost");
        // The border may fall between the two records: what is there then is as good as a write of one.
        let stage = journal.entry("b").map(|entry| entry.stage);
        assert_eq!(stage, (before >= first).then_some(Stage::Accepted), "{before}");
        assert_eq!(recovered.torn > 0, before != first, "{before}");
        assert_eq!(journal.size() as usize, if before < first { whole } else { whole + first });
        goes_on(&path, journal);
    }
}

#[test]
fn of_a_group_of_orders_what_stands_before_the_first_lost_block_is_there_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = up_to(&path, 700);
    let whole = journal.size() as usize;
    let ids: Vec<String> = (0..60).map(|number| format!("o{number}")).collect();
    let group: Vec<Body> = ids.iter().flat_map(|id| [accepted(id), started(id)]).collect();
    // The acknowledgement goes first in the same write.
    journal.acknowledge("a");
    journal.append(&group, true, NOW).unwrap();
    let ends: Vec<usize> = ids
        .iter()
        .map(|id| {
            let span = journal.entry(id).unwrap().accepted.unwrap();
            span.at as usize + span.len as usize
        })
        .collect();
    let end = journal.size() as usize;
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    let blocks = end.div_ceil(BLOCK);
    assert!(blocks >= 4, "{blocks}");
    for lost in 1..1_u32 << blocks {
        let mut torn = bytes.clone();
        let is_lost = |block: &usize| lost & (1 << block) != 0;
        for block in (0..blocks).filter(is_lost) {
            torn[whole.max(block * BLOCK)..end.min((block + 1) * BLOCK)].fill(0);
        }
        fs::write(&path, &torn).unwrap();
        let (journal, recovered) = open(&path);
        assert!(recovered.damaged.is_none() && journal.damaged_us().is_none(), "lost {lost:b}");
        let kept = (0..blocks).find(is_lost).unwrap() * BLOCK;
        for (id, end) in ids.iter().zip(&ends) {
            assert_eq!(journal.entry(id).is_some(), *end <= kept, "{id}, lost {lost:b}");
        }
        let a = journal.entry("a").unwrap();
        assert_eq!(a.stage, if kept > 0 { Stage::Acknowledged } else { Stage::Finished });
    }
}

#[test]
fn a_write_after_a_lost_one_shows_that_it_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = up_to(&path, 100);
    let whole = journal.size() as usize;
    journal.append(&[accepted("b"), started("b")], true, NOW).unwrap();
    let second = journal.size() as usize;
    journal.append(&[accepted("c"), started("c")], true, NOW).unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for lost in [whole..BLOCK, BLOCK..second, whole..second] {
        let mut broken = bytes.clone();
        broken[lost.clone()].fill(0);
        fs::write(&path, &broken).unwrap();
        let (journal, recovered) = open(&path);
        let aside = recovered.damaged.unwrap();
        assert_eq!(fs::read(&aside).unwrap(), broken);
        fs::remove_file(aside).unwrap();
        assert_eq!(journal.damaged_us(), Some(NOW));
        assert_eq!(journal.entry("a").unwrap().stage, Stage::Finished);
        assert!(journal.entry("b").is_none(), "{lost:?}");
        assert!(matches!(journal.entry("c").unwrap().stage, Stage::Started { .. }));
    }
}

#[test]
fn damage_to_one_record_of_a_group_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), accepted("b"), finished("b"), accepted("c")], true, NOW).unwrap();
    journal.append(&[accepted("d")], true, NOW).unwrap();
    let span = |journal: &Journal, id: &str| journal.entry(id).unwrap().accepted.unwrap();
    let (a, b) = (span(&journal, "a").at as usize, span(&journal, "b").at as usize);
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    let known = |at: usize| {
        let mut broken = bytes.clone();
        broken[at] ^= 0x40;
        fs::write(&path, &broken).unwrap();
        let (mut journal, recovered) = open(&path);
        fs::remove_file(recovered.damaged.unwrap()).unwrap();
        if journal.entry("b").is_some() {
            assert_eq!(journal.outcome("b").unwrap().unwrap().outcome, vec![5; 50]);
        }
        ["a", "b", "c", "d"].map(|id| journal.entry(id).is_some())
    };
    for at in a + record::FRAME..b {
        assert_eq!(known(at), [false, true, true, true], "byte {at}");
    }
    // Without its length or its checksum nothing leads to those that were written with it.
    for at in a..a + record::FRAME {
        assert_eq!(known(at), [false, false, false, true], "byte {at}");
    }
}

#[test]
fn what_was_rewritten_stands_record_by_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), accepted("b"), finished("b"), accepted("c")], true, NOW).unwrap();
    journal.compact(NOW).unwrap();
    assert_eq!(journal.outcome("b").unwrap().unwrap().signature, vec![6; 64]);
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEADER] ^= 0x40;
    fs::write(&path, &bytes).unwrap();
    let (journal, recovered) = open(&path);
    assert!(recovered.damaged.is_some());
    let known = ["a", "b", "c"].into_iter().filter(|id| journal.entry(id).is_some()).count();
    assert!(known == 2, "{known}: only the one that was hit is lost");
}

/// As records were framed before those of one write were chained.
fn framed_alone(salt: [u8; 8], body: &Body) -> Vec<u8> {
    let payload = record::Record { body: Some(body.clone()) }.encode_to_vec();
    let length = (payload.len() as u32).to_le_bytes();
    let sum = crc32fast::hash(&[&salt[..], &length, &payload].concat()).to_le_bytes();
    [&length[..], &sum, &payload].concat()
}

#[test]
fn a_file_from_before_records_were_chained_is_read_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let salt = *b"saltsalt";
    let records = [accepted("a"), started("a"), accepted("b"), started("b"), finished("a")];
    let mut old = [&b"quelljn1"[..], &salt].concat();
    for body in &records {
        old.extend(framed_alone(salt, body));
    }
    for room in [0, BLOCK] {
        fs::write(&path, [&old[..], &vec![0; room]].concat()).unwrap();
        let (mut journal, recovered) = open(&path);
        assert_eq!((recovered, journal.size() as usize), (Recovered::default(), old.len()));
        assert_eq!(journal.outcome("a").unwrap().unwrap().outcome, vec![5; 50]);
        assert_eq!(journal.unfinished().unwrap()[0].0.order_id, "b");
        journal.append(&[accepted("c"), started("c")], true, NOW).unwrap();
        assert_eq!(journal.unfinished().unwrap().len(), 2);
        drop(journal);
        let (journal, recovered) = open(&path);
        assert_eq!(recovered, Recovered::default());
        assert!(matches!(journal.entry("c").unwrap().stage, Stage::Started { .. }));
        assert_eq!(journal.entry("a").unwrap().stage, Stage::Finished);
    }
    let mut broken = old.clone();
    broken[HEADER + record::FRAME + 3] ^= 0x40;
    fs::write(&path, &broken).unwrap();
    let (journal, recovered) = open(&path);
    assert!(recovered.damaged.is_some() && journal.entry("a").is_none());
    assert!(matches!(journal.entry("b").unwrap().stage, Stage::Started { .. }));
}
