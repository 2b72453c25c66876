//! Bytes of artifacts: resumed, bounded, checked.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quell_store::{ArtifactStore, blob::Error};
use sha2::{Digest, Sha256};
use uuid::Uuid;

fn pieces(bytes: &[u8]) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Unpin + use<> {
    stream::iter(bytes.chunks(1_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>())
}

fn content(size: usize) -> (Vec<u8>, [u8; 32]) {
    let bytes: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
    let digest = Sha256::digest(&bytes).into();
    (bytes, digest)
}

#[tokio::test]
async fn an_upload_is_resumed_checked_and_read_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(dir.path()).await.unwrap();
    let (tenant, id) = (Uuid::now_v7(), Uuid::now_v7());
    // Large enough to go into the object store in parts.
    let (bytes, digest) = content(6 << 20);
    let size = bytes.len() as u64;
    let broken = pieces(&bytes[..10_000]).chain(stream::iter([Err(std::io::Error::other("cut"))]));
    assert!(matches!(store.append(tenant, id, 0, size, broken).await, Err(Error::Io(_))));
    assert_eq!(store.received(tenant, id).await.unwrap(), 10_000, "what came before the break is kept");
    let gap = store.append(tenant, id, 20_000, size, pieces(&bytes[20_000..])).await;
    assert!(matches!(gap, Err(Error::Offset(10_000))));
    assert!(matches!(store.finish(tenant, id, size, &digest).await, Err(Error::Mismatch)));
    let end = store.append(tenant, id, 4_500, size, pieces(&bytes[4_500..])).await.unwrap();
    assert_eq!(end, size, "the overlap is not written twice");
    let key = store.finish(tenant, id, size, &digest).await.unwrap();
    assert_eq!(store.finish(tenant, id, size, &digest).await.unwrap(), key, "a repeat finds it there");
    assert_eq!(std::fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    let (whole, stream) = store.read(&key, None).await.unwrap();
    let read: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!((whole, read.concat() == bytes), (size, true));
    let (_, stream) = store.read(&key, Some(100..200)).await.unwrap();
    let part: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(part.concat(), &bytes[100..200]);
    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert!(matches!(store.read(&key, None).await.err(), Some(Error::NotFound)));
}

#[tokio::test]
async fn more_or_other_bytes_than_announced_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(dir.path()).await.unwrap();
    let (tenant, id) = (Uuid::now_v7(), Uuid::now_v7());
    let (bytes, digest) = content(5_000);
    assert!(matches!(store.append(tenant, id, 0, 4_999, pieces(&bytes)).await, Err(Error::TooLong(4_999))));
    assert!(store.received(tenant, id).await.unwrap() <= 4_999);
    store.discard(tenant, id).await.unwrap();
    assert_eq!(store.received(tenant, id).await.unwrap(), 0);
    let mut altered = bytes.clone();
    altered[7] ^= 1;
    store.append(tenant, id, 0, 5_000, pieces(&altered)).await.unwrap();
    assert!(matches!(store.finish(tenant, id, 5_000, &digest).await, Err(Error::Mismatch)));
    assert_eq!(
        std::fs::read_dir(dir.path().join("objects")).unwrap().count(),
        0,
        "nothing unchecked is kept"
    );
}

#[tokio::test]
async fn two_pieces_of_one_upload_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(dir.path()).await.unwrap();
    let (tenant, id) = (Uuid::now_v7(), Uuid::now_v7());
    let (bytes, digest) = content(3_000);
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let slow = {
        let (store, bytes) = (store.clone(), bytes.clone());
        let wait = stream::once(async move {
            receive.await.unwrap();
            Ok::<_, std::io::Error>(Bytes::from(bytes))
        });
        tokio::spawn(async move { store.append(tenant, id, 0, 3_000, Box::pin(wait)).await })
    };
    while store.received(tenant, id).await.is_ok()
        && !dir.path().join(format!("spool/{tenant}.{id}")).exists()
    {
        tokio::task::yield_now().await;
    }
    assert!(matches!(store.append(tenant, id, 0, 3_000, pieces(&bytes)).await, Err(Error::Busy)));
    send.send(()).unwrap();
    assert_eq!(slow.await.unwrap().unwrap(), 3_000);
    store.finish(tenant, id, 3_000, &digest).await.unwrap();
}
