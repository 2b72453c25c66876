//! Rows in parts: what is kept, what is cut off, and what another attempt makes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::sync::Mutex;

use flate2::read::GzDecoder;
use quell_catalog::rows::{ColumnType, ROW_BYTES, SHOWN_BYTES};
use serde_json::json;

use super::*;

type Kept = Arc<Mutex<Vec<(usize, Vec<u8>)>>>;

fn keeper(kept: &Kept) -> Deliver {
    let kept = kept.clone();
    Box::new(move |ready| {
        let kept = kept.clone();
        Box::pin(async move {
            let bytes = std::fs::read(&ready.path).unwrap();
            kept.lock().unwrap().push((ready.number, bytes));
            let Ready { rows, size, sha256, number, .. } = ready;
            Ok(Part { artifact_id: number.to_string(), rows, size, sha256: hex(&sha256) })
        })
    })
}

fn columns() -> Vec<Column> {
    vec![Column::new("n", ColumnType::Integer), Column::new("text", ColumnType::Text)]
}

fn row(n: u64, text: &str) -> Row {
    json!({ "n": n, "text": text }).as_object().unwrap().clone()
}

fn writer(kept: &Kept, limits: Limits) -> (tempfile::TempDir, Cancel, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::default();
    let writer = Writer::start(dir.path(), columns(), limits, cancel.clone(), keeper(kept)).unwrap();
    (dir, cancel, writer)
}

/// Bytes that do not compress.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_add(1);
    let mut text = String::new();
    for _ in 0..1000 {
        state = state.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1).rotate_left(23);
        text.push(char::from(b'!' + (state >> 32) as u8 % 90));
    }
    text
}

