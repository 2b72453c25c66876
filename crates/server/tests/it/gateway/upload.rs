//! Files that come in.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use quell_store::{artifact, library};
use quell_wire::digest::{hex, sha256};
use quell_wire::frame::{FromAgent, FromServer};
use quell_wire::path::artifact_id;
use quell_wire::{SignedOrder, Status};
use serde_json::json;
use uuid::Uuid;

use super::agent::{Agent, Answer, Session, request};
use super::rig::{Rig, now};

struct Case {
    rig: Rig,
    agent: Agent,
    session: Session,
    order: SignedOrder,
    id: Uuid,
}

async fn case() -> Case {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let params = json!({ "path": "/etc/hostname", "max_bytes": 1_000_000 });
    let id = rig.submit(agent.id(), "file.collect", params).await.id;
    let order = session.order().await;
    Case { rig, agent, session, order, id }
}

impl Case {
    fn path(&self) -> String {
        format!("/agent/v1/uploads/{}/archive", self.id)
    }

    async fn put(&self, offset: u64, whole: &[u8], piece: &[u8]) -> Answer {
        put(&self.agent, &self.path(), offset, whole.len() as u64, &hex(&sha256(&[whole])), piece).await
    }

    async fn head(&self) -> Answer {
        self.agent.send(request("HEAD", &self.path(), &[]).body(Full::default()).unwrap()).await.unwrap()
    }

    async fn row(&self) -> Option<artifact::Artifact> {
        let (tenant, id) = (self.rig.tenant, artifact_id(&self.id.to_string(), "archive").parse().unwrap());
        self.rig.read(move |tx| artifact::get(tx, tenant, id)).await
    }
}

async fn put(agent: &Agent, path: &str, offset: u64, length: u64, sha256: &str, piece: &[u8]) -> Answer {
    let (offset, length) = (offset.to_string(), length.to_string());
    let headers = [("upload-offset", offset.as_str()), ("upload-length", &length), ("upload-sha256", sha256)];
    let body = Full::new(Bytes::copy_from_slice(piece));
    agent.send(request("PUT", path, &headers).body(body).unwrap()).await.unwrap()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number * 7 % 251) as u8).collect()
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_proves_the_deed() {
    let mut case = case().await;
    let file = bytes(300_000);
    assert_eq!(case.head().await.offset(), 0);
    let answer = case.put(0, &file, &file[..100_000]).await;
    assert_eq!((answer.status, answer.offset()), (StatusCode::OK, 100_000));
    let day = 24 * 3_600_000_000;
    assert!(
        case.row().await.unwrap().expires_at < now() + 3 * day,
        "what is not complete is not kept for long"
    );
    assert_eq!(case.head().await.offset(), 100_000);
    let answer = case.put(100_000, &file, &file[100_000..]).await;
    assert_eq!((answer.status, answer.offset()), (StatusCode::CREATED, 300_000));
    let answer = case.put(300_000, &file, &[]).await;
    assert_eq!((answer.status, answer.offset()), (StatusCode::CREATED, 300_000), "a repeat does no harm");
    let row = case.row().await.unwrap();
    assert_eq!((row.state.as_str(), row.sha256), ("stored", sha256(&[&file])));
    assert!(row.expires_at > now() + 29 * day);
    let result = json!({
        "path": "/etc/hostname", "size": 7, "sha1": "a", "sha256": "b", "modified_us": 0, "uid": 0, "mode": 420,
        "changed_while_reading": false,
        "archive": {
            "artifact_id": artifact_id(&case.id.to_string(), "archive"), "size": 300_000, "sha256": hex(&sha256(&[&file])),
        },
    });
    let outcome = case.agent.outcome(&case.order, Status::Done, result.to_string().into_bytes());
    case.session.say(FromAgent::Outcome(outcome)).await;
    assert!(matches!(case.session.hear().await, Some(FromServer::OutcomeStored(_))));
    assert_eq!(case.rig.command(case.id).await.state, "succeeded");
    assert_eq!(case.put(0, &file, &file).await.status, StatusCode::NOT_FOUND, "the order is over");
}

