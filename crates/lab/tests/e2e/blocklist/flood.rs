//! A user of the endpoint asks for thousands of listed names a second: others' names resolve meanwhile, and no listed one does.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, setfsuid};
use serde_json::json;

use super::{MEMORY, dns, hits_of, list};
use crate::{said, site, until};

/// Names of the list, all of them below one that is not listed; `QUELL_LISTED` for a measurement of others.
const LISTED: u32 = 20_000;
/// Questions of the flood in a second, and for how long.
const RATE: u32 = 2_000;
const FLOOD: Duration = Duration::from_secs(6);
/// What another user's name may take, of which the name server takes the least.
const PATIENCE: Duration = Duration::from_secs(1);
const NOBODY: u32 = 65_534;

/// What became of the flood's questions.
#[derive(Debug, Default)]
struct Flood {
    sent: AtomicU32,
    refused: AtomicU32,
    resolved: AtomicU32,
}

/// Ends the name server with the test, however that ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_by_one_user_stalls_nobodys_names_and_lets_no_listed_one_through() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let resolver = site.lab.endpoint("web-2").unwrap();
    let listed = std::env::var("QUELL_LISTED").map_or(LISTED, |listed| listed.parse().unwrap());
    let names: Vec<String> = (0..listed).map(|number| format!("h{number:06}.bad.example")).collect();
    let body = format!("*.evil.example\n{}", names.join("\n"));
    let path = "/library/indicators/names/versions?note=first&description=feed";
    site.api.post_as(path, "text/plain", body.into_bytes()).unwrap().good().unwrap();
    list(&site, "blocklist.add", &json!({ "list": "names" }));

    let server = resolver.within_network(|| UdpSocket::bind(("0.0.0.0", 53)).unwrap()).unwrap();
    let to = (resolver.ip4(), 53);
    let asking = |uid: u32| {
        let open = || {
            // A socket belongs to whom the thread acts as, which ends here.
            setfsuid(Uid::from_raw(uid));
            UdpSocket::bind(("0.0.0.0", 0)).unwrap()
        };
        let socket = web.endpoint.within_network(open).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    // Whether it does not exist; a name of which nothing was heard in time is a failure of this test.
    let socket = asking(0);
    let is_refused = |name: &str| {
        let mut buffer = [0; 512];
        socket.send(&dns(name, Ipv4Addr::LOCALHOST).0).unwrap();
        let began = Instant::now();
        let count = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&buffer[12..count][..1], &[u8::try_from(name.split('.').next().unwrap().len()).unwrap()]);
        (buffer[3] & 0xf == 3, began.elapsed())
    };
    let is_over = AtomicBool::new(false);
    let (flood, flooding) = (Flood::default(), asking(NOBODY));
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| answer(&server, &is_over));
        until("listed names to be refused", || is_refused("first.evil.example").0);
        let threads = [scope.spawn(|| ask(&flooding, &flood)), scope.spawn(|| hear(&flooding, &flood))];
        let (mut longest, mut rounds) = (Duration::ZERO, 0_u32);
        while threads.iter().any(|thread| !thread.is_finished()) {
            rounds += 1;
            let (listed, one) = is_refused(&names[(rounds * 7919 % listed) as usize]);
            let (below, two) = is_refused(&format!("r{rounds}.evil.example"));
            let (good, three) = is_refused(&format!("r{rounds}.good.example"));
            assert_eq!((listed, below, good), (true, true, false), "round {rounds}");
            longest = longest.max(one).max(two).max(three);
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{flood:?}; {rounds} rounds of others, the slowest name {longest:?}");
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        assert!(of(&flood.sent) > RATE * 5, "a flood");
        assert!(longest < PATIENCE && rounds > 20);
        assert_eq!(of(&flood.resolved), 0, "of {} questions of the flood", of(&flood.sent));
        assert!(of(&flood.refused) > of(&flood.sent) / 10 * 9);
    });
    // It is told, and far less often than it was asked.
    until("a hit", || hits_of(&site, "web-1").iter().any(|hit| hit["value"] == "*.evil.example"));
    let hits = hits_of(&site, "web-1");
    assert!(hits.iter().all(|hit| hit["blocked"] == true), "{hits:?}");
    println!("{listed} names; of its own, in all, shared (KB):\n{}", said(&web, MEMORY));
}

/// Every question gets the same address.
fn answer(socket: &UdpSocket, is_over: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 512];
    while !is_over.load(Ordering::Relaxed) {
        let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
        let mut answer = buffer[..count].to_vec();
        answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 9]);
        let _ = socket.send_to(&answer, from);
    }
}

/// Asks for names that nobody asked for before, in step with the clock.
fn ask(socket: &UdpSocket, flood: &Flood) {
    let began = Instant::now();
    while began.elapsed() < FLOOD {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
        for number in flood.sent.load(Ordering::Relaxed)..due {
            let name = match number % 4 {
                0 => format!("h{:06}.bad.example", number % LISTED),
                _ => format!("n{number}.evil.example"),
            };
            let _ = socket.send(&dns(&name, Ipv4Addr::LOCALHOST).0);
            flood.sent.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Counts what comes, until nothing does.
fn hear(socket: &UdpSocket, flood: &Flood) {
    let mut buffer = [0; 512];
    while socket.recv(&mut buffer).is_ok() {
        let count = if buffer[3] & 0xf == 3 { &flood.refused } else { &flood.resolved };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
