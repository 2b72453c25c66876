//! A worker that tries whatever the test tells it to, and answers how that went.
#![expect(unsafe_code, reason = "what an intruder would do")]
#![expect(clippy::panic, clippy::print_stderr, reason = "what a broken program would do")]

use std::io::{self, Read as _, Seek as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;

use quell_host::confine::Profile;
use quell_host::worker::{Channel, serve};

pub fn run(profile: &str) -> i32 {
    let profile = match profile {
        "sealed" => Profile::Sealed,
        "reader" => Profile::Reader,
        "inspector" => Profile::Inspector,
        // Confined with another thread around: must be refused.
        "crowd" => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
            Profile::Sealed
        }
        _ => return 9,
    };
    serve(profile, |channel| {
        while let Some(request) = channel.receive()? {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let answer = if verb == "descriptors" {
                contents(request.descriptors)
            } else {
                attempt(channel, verb, rest)?
            };
            channel.send(answer.as_bytes())?;
        }
        Ok(())
    })
}

fn contents(descriptors: Vec<std::os::fd::OwnedFd>) -> String {
    let read = |fd| {
        let (mut file, mut text) = (std::fs::File::from(fd), String::new());
        file.rewind()?;
        file.read_to_string(&mut text).map(|_| text)
    };
    descriptors.into_iter().map(|fd| read(fd).unwrap_or_else(|e| e.to_string())).collect::<Vec<_>>().join("|")
}

fn said<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), |code| format!("errno {code}")),
    }
}

fn attempt(channel: &mut Channel, verb: &str, rest: &str) -> io::Result<String> {
    Ok(match verb {
        "echo" => rest.to_owned(),
        "open" => said(std::fs::File::open(rest)),
        "read" => {
            std::fs::read(rest).map_or_else(|e| said::<()>(Err(e)), |bytes| format!("{} bytes", bytes.len()))
        }
        "list" => {
            std::fs::read_dir(rest).map_or_else(|e| said::<()>(Err(e)), |d| format!("{} entries", d.count()))
        }
        "link" => std::fs::read_link(rest).map_or_else(|e| said::<()>(Err(e)), |p| p.display().to_string()),
        "stat" => said(std::fs::metadata(rest)),
        "append" => said(std::fs::File::options().append(true).open(rest)),
        "write" => said(std::fs::File::options().write(true).open(rest)),
        "create" => said(std::fs::File::create(rest)),
        "unlink" => said(std::fs::remove_file(rest)),
        "chmod" => said(std::fs::set_permissions(rest, std::os::unix::fs::PermissionsExt::from_mode(0o777))),
        "exec" => said(Command::new("/bin/true").status()),
        "tcp" => said(TcpStream::connect("127.0.0.1:9")),
        "listen" => said(TcpListener::bind("127.0.0.1:0")),
        "unix" => said(UnixStream::connect(rest)),
        "thread" => said(std::thread::Builder::new().spawn(|| ()).map(|t| t.join().is_ok())),
        "user" => {
            let uid = rest.parse().unwrap_or(0);
            said(rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(uid)).map_err(io::Error::from))
        }
        "descriptor_limit" => {
            let made: Vec<_> = (0..10_000)
                .map_while(|_| rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok())
                .collect();
            format!("{}", made.len())
        }
        "memory" => fill(rest.parse().unwrap_or(0)),
        "panic" => panic!("as told"),
        "words" => {
            for _ in 0..100_000 {
                eprintln!("a long story that nobody reads");
            }
            "told".to_owned()
        }
        "loop" => loop {
            std::hint::spin_loop();
        },
        "sleep" => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
        "many" => {
            for _ in 0..rest.parse().unwrap_or(0) {
                channel.send(b"one of many")?;
            }
            "last".to_owned()
        }
        _ => raw(verb, rest),
    })
}

fn fill(bytes: usize) -> String {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for _ in 0..bytes >> 20 {
        all.push(vec![1; 1 << 20]);
    }
    format!("{} held", all.len())
}

/// What no safe code does.
fn raw(verb: &str, rest: &str) -> String {
    let number = rest.parse::<libc::c_long>().unwrap_or(0);
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: a process of its own, told to misbehave; nothing that it breaks outlives it.
    let result = unsafe {
        match verb {
            "fork" => libc::c_long::from(libc::fork()),
            "ptrace" => libc::ptrace(libc::PTRACE_ATTACH, number, 0, 0),
            "kill" => libc::c_long::from(libc::kill(number as i32, 0)),
            "shared" => libc::mmap(
                null,
                1 << 30,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            ) as libc::c_long,
            "code" => libc::mmap(
                null,
                4096,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            ) as libc::c_long,
            "netlink" => libc::c_long::from(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, number as i32)),
            "call" => libc::syscall(number, 0, 0, 0, 0, 0, 0),
            "segfault" => libc::c_long::from(*(16 as *const u8)),
            // The length of a message that nobody may send.
            "oversize" => libc::send(3, [255u8; 4].as_ptr().cast(), 4, 0) as libc::c_long,
            "garbage" => {
                libc::send(3, [4u8, 0, 0, 0, 255, 254, 253, 252].as_ptr().cast(), 8, 0) as libc::c_long
            }
            "torn" => {
                libc::send(3, [9u8, 0, 0, 0, 1].as_ptr().cast(), 5, 0);
                std::process::exit(0)
            }
            "hangup" => {
                for fd in [0, 3] {
                    libc::shutdown(fd, libc::SHUT_RDWR);
                    libc::close(fd);
                }
                loop {
                    std::hint::spin_loop();
                }
            }
            _ => return "unknown".to_owned(),
        }
    };
    if result < 0 {
        format!("errno {}", io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        "ok".to_owned()
    }
}