#[tokio::test]
async fn an_upload_goes_on_after_its_connection_broke() {
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    let case = case().await;
    let file = bytes(300_000);
    // Announces all, sends a part, and is gone.
    let stream = case.agent.connect().await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let running = tokio::spawn(connection);
    let part = Bytes::copy_from_slice(&file[..120_000]);
    let parts = futures_util::stream::unfold(Some(part), |part| async move {
        match part {
            Some(part) => Some((Ok::<_, std::io::Error>(Frame::data(part)), None)),
            None => std::future::pending().await,
        }
    });
    let digest = hex(&sha256(&[&file]));
    let headers = [("upload-offset", "0"), ("upload-length", "300000"), ("upload-sha256", digest.as_str())];
    let body = StreamBody::new(Box::pin(parts));
    let put = tokio::spawn(sender.send_request(request("PUT", &case.path(), &headers).body(body).unwrap()));
    super::rig::until(async || (case.head().await.offset() > 0).then_some(())).await;
    running.abort();
    put.abort();
    let offset = super::rig::until(async || {
        let offset = case.head().await.offset();
        let answer = case.put(offset, &file, &file[offset as usize..]).await;
        (answer.status == StatusCode::CREATED).then_some(offset)
    })
    .await;
    assert!(offset > 0);
    assert_eq!(case.row().await.unwrap().state, "stored");
}

/// A server that dies after it moved a whole file into the store, and before it noted that, finds no unfinished file.
#[tokio::test]
async fn a_file_that_was_lost_on_the_way_comes_again_from_its_beginning() {
    let case = case().await;
    let file = bytes(300_000);
    assert_eq!(case.put(0, &file, &file[..299_000]).await.offset(), 299_000);
    let spool = case.rig.artifacts().join("spool");
    for unfinished in std::fs::read_dir(spool).unwrap() {
        std::fs::remove_file(unfinished.unwrap().path()).unwrap();
    }
    assert_eq!(case.head().await.offset(), 0);
    let answer = case.put(0, &file, &file[..16_384]).await;
    assert_eq!((answer.status, answer.offset()), (StatusCode::OK, 16_384));
    assert_eq!(case.put(16_384, &file, &file[16_384..]).await.status, StatusCode::CREATED);
    assert_eq!(case.row().await.unwrap().state, "stored");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let case = case().await;
    let file = bytes(50_000);
    let answer = case.put(10, &file, &file[10..]).await;
    assert_eq!((answer.status, answer.offset()), (StatusCode::CONFLICT, 0), "a gap");
    let answer = case.put(0, &file, &[file.as_slice(), b"more"].concat()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "longer than announced");
    let digest = hex(&sha256(&[&file]));
    let answer = put(&case.agent, &case.path(), 0, 3_000_000, &digest, b"x").await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "larger than the order allows");
    for (length, digest) in [("-1", digest.as_str()), ("x", &digest), ("5", "zz"), ("5", "")] {
        let headers = [("upload-offset", "0"), ("upload-length", length), ("upload-sha256", digest)];
        let sent =
            case.agent.send(request("PUT", &case.path(), &headers).body(Full::default()).unwrap()).await;
        assert_eq!(sent.unwrap().status, StatusCode::BAD_REQUEST, "{length} {digest}");
    }
    let answer = case.agent.post(&case.path(), vec![]).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn another_file_than_announced_is_not_kept() {
    let case = case().await;
    let (file, other) = (bytes(50_000), vec![1; 50_000]);
    let answer = case.put(0, &file, &other).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "hash_mismatch")
    );
    assert_eq!(case.row().await.unwrap().state, "failed");
    assert_eq!(case.head().await.offset(), 0);
    // Begun anew, it goes well; once stored, an agent that lost its archive may bring another one.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(case.put(0, &file, &file).await.status, StatusCode::CREATED);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(case.put(0, &other, &other[..10]).await.offset(), 10);
    let answer = case.put(10, &other, &other[10..]).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(case.row().await.unwrap().sha256, sha256(&[&other]));
}

