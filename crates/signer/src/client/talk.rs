//! One connection of a client, from its beginning to its end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Keys, Pending, Shared, Signature, What};
use crate::place::Stream;
use crate::protocol::{
    Answered, Ask, Asked, FRAME, Hello, ORDERS, Ping, PublicKeys, Refused, Said, Say, Sign, Signed, VERSION,
    decode, frame, length,
};

/// Connecting, and the first answer.
const BEGIN: Duration = Duration::from_secs(5);
/// A frame is taken, and answered, within this time.
const ANSWER: Duration = Duration::from_secs(10);
/// How long nothing is asked before the signer is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);
/// Frames under way: while one is signed the next is on its way, and what comes meanwhile gathers.
const UNDER_WAY: usize = 2;
/// A frame that is this long takes no more orders.
const FULL: usize = 1 << 20;

type Conversation = (WriteHalf<Box<dyn Stream>>, Heard);

/// What the signer says, read by a task of its own, so that neither end waits for the other to read.
struct Heard {
    frames: mpsc::Receiver<Result<Said, String>>,
    reader: JoinHandle<()>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Something that was asked and not answered.
struct UnderWay {
    id: u64,
    /// None with a ping.
    orders: Vec<Pending>,
    since: Instant,
}

/// Connects and has orders signed. What was not answered at the end is in `waiting`.
///
/// # Errors
/// Why the connection ended; no error when the client was dropped.
pub(super) async fn talk(
    shared: &Shared,
    queue: &mut mpsc::Receiver<Pending>,
    waiting: &mut VecDeque<Pending>,
) -> Result<(), String> {
    let begun = timeout(BEGIN, begin(shared)).await.map_err(|_| "it does not answer".to_owned())?;
    let (mut writer, mut heard) = begun?;
    shared.connections.fetch_add(1, Ordering::Relaxed);
    shared.connected.store(true, Ordering::Relaxed);
    tracing::debug!(place = %shared.place, "the signer is there");
    let mut under_way = VecDeque::new();
    let result = converse(shared, queue, waiting, &mut under_way, &mut writer, &mut heard).await;
    // In the order in which they were asked, before whatever waits behind them.
    for UnderWay { orders, .. } in under_way.into_iter().rev() {
        for pending in orders.into_iter().rev() {
            waiting.push_front(pending);
        }
    }
    result
}

async fn begin(shared: &Shared) -> Result<Conversation, String> {
    let stream = shared.place.dial().await.map_err(|error| error.to_string())?;
    let (reader, mut writer) = split(stream);
    let hello = Ask::Hello(Hello { oldest: VERSION, newest: VERSION });
    write(&mut writer, hello).await?;
    let (sender, frames) = mpsc::channel(UNDER_WAY + 1);
    let mut heard = Heard { frames, reader: tokio::spawn(read_all(reader, sender)) };
    match heard.next().await? {
        Say::Welcome(welcome) if welcome.version == VERSION => {
            shared.take_keys(Keys::read(welcome.keys)?)?;
            Ok((writer, heard))
        }
        Say::Sorry(sorry) => Err(format!("it says {} ({})", sorry.message, sorry.code)),
        Say::Welcome(_) | Say::Signed(_) | Say::Pong(_) => Err("it speaks another protocol".to_owned()),
    }
}

async fn converse(
    shared: &Shared,
    queue: &mut mpsc::Receiver<Pending>,
    waiting: &mut VecDeque<Pending>,
    under_way: &mut VecDeque<UnderWay>,
    writer: &mut WriteHalf<Box<dyn Stream>>,
    heard: &mut Heard,
) -> Result<(), String> {
    let mut last_id = 0;
    loop {
        let oldest = under_way.front().map(|asked: &UnderWay| asked.since);
        let limit = oldest.map_or_else(|| Instant::now() + QUIET, |since| since + ANSWER);
        let room = under_way.len() < UNDER_WAY;
        tokio::select! {
            biased;
            said = heard.next() => take(shared, under_way, said?)?,
            first = next(queue, waiting), if room => {
                let Some(first) = first else { return Ok(()) };
                last_id += 1;
                // Orders first: the answers come in this order.
                let mut orders = gather(first, queue, waiting);
                orders.sort_by_key(|pending| pending.what);
                let bytes = |what: What| {
                    let of_kind = orders.iter().filter(move |pending| pending.what == what);
                    of_kind.map(|pending| pending.order.to_vec()).collect()
                };
                let (asked, deltas) = (bytes(What::Order), bytes(What::Delta));
                let protections = bytes(What::Protection);
                // Under way before it is written: whatever goes wrong from here on, it is asked again.
                under_way.push_back(UnderWay { id: last_id, orders, since: Instant::now() });
                write(writer, Ask::Sign(Sign { id: last_id, orders: asked, deltas, protections })).await?;
            }
            () = tokio::time::sleep_until(limit) => {
                if oldest.is_some() {
                    return Err("it does not answer".to_owned());
                }
                under_way.push_back(UnderWay { id: 0, orders: Vec::new(), since: Instant::now() });
                write(writer, Ask::Ping(Ping {})).await?;
            }
        }
    }
}

/// The next order to be signed; `None` when the client was dropped.
async fn next(queue: &mut mpsc::Receiver<Pending>, waiting: &mut VecDeque<Pending>) -> Option<Pending> {
    match waiting.pop_front() {
        Some(pending) => Some(pending),
        None => queue.recv().await,
    }
}

/// Everything that waits by now, as far as a frame holds it.
fn gather(
    first: Pending,
    queue: &mut mpsc::Receiver<Pending>,
    waiting: &mut VecDeque<Pending>,
) -> Vec<Pending> {
    let mut size = first.order.len();
    let mut orders = vec![first];
    while orders.len() < ORDERS && size < FULL {
        let Some(pending) = waiting.pop_front().or_else(|| queue.try_recv().ok()) else { break };
        if pending.answer.is_closed() {
            continue;
        }
        size += pending.order.len();
        orders.push(pending);
    }
    orders
}

fn take(shared: &Shared, under_way: &mut VecDeque<UnderWay>, said: Say) -> Result<(), String> {
    let confused = || "it answers what was not asked".to_owned();
    match said {
        Say::Signed(Signed { id, answers, keys }) => {
            // Before anybody has a signature of a new key in hand, the new key is known.
            take_keys(shared, keys)?;
            let is_answer = |asked: &mut UnderWay| {
                let up_to = |what: What| asked.orders.iter().filter(|pending| pending.what <= what).count();
                let told = [What::Order, What::Delta, What::Protection].map(up_to);
                asked.id == id && told.contains(&answers.len())
            };
            let asked = under_way.pop_front_if(is_answer).ok_or_else(confused)?;
            // An older signer passes over what it does not know: asking again would not end.
            let answers = answers.into_iter().chain(std::iter::repeat_with(too_old));
            for (pending, answered) in asked.orders.into_iter().zip(answers) {
                let result = if let Some(refused) = answered.refused {
                    let is_final = refused.retry_after_ms == 0;
                    shared.refused.fetch_add(u64::from(is_final), Ordering::Relaxed);
                    Err(refused)
                } else {
                    shared.signed.fetch_add(1, Ordering::Relaxed);
                    Ok(Signature { signature: answered.signature, key_id: answered.key_id })
                };
                // Whoever asked may not wait any more.
                let _ = pending.answer.send(result);
            }
            Ok(())
        }
        Say::Pong(pong) => {
            take_keys(shared, pong.keys)?;
            let is_ping = |asked: &mut UnderWay| asked.id == 0;
            under_way.pop_front_if(is_ping).map(|_| ()).ok_or_else(confused)
        }
        Say::Sorry(sorry) => Err(format!("it says {} ({})", sorry.message, sorry.code)),
        Say::Welcome(_) => Err(confused()),
    }
}

fn too_old() -> Answered {
    let message = "the signer is of a version that does not know what this is; put a newer one in its place";
    let refused =
        Refused { code: "signer_too_old".to_owned(), message: message.to_owned(), retry_after_ms: 0 };
    Answered { refused: Some(refused), ..Answered::default() }
}

fn take_keys(shared: &Shared, keys: Option<PublicKeys>) -> Result<(), String> {
    keys.map_or(Ok(()), |keys| shared.take_keys(Keys::read(Some(keys))?))
}

impl Heard {
    async fn next(&mut self) -> Result<Say, String> {
        let said = self.frames.recv().await.ok_or("it hung up")??;
        said.say.ok_or_else(|| "it says what this program does not know".to_owned())
    }
}

async fn read_all(mut reader: ReadHalf<Box<dyn Stream>>, frames: mpsc::Sender<Result<Said, String>>) {
    loop {
        let said = read(&mut reader).await.map_err(|error| error.to_string());
        let is_over = said.is_err();
        if frames.send(said).await.is_err() || is_over {
            return;
        }
    }
}

async fn read(reader: &mut ReadHalf<Box<dyn Stream>>) -> std::io::Result<Said> {
    let mut head = [0; 4];
    reader.read_exact(&mut head).await?;
    let length = length(head, FRAME)?;
    let mut bytes = Vec::new();
    if reader.take(length as u64).read_to_end(&mut bytes).await? < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    decode(&bytes)
}

async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, ask: Ask) -> Result<(), String> {
    let bytes = frame(&Asked { ask: Some(ask) });
    let writing = async {
        writer.write_all(&bytes).await?;
        writer.flush().await
    };
    match timeout(ANSWER, writing).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("it does not read".to_owned()),
    }
}
