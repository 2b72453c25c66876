//! Answers as clamd 1.4.6 gives them, and as it never would.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::*;

fn found(name: &str) -> Answer {
    Answer::Found(name.to_owned())
}

#[test]
fn an_answer_has_one_of_three_shapes() {
    use Way::{Descriptor, Stream};
    assert_eq!(parse(b"fd[9]: OK", Descriptor), Ok(Answer::Clean));
    assert_eq!(parse(b"stream: OK", Stream), Ok(Answer::Clean));
    assert_eq!(parse(b"fd[12]: Eicar-Test-Signature FOUND", Descriptor), Ok(found("Eicar-Test-Signature")));
    assert_eq!(parse(b"stream: A(44d8:68) FOUND", Stream), Ok(found("A(44d8:68)")));
    assert_eq!(parse(b"No file descriptor received. ERROR", Descriptor), Err(Error::NoDescriptor));
    assert_eq!(parse(b"UNKNOWN COMMAND", Descriptor), Err(Error::NoDescriptor));
    assert_eq!(parse(b"INSTREAM size limit exceeded. ERROR", Stream), Err(Error::TooLarge));
    let refused = Err(Error::Refused("Can't allocate memory".to_owned()));
    assert_eq!(parse(b"Can't allocate memory ERROR", Stream), refused);
    assert_eq!(parse(b"fd[1]: Can't allocate memory ERROR", Descriptor), refused);
    let long = format!("stream: {} FOUND", "é".repeat(2000));
    assert_eq!(parse(long.as_bytes(), Stream), Ok(found(&"é".repeat(128))));
    for (answer, way) in [
        (&b"stream: OK"[..], Descriptor),
        (b"fd[9]: OK", Stream),
        (b"fd[]: OK", Descriptor),
        (b"fd[x]: OK", Descriptor),
        (b"fd[9]: OK FOUND?", Descriptor),
        (b"fd[9]:  FOUND", Descriptor),
        (b"fd[9]: A\nfd[9]: OK", Descriptor),
        (b"HTTP/1.1 200 OK", Stream),
        (b"", Stream),
        (b"\xff\xfe", Stream),
    ] {
        assert!(matches!(parse(answer, way), Err(Error::Garbage(_))), "{answer:?}");
    }
}

/// What becomes of a scan when this is what answers.
fn answered(by: impl FnOnce(UnixStream) + Send + 'static, way: Way) -> Result<Answer, Error> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || by(theirs));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 3 << 20]).unwrap();
    let until = Instant::now() + Duration::from_millis(400);
    let answer = scan(ours.as_fd(), &file, way, 2 << 20, until);
    drop(ours);
    thread.join().unwrap();
    answer
}

fn drain(mut from: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    // It ends with the other side, in whichever way.
    let _ = from.read_to_end(&mut all);
    all
}

#[test]
fn whoever_answers_cannot_hold_it_up_or_fill_it() {
    let silent = |line: UnixStream| drop(drain(line));
    assert_eq!(answered(silent, Way::Descriptor), Err(Error::Time));
    let deaf = |line: UnixStream| {
        std::thread::sleep(Duration::from_millis(500));
        drop(line);
    };
    assert_eq!(answered(deaf, Way::Stream), Err(Error::Time));
    let gone = |line: UnixStream| drop(line);
    assert_eq!(answered(gone, Way::Stream), Err(Error::Cut));
    let endless = |mut line: UnixStream| while line.write_all(&[b'A'; 16_384]).is_ok() {};
    assert_eq!(answered(endless, Way::Descriptor), Err(Error::TooLong));
    let cut = |mut line: UnixStream| line.write_all(b"stream: OK").unwrap();
    assert_eq!(answered(cut, Way::Stream), Err(Error::Cut));
    let trickle = |mut line: UnixStream| {
        while line.write_all(b"A").is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    assert_eq!(answered(trickle, Way::Descriptor), Err(Error::Time));
    let early = |mut line: UnixStream| {
        line.write_all(b"INSTREAM size limit exceeded. ERROR\0").unwrap();
    };
    assert_eq!(answered(early, Way::Stream), Err(Error::TooLarge));
}

#[test]
fn a_stream_is_cut_to_what_was_asked_and_well_formed() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut sent = Vec::new();
        let mut piece = [0; 4096];
        while !sent.ends_with(&[0, 0, 0, 0]) || sent.len() < 100_000 {
            let count = theirs.read(&mut piece).unwrap();
            sent.extend_from_slice(&piece[..count]);
        }
        theirs.write_all(b"stream: OK\0").unwrap();
        sent
    });
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 3 << 20]).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    assert_eq!(scan(ours.as_fd(), &file, Way::Stream, 100_000, until), Ok(Answer::Clean));
    let sent = thread.join().unwrap();
    let mut rest = sent.strip_prefix(b"zINSTREAM\0").unwrap();
    let mut total = 0;
    while let Some((head, body)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*head) as usize;
        total += length;
        rest = &body[length..];
    }
    assert_eq!(total, 100_000);
}