#[tokio::test]
async fn orders_of_others_and_strange_paths_lead_nowhere() {
    let case = case().await;
    let stranger = Agent::enrolled(&case.rig).await;
    let file = bytes(10);
    let digest = hex(&sha256(&[&file]));
    let answer = put(&stranger, &case.path(), 0, 10, &digest, &file).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "another agent's order");
    let id = case.id;
    for path in [
        format!("/agent/v1/uploads/{id}/../archive"),
        format!("/agent/v1/uploads/{id}/other"),
        format!("/agent/v1/uploads/{id}/archive/"),
        format!("/agent/v1/uploads/{id}/archive%2f..%2f"),
        format!("/agent/v1/uploads/{id}/archive%00"),
        format!("/agent/v1/uploads/{}/archive", id.to_string().to_uppercase()),
        format!("/agent/v1/uploads/{{{id}}}/archive"),
        format!("/agent/v1/uploads/{}/archive", id.simple()),
        format!("/agent/v1/uploads/{}/archive", Uuid::now_v7()),
        "/agent/v1/uploads/../../../../etc/passwd/archive".to_owned(),
        "/agent/v1/uploads//archive".to_owned(),
        format!("/agent/v1/uploads/{}/archive", "a".repeat(4096)),
    ] {
        let path = path.replace('{', "%7B").replace('}', "%7D");
        let answer = put(&case.agent, &path, 0, 10, &digest, &file).await;
        // An id in upper case is no other id, but it is not the one spelling.
        let same = path == case.path();
        assert_eq!(answer.status == StatusCode::NOT_FOUND, !same, "{path}");
    }
    // An order whose action sends no file.
    let mut session = stranger.session().await;
    let other =
        case.rig.submit(stranger.id(), "process.terminate", json!({ "pid": 4242, "start_time": 1 })).await;
    session.order().await;
    let path = format!("/agent/v1/uploads/{}/archive", other.id);
    assert_eq!(put(&stranger, &path, 0, 10, &digest, &file).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_begun() {
    let rig = Rig::with(|settings| settings.reserved_bytes = u64::MAX).await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let id = rig.submit(agent.id(), "file.collect", json!({ "path": "/etc/hostname" })).await.id;
    let order = session.order().await;
    let case = Case { rig, agent, session, order, id };
    let file = bytes(10);
    let answer = case.put(0, &file, &file).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::INSUFFICIENT_STORAGE, "storage_full")
    );
    assert!(case.row().await.is_none());
}

#[tokio::test]
async fn a_script_is_given_to_whom_it_was_ordered_for() {
    let rig = Rig::start().await;
    let (agent, other) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let body = b"echo hello\n".to_vec();
    let digest = sha256(&[&body]);
    let (tenant, script_id, stored) = (rig.tenant, Uuid::now_v7(), body.clone());
    rig.write(move |tx| {
        let item = library::Item {
            tenant_id: tenant,
            id: script_id,
            kind: "script".to_owned(),
            name: "hello".to_owned(),
            description: String::new(),
            built_in: false,
            created_at: now(),
            archived_at: None,
            archived_by: None,
        };
        library::insert(tx, &item)?;
        let version = library::Version {
            tenant_id: tenant,
            item_id: script_id,
            version: 0,
            kind: "script".to_owned(),
            facts: json!({ "interpreter": "sh" }).to_string(),
            note: String::new(),
            size: 0,
            sha256: digest,
            created_by: "test".to_owned(),
            created_at: now(),
        };
        library::add_version(tx, &version, &stored)
    })
    .await;
    let path = format!("/agent/v1/library/{}", hex(&digest));
    assert_eq!(agent.get(&path).await.status, StatusCode::NOT_FOUND, "before it was ordered");
    let mut session = agent.session().await;
    rig.submit(agent.id(), "endpoint.run_script", json!({ "script": "hello" })).await;
    session.order().await;
    let answer = agent.get(&path).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, body.as_slice()));
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND, "somebody else's order");
}

#[tokio::test]
async fn a_revocation_ends_an_upload_under_way() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let case = case().await;
    let file = bytes(300_000);
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\nupload-offset: 0\r\nupload-length: 300000\r\n\
         upload-sha256: {}\r\n\r\n",
        case.path(),
        hex(&sha256(&[&file]))
    );
    let mut stream = case.agent.connect().await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&file[..10_000]).await.unwrap();
    super::rig::until(async || (case.head().await.offset() == 10_000).then_some(())).await;
    let (actor, tenant) = (quell_engine::Actor::system(), case.rig.tenant);
    case.rig.engine.revoke(&actor, tenant, case.agent.id(), "stolen").await.unwrap();
    case.rig.gateway.sessions().revoked(case.agent.id());
    let began = std::time::Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    assert_ne!(case.row().await.unwrap().state, "stored");
}