fn numbers(kept: &Kept) -> Vec<u64> {
    let kept = kept.lock().unwrap();
    let lines = kept.iter().flat_map(|(_, bytes)| BufReader::new(GzDecoder::new(&bytes[..])).lines());
    lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_few_rows_need_no_part() {
    let kept = Kept::default();
    let (dir, _, writer) = writer(&kept, Limits::default());
    let mut extra = row(1, "a");
    extra.insert("undeclared".to_owned(), json!(1));
    assert!(writer.push(extra).await.is_continue());
    let rows = writer.finish().await.unwrap();
    assert_eq!((rows.count, rows.truncated, rows.parts.len()), (1, false, 0));
    assert_eq!(rows.shown, [row(1, "a")]);
    assert!(kept.lock().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn many_rows_go_in_parts_and_in_order() {
    let kept = Kept::default();
    let (dir, _, writer) = writer(&kept, Limits::default());
    for n in 0..4000 {
        assert!(writer.push(row(n, &noise(n))).await.is_continue());
    }
    let rows = writer.finish().await.unwrap();
    assert_eq!((rows.count, rows.truncated), (4000, false));
    assert!(rows.parts.len() > 2, "{} parts", rows.parts.len());
    assert_eq!(rows.parts.iter().map(|part| part.rows).sum::<u64>(), 4000);
    assert_eq!(numbers(&kept), (0..4000).collect::<Vec<_>>());
    assert!(serde_json::to_vec(&rows.shown).unwrap().len() <= SHOWN_BYTES + SHOWN_BYTES / 100);
    assert!(rows.shown.len() > 100);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "parts do not stay");
}

#[tokio::test]
async fn a_slow_producer_is_read_while_it_works() {
    let kept = Kept::default();
    let (_dir, _, writer) = writer(&kept, Limits::default());
    assert!(writer.push(row(7, "early")).await.is_continue());
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while kept.lock().unwrap().is_empty() {
        assert!(std::time::Instant::now() < end, "the first row is sent before the end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(writer.push(row(8, "late")).await.is_continue());
    let rows = writer.finish().await.unwrap();
    assert_eq!((rows.count, rows.parts.len(), rows.shown.len()), (2, 2, 2));
    assert_eq!(numbers(&kept), [7, 8]);
}

#[tokio::test]
async fn limits_end_it_and_are_told() {
    let kept = Kept::default();
    let (_dir, _, by_rows) = writer(&kept, Limits { rows: 3, bytes: u64::MAX });
    for n in 0..3 {
        assert!(by_rows.push(row(n, "a")).await.is_continue());
    }
    assert!(by_rows.push(row(3, "a")).await.is_break());
    let rows = by_rows.finish().await.unwrap();
    assert_eq!((rows.count, rows.truncated, rows.shown.len()), (3, true, 3));

    let (_dir, _, exactly) = writer(&kept, Limits { rows: 1, bytes: u64::MAX });
    assert!(exactly.push(row(0, "a")).await.is_continue());
    assert!(!exactly.finish().await.unwrap().truncated, "as many as fit is not too many");

    let (_dir, _, by_bytes) = writer(&kept, Limits { rows: 1000, bytes: 100 });
    let mut n = 0;
    while by_bytes.push(row(n, "0123456789")).await.is_continue() {
        n += 1;
        tokio::task::yield_now().await;
        assert!(n <= 1000);
    }
    let rows = by_bytes.finish().await.unwrap();
    assert_eq!((rows.count, rows.truncated), (3, true));
}

#[tokio::test]
async fn a_row_that_is_too_long_is_cut() {
    let kept = Kept::default();
    let (_dir, _, writer) = writer(&kept, Limits::default());
    for text in ["ä".repeat(ROW_BYTES), "\u{1}".repeat(ROW_BYTES)] {
        assert!(writer.push(row(1, &text)).await.is_continue());
    }
    let rows = writer.finish().await.unwrap();
    for row in &rows.shown {
        let text = row["text"].as_str().unwrap();
        assert!(text.ends_with('…') && text.len() > 1000, "{}", text.len());
        assert!(serde_json::to_vec(row).unwrap().len() <= ROW_BYTES);
    }
    assert_eq!(rows.shown.len(), 2);
}

#[tokio::test]
async fn a_refusal_and_a_cancel_stop_the_producer() {
    let dir = tempfile::tempdir().unwrap();
    let refuse: Deliver = Box::new(|_| Box::pin(std::future::ready(Err(transfer::Error::Protocol("no")))));
    let limits = Limits { rows: u64::MAX, bytes: u64::MAX };
    let writer = Writer::start(dir.path(), columns(), limits, Cancel::default(), refuse).unwrap();
    let mut n = 0;
    while writer.push(row(n, &noise(n))).await.is_continue() {
        n += 1;
        assert!(n < 100_000, "nobody takes these");
    }
    assert!(matches!(writer.finish().await, Err(Error::Transfer(transfer::Error::Protocol(_)))));

    let kept = Kept::default();
    let (_dir, cancel, writer) = self::writer(&kept, limits);
    assert!(writer.push(row(0, "a")).await.is_continue());
    cancel.ask();
    assert!(writer.push(row(0, "a")).await.is_break());
    let ending = Ending::from(writer.finish().await.unwrap_err());
    assert_eq!(ending.code, "canceled");
}

#[tokio::test]
async fn a_thread_is_held_back_by_a_slow_network() {
    let dir = tempfile::tempdir().unwrap();
    let (open, gate) = tokio::sync::watch::channel(false);
    let deliver: Deliver = Box::new(move |ready| {
        let mut gate = gate.clone();
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            let Ready { rows, size, number, .. } = ready;
            Ok(Part { artifact_id: number.to_string(), rows, size, sha256: String::new() })
        })
    });
    let limits = Limits { rows: u64::MAX, bytes: u64::MAX };
    let writer = Writer::start(dir.path(), columns(), limits, Cancel::default(), deliver).unwrap();
    let pushed = Arc::new(AtomicU64::new(0));
    let count = pushed.clone();
    let thread = std::thread::spawn(move || {
        for n in 0..16_000 {
            assert!(writer.push_blocking(row(n, &noise(n))).is_continue());
            count.store(n, Ordering::Relaxed);
        }
        writer
    });
    // It stands still with a handful of parts on the disk.
    let mut before = u64::MAX;
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = pushed.load(Ordering::Relaxed);
        if now == before {
            break;
        }
        assert!(std::time::Instant::now() < end);
        before = now;
    }
    assert!(before < 12_000, "{before} rows were taken without a network");
    assert!(std::fs::read_dir(dir.path()).unwrap().count() <= WAITING + 2);
    open.send(true).unwrap();
    let writer = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    let rows = writer.finish().await.unwrap();
    assert_eq!((rows.count, rows.truncated), (16_000, false));
}
